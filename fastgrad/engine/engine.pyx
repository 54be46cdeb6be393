# cython: language_level=3, binding=False, auto_pickle=False
# cython: embedsignature=True, embedsignature.format=clinic
"""The engine's face: Value over the arena of csrc/. README.md is a map with a glossary.

From `a * b` to a gradient: Python calls `value_multiply` (operators.pxi). If both operands are Values of the active
class and nothing is unusual, it makes a node in the arena, with the product, the operands' indices and the two local
derivatives, and takes a free handle for it, the Python object. Everything else goes a longer way: `multiply`
(operations.pxi) makes the node, `wrap` (handle.pxi) the handle. `backward` has the core list the nodes below the root,
children first. Then the core goes through the list from its end and adds `local derivative * gradient` into each
child's gradient (csrc/backward.c).

Functions like exp are methods of Node below; CONTRIBUTING.md says where a new one goes.

An operation raises what Python's own function raises. C computes it while operand and result are unremarkable.
Otherwise the function that plain Python would call does, and raises if it must.
"""
cimport cython
from cpython.array cimport array, clone
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_New
from cpython.long cimport PyLong_CheckExact, PyLong_AsDouble, PyLong_AsLongLongAndOverflow
from cpython.tuple cimport PyTuple_New
from libc.math cimport INFINITY, NAN, fabs, isfinite, log as c_log
from libc.stdint cimport UINT32_MAX, uint64_t
from libc.string cimport memcmp, memset

import gc
import math
import operator
import os
import sys
import types
import weakref

from fastgrad.value import arguments, grad_mode, operations, public
from fastgrad.value.copying import Copying
from fastgrad.value.display import Display
from fastgrad.engine.core cimport *
from fastgrad.engine.python cimport *

__all__ = ["Value", "arena_stats"]

NAMES = {FG_LEAF: "", FG_CUSTOM: "", FG_ADD: "+", FG_MUL: "*", FG_POW: "**",
         **{code: function.shown for code, function in enumerate(operations.FUNCTIONS, FG_EXP)}}
CODES = {name: code for code, name in NAMES.items() if name}

# Each part uses only what comes before it; state.pxi says more.
include "state.pxi"
include "numbers.pxi"
include "overrides.pxi"
include "handle.pxi"
include "recording.pxi"
include "operations.pxi"
include "operators.pxi"
include "attributes.pxi"
include "graph.pxi"
include "sums.pxi"
include "places.pxi"
include "operands.pxi"
include "levels.pxi"
include "stores.pxi"
include "loops.pxi"
include "vectors.pxi"
# Cold.
include "cycles.pxi"
include "dialects.pxi"
include "optim.pxi"
include "gradients.pxi"
include "public.pxi"

fg_arena_init(&arena, on_node_death)


cdef const char *DOC = b"""Value(data, children=None, op_or_local_grads=None, label=None, **named)
--

A number that remembers how it was made, so that `backward()` can find its derivatives.

Value(data, children=(), op='', label='') as in micrograd, or Value(data, children, local_grads) as in microgpt.
data: a number. children: the Values that it was made of. op: the operation's name, for drawings; local_grads:
numbers, the derivatives by each child. label: a name for drawings. The names `_children`, `_prev`, `_op` and
`_local_grads` are taken as well.

Raises TypeError if data or a derivative isn't a number or a child isn't a Value, OverflowError if data is an int
that a double can't hold exactly, ValueError if there are local derivatives, but not one for each child.
"""


cdef class Node:
    """The compiled part of a Value. fastgrad.Value derives from it, so that its class can be added to."""
    cdef fg_index index
    cdef PyObject *attributes       # counted: the dict that belongs to the node, or NULL. The last: see tp_dictoffset

    def __cinit__(self):
        self.index = FG_NONE
        if class_of(self) is <PyTypeObject *>Node:
            raise TypeError("a Node is only the base of fastgrad.Value")
        adopt(self)

    def __init__(self, data, children=None, op_or_local_grads=None, label=None, **named):
        cdef Number number
        cdef Dialect *dialect
        cdef bint record = True
        op, local_grads = "", ()
        read_number(data, &number)
        if children is not None or op_or_local_grads is not None or named or node_at(self.index).arity != FG_NULLARY:
            try:
                children, op, local_grads = arguments.parse(children, op_or_local_grads, named)
            except TypeError as error:
                raise error.with_traceback(None)        # the caller's line is the last that is shown
            local_grads = tuple(local_grads)
            record = is_recording()
            set_edges(self, children, local_grads, True, record)
            if not record:
                op = ""
        if node_at(self.index).flags & FG_ATTACHED:     # an earlier __init__ may have set an op and a _backward
            clear_op(self)
            if self.attributes is not NULL:
                (<dict>self.attributes).pop("_backward", None)
                (<dict>self.attributes).pop("_derivatives", None)
        if local_grads and record and has_values(local_grads):
            attributes_of(self)["_derivatives"] = local_grads
        dialect = dialect_at(self.index)
        check_kind(dialect, data)
        set_data(self, Number(number.value, number.is_int and not dialect.float_data))
        set_grad(self, Number(0.0, dialect.new_flags & FG_GRAD_INT))
        if op:
            self._op = op
        if label:
            self.label = label

    # ---- The attributes of both dialects ----

    @property
    def data(self):
        """The number; assign any number to it."""
        cdef fg_node *node = node_at(self.index)
        return as_object(node.data, node.flags & FG_DATA_INT)

    @data.setter
    def data(self, x):
        cdef Number number
        read_number(x, &number)
        check_kind(dialect_at(self.index), x)
        set_data(self, number)

    @property
    def grad(self):
        """The derivative by this Value, as far as `backward()` has added it up; assign any number to it."""
        cdef fg_node *node = node_at(self.index)
        return as_object(node.grad, node.flags & FG_GRAD_INT)

    @grad.setter
    def grad(self, x):
        cdef Number number
        if x is None:
            raise TypeError(arguments.NO_GRAD)
        read_number(x, &number)
        check_kind(dialect_at(self.index), x)
        set_grad(self, number)

    @property
    def _children(self):
        """microgpt's: a tuple of the operands, in their order."""
        return children_of(self)

    @_children.setter
    def _children(self, children):
        replace_edges(self, children, local_grads_of(self))

    @property
    def _operands(self):
        """The same as _children, for classes that have given that name another meaning (script/twin.py)."""
        return children_of(self)

    @property
    def _prev(self):
        """micrograd's: a set of the operands."""
        return set(children_of(self))

    @_prev.setter
    def _prev(self, children):
        replace_edges(self, children, local_grads_of(self))

    @property
    def _local_grads(self):
        """microgpt's: a tuple of the derivatives by each child; none if the children were given without."""
        return local_grads_of(self)

    @_local_grads.setter
    def _local_grads(self, local_grads):
        local_grads = tuple(local_grads)
        replace_edges(self, children_of(self), local_grads)
        if has_values(local_grads):
            attributes_of(self)["_derivatives"] = local_grads

    @property
    def _op(self):
        """micrograd's: the name of the operation, '' for a leaf."""
        cdef fg_node *node = node_at(self.index)
        cdef object op
        if node.flags & FG_ATTACHED and (<Attachment *>node.face).op is not NULL:
            return <object>(<Attachment *>node.face).op
        op = attribute_of(self, "_op")
        if op is not MISSING:
            return op
        return name_of(self.index, shown_name(self.index), "**" if node_at(self.index).op == FG_POW_CONST else None)

    @_op.setter
    def _op(self, op):
        set_op(self, op)

    def _formula(self):
        """The operation of the table that made this node, and its operands; None for a user's own."""
        from fastgrad.value import derivatives
        return derivatives.formula_of(shown_name(self.index), children_of(self))

    @property
    def _backward(self):
        """micrograd's: a function that adds this node's gradient, times the local ones, into its children's."""
        cdef object function = attribute_of(self, "_backward")
        return self._accumulate if function is MISSING else function

    @_backward.setter
    def _backward(self, function):
        take_apart(self.index)
        attributes_of(self)["_backward"] = function
        set_closure(self.index)

    def _accumulate(self):
        if must_call_all():
            for child, local_grad in zip(children_of(self), self._local_grads):
                child.grad = rounded(PyNumber_Add(child.grad, rounded(PyNumber_Multiply(local_grad, self.grad))))
        else:
            pass_on(self.index)

    # ---- Any other attribute ----

    @property
    def __dict__(self):
        cdef dict attributes = attributes_of(self)
        set_closure(self.index)         # the caller may put a `_backward` into the dict
        return attributes

    @__dict__.setter
    def __dict__(self, dict attributes not None):
        cdef dict old = attributes_of(self)     # kept alive: to drop it may run Python
        decref(self.attributes)
        self.attributes = <PyObject *>attributes
        incref(self.attributes)
        share_attributes(self)
        set_closure(self.index)

    @property
    def __class__(self):
        return type(self)

    @__class__.setter
    def __class__(self, cls):
        check_class(self, cls)
        object_class.__set__(self, cls)
        if not has_own_dialect(class_of(self)):
            note_subclass(class_of(self))

    @__class__.deleter
    def __class__(self):
        raise TypeError("can't delete __class__ attribute")

    # ---- Functions ----

    def exp(self):
        """e to the power of this Value. Raises OverflowError."""
        return function_of(self, FG_EXP, math.exp)

    def log(self):
        """The natural logarithm. Raises ValueError if it isn't positive."""
        return function_of(self, FG_LOG, math.log)

    def relu(self):
        """max(0, this Value); the derivative at 0 is 0."""
        cdef Number x = data_of(self)
        cdef bint is_micrograds = dialect_at(self.index).micrograd_relu     # -0.0 and nan stay, and the step is an int
        cdef fg_bool is_int = x.is_int
        cdef double y = fg_relu(x.value, &is_int, is_micrograds)
        return unary_number(self, FG_RELU, Number(y, is_int), Number(x.value > 0.0, is_micrograds))

    def tanh(self):
        """The hyperbolic tangent; its derivative is 1 - tanh**2."""
        return function_of(self, FG_TANH, math.tanh)

    def sigmoid(self):
        """1 / (1 + exp(-x)), computed from the side that can't overflow; its derivative is y * (1 - y)."""
        return function_of(self, FG_SIGMOID, None)

    def sqrt(self):
        """The square root. Raises ValueError if it's negative, and ZeroDivisionError at 0, which has no derivative
        (unless under no_grad, where none is asked for)."""
        cdef double x = node_at(self.index).data
        if x == 0.0 and is_recording():
            try:
                PyNumber_TrueDivide(0.5, x)     # which raises
            except ZeroDivisionError as error:
                note_derivative(error, "sqrt(x)", x)
                raise
        return function_of(self, FG_SQRT, math.sqrt)

    def sin(self):
        """The sine of an angle in radians. Raises ValueError if it's infinite."""
        return function_of(self, FG_SIN, math.sin)

    def cos(self):
        """The cosine of an angle in radians. Raises ValueError if it's infinite."""
        return function_of(self, FG_COS, math.cos)

    def sinh(self):
        """The hyperbolic sine; its derivative is cosh. Raises OverflowError."""
        return function_of(self, FG_SINH, math.sinh)

    def cosh(self):
        """The hyperbolic cosine; its derivative is sinh. Raises OverflowError."""
        return function_of(self, FG_COSH, math.cosh)

    def log1p(self):
        """The natural logarithm of 1 + this Value, exact also near 0. Raises ValueError if it isn't above -1."""
        return function_of(self, FG_LOG1P, math.log1p)

    def expm1(self):
        """e to the power of this Value, minus 1, exact also near 0. Raises OverflowError."""
        return function_of(self, FG_EXPM1, math.expm1)

    def erf(self):
        """The error function; its derivative is 2 / sqrt(pi) * exp(-x * x)."""
        return function_of(self, FG_ERF, math.erf)

    def atan(self):
        """The arc tangent, in radians; its derivative is 1 / (1 + x * x)."""
        return function_of(self, FG_ATAN, math.atan)

    def __abs__(self):
        cdef Number x = data_of(self)
        return unary_number(self, FG_ABS, Number(fabs(x.value), x.is_int),
                            Number((x.value > 0.0) - (x.value < 0.0), False))

    def abs(self):
        """The magnitude; the derivative at 0 is 0."""
        return abs(self)

    # ---- The graph below ----

    def backward(self):
        """Set this Value's grad to 1 and add into the grad of every Value below it its derivative by them.

        Grads aren't set to zero first. Raises MemoryError, and what a user's `_backward` raises. Ctrl-C interrupts it.
        """
        cdef bint call_all = must_call_all()
        # Python may give a leaf a `_backward` meanwhile, so the walk lists leaves if Python may run.
        cdef bint with_leaves = call_all or may_sweeps_run_python()
        cdef Walk walk = Walk(self, with_leaves, FG_APART_ALL if call_all else FG_APART_IF_TOUCHED)
        cdef fg_index index
        cdef fg_status status
        cdef uint32_t n_passed = 0
        if are_there_odd_classes:
            self.grad = as_object(1.0, not dialect_at(self.index).float_seed)
        else:
            set_grad(self, Number(1.0, not dialect_at(self.index).float_seed))
        while True:
            status = FG_CALLERS if call_all else fg_sweep(&arena, walk.scratch, PORTION)
            if walk.scratch.n == 0:
                break
            if status == FG_CALLERS:
                if call_all:
                    take_apart(walk.scratch.order[walk.scratch.n - 1])      # which lists its parts
                walk.scratch.n -= 1
                index = walk.scratch.order[walk.scratch.n]
                if call_all or has_own_backward(index):
                    call_backward(handle_of(index))
                    call_all = must_call_all()
                else:
                    pass_on(index)
                    n_passed += 1
                    if n_passed % 4096:         # a look for Ctrl-C takes a quarter as long as all else here
                        continue
            PyErr_CheckSignals()
        walk = None
        if is_put_off:
            collect_or_put_off()

    def zero_grad(self):
        """Set the grad of this Value and of all below it to 0."""
        cdef Walk walk
        if must_call_all() and are_there_odd_classes:
            for v in self._topological():
                v.grad = 0
        else:
            walk = Walk(self, False, FG_APART_NONE)
            fg_walk_zero(&arena, walk.scratch)

    def detach(self):
        """A new leaf with the same data."""
        return wrap(new_leaf(data_of(self)), class_of(self))

    def _topological(self):
        """This node and all below it, children first."""
        cdef Walk walk = Walk(self, True, FG_APART_ALL)
        cdef uint32_t i
        cdef list nodes = []
        for i in range(walk.scratch.n):
            nodes.append(seen_handle_of(walk.scratch.order[i]))
        return nodes

    def _n_below(self):
        """How many nodes the graph has, this one included."""
        return fg_walk_n_nodes(&arena, Walk(self, True, FG_APART_NONE).scratch)

    def _parents(self):
        """All live Values that were made from this one, in no order. It looks at every node that there is."""
        return parents_of(self)

    # ---- Copies (value/copying.py) ----

    def _forget_derivatives(self):
        """Take away a `_backward` and the local derivatives, as an author's own constructor does (script/fields.py)."""
        if self.attributes is not NULL:
            (<dict>self.attributes).pop("_backward", None)
        if node_at(self.index).arity != FG_NULLARY:
            take_apart(self.index)
            if fg_node_n_locals(node_at(self.index)) > 0:
                replace_edges(self, children_of(self), ())

    def _attributes(self):
        return <dict>self.attributes if self.attributes is not NULL else None

    @classmethod
    def _rebuild(cls, data, grad, children, local_grads, op):
        if not issubclass(cls, Value):
            raise TypeError(f"a Value is to be made, not {cls.__name__!r}")
        cdef Node self = wrap(new_leaf(Number(0.0, True)), <PyTypeObject *>cls)
        self._refill(data, grad, children, local_grads, op)
        return self

    def _refill(self, data, grad, children, local_grads, op):
        """Give a Value these fields in place of its own."""
        cdef Number number
        read_number(data, &number)
        set_data(self, number)
        read_number(grad, &number)
        set_grad(self, number)
        set_edges(self, children, local_grads, False)
        if op:
            rebuild_op(self, op)

    # ---- What Python asks of a number ----

    def _add_reflected(self, other):
        return self + other if are_operands(other, self, RADD) else NotImplemented

    def _multiply_reflected(self, other):
        return self * other if are_operands(other, self, RMUL) else NotImplemented

    def __lt__(self, other):
        return self.data < plain_of(other) if is_operand(other) else NotImplemented

    def __le__(self, other):
        return self.data <= plain_of(other) if is_operand(other) else NotImplemented

    def __gt__(self, other):
        return self.data > plain_of(other) if is_operand(other) else NotImplemented

    def __ge__(self, other):
        return self.data >= plain_of(other) if is_operand(other) else NotImplemented

    def __float__(self):
        return node_at(self.index).data

    def __int__(self):
        return int(self.data)

    def __trunc__(self):
        return math.trunc(self.data)

    def __round__(self, ndigits=None):
        return round(self.data, ndigits)

    def __pos__(self):
        return self

    def conjugate(self):
        """This Value itself, as of every real number: np.std and np.var ask for it."""
        return self

    def __format__(self, str spec not None):
        return format(self.data, spec) if spec else str(self)

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"

    def __ne__(self, other):
        return object.__ne__(self, other)       # not `not self == other`: a subclass may define == alone

    def __hash__(self):
        return (<PyTypeObject *>object).tp_hash(self)


# ---- The class ----

cdef PyTypeObject *node_type = <PyTypeObject *>Node
# Where Python finds a handle's attributes: `attributes` is the last field of a Node, and a pointer.
node_type.tp_dictoffset = node_type.tp_basicsize - <Py_ssize_t>sizeof(PyObject *)

# Classes are known by the package's name: pickles of Parameters have it, and error messages.
node_type.tp_name = "fastgrad.engine.Node"
(<PyTypeObject *>Block).tp_name = "fastgrad.engine.Block"
(<PyTypeObject *>Walk).tp_name = "fastgrad.engine.Walk"
(<PyTypeObject *>Tally).tp_name = "fastgrad.engine.Tally"
(<PyTypeObject *>Derivation).tp_name = "fastgrad.engine.Derivation"
(<PyTypeObject *>Parameters).tp_name = "fastgrad.engine.Parameters"


# Value is made of a list of slots. The garbage collector would track the instances of a class statement. A cdef class
# takes no new attributes, and Python would call its operators by way of their names.

cdef PyType_Slot value_slots[11]
value_slots[0] = PyType_Slot(Py_tp_doc, <void *>DOC)
value_slots[1] = PyType_Slot(Py_tp_dealloc, <void *>handle_dealloc)
value_slots[2] = PyType_Slot(Py_nb_add, <void *>value_add)
value_slots[3] = PyType_Slot(Py_nb_subtract, <void *>value_subtract)
value_slots[4] = PyType_Slot(Py_nb_multiply, <void *>value_multiply)
value_slots[5] = PyType_Slot(Py_nb_true_divide, <void *>value_divide)
value_slots[6] = PyType_Slot(Py_nb_power, <void *>value_power)
value_slots[7] = PyType_Slot(Py_nb_negative, <void *>value_negative)
value_slots[8] = PyType_Slot(Py_tp_getattro, <void *>value_getattr)
value_slots[9] = PyType_Slot(Py_tp_setattro, <void *>value_setattr)
value_slots[10] = PyType_Slot(0, NULL)

cdef PyType_Spec spec
spec.name = "fastgrad.engine.Value"
spec.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE
spec.slots = value_slots

Value = PyType_FromSpecWithBases(&spec, (Node, Copying, Display))
node_type.tp_flags &= ~<unsigned long>Py_TPFLAGS_BASETYPE      # from now on all classes derive from Value
Value.label = ""
cdef object object_class = vars(object)["__class__"]
OWN_GETATTRIBUTE, OWN_SETATTR, OWN_RADD, OWN_RMUL = (
    vars(Value)[name] for name in ("__getattribute__", "__setattr__", "__radd__", "__rmul__"))
Value.__name__ = "Value"                # without the module, as in error messages about classes made by Python
add_dialect(Value)


@cython.binding(True)     # so that it shows its signature
def arena_stats():
    """The arena in numbers: live nodes, capacity in nodes, bytes allocated, the most nodes that ever lived, how many
    live nodes are fused sums, and how many scalar nodes those stand for."""
    return {"live": fg_arena_live(&arena), "capacity": arena.slabs * FG_SLAB, "bytes": fg_arena_bytes(&arena),
            "peak": max(arena.peak, fg_arena_live(&arena)), "fused": arena.n_fused, "stood_for": arena.n_stood_for}

arena_stats.__module__ = "fastgrad.engine"


# ---- For the tests ----

if FG_TESTING:      # which setup.py defines
    def _fail_allocation(n):
        """Make the core's n-th allocation from now fail; 0: none."""
        fg_fail_allocation(n)

    def _check():
        """Raise AssertionError if something in the arena doesn't add up."""
        cdef const char *complaint = fg_arena_check(&arena)
        if complaint is not NULL:
            raise AssertionError(complaint.decode())
