# Python's C API, as far as the engine uses it beyond what Cython declares itself. Comments say which pointers are
# borrowed, and what may run Python code where that isn't obvious. face.h has the few functions in C that are added.

from libc.stdint cimport uint64_t

cdef extern from "Python.h":
    ctypedef struct PyObject
    ctypedef struct PyNumberMethods:
        void *nb_add
        void *nb_multiply
        void *nb_subtract
        void *nb_true_divide
        void *nb_negative
        void *nb_power
    ctypedef struct PyTypeObject:
        const char *tp_name
        void (*tp_free)(void *) noexcept
        int (*tp_traverse)(PyObject *, int (*)(PyObject *, void *) noexcept, void *) noexcept
        Py_hash_t (*tp_hash)(object) except -1
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_dictoffset
        unsigned long tp_flags
        PyObject *tp_dict
        PyTypeObject *tp_base
        unsigned int tp_version_tag
        void (*tp_dealloc)(PyObject *) noexcept
        void *tp_getattro
        void *tp_setattro
        void *tp_call
        Py_ssize_t tp_vectorcall_offset
        void *tp_descr_get
        PyNumberMethods *tp_as_number

    # Objects and reference counts.
    PyTypeObject *type_of "Py_TYPE" (PyObject *)
    PyTypeObject *class_of "Py_TYPE" (object)
    Py_ssize_t refcount "Py_REFCNT" (PyObject *)
    void incref "Py_INCREF" (PyObject *)
    void decref "Py_DECREF" (PyObject *)
    void xincref "Py_XINCREF" (PyObject *)
    void xdecref "Py_XDECREF" (PyObject *)
    object PyObject_GenericGetAttr(object, object)
    # Cython 3.3 has its own + and * for a float and an int, in which -0.0 + 0 is -0.0 and 0.0 * -1 is 0.0.
    object PyNumber_Add(object, object)
    object PyNumber_Multiply(object, object)
    object PyNumber_Subtract(object, object)
    object PyNumber_TrueDivide(object, object)
    int generic_setattr "PyObject_GenericSetAttr" (object, PyObject *, PyObject *) except -1
    bint is_function "PyFunction_Check" (PyObject *) noexcept
    bint is_module "PyModule_Check" (PyObject *) noexcept
    bint is_class "PyType_Check" (PyObject *) noexcept
    bint is_dict "PyDict_CheckExact" (PyObject *) noexcept

    # Containers.
    PyObject *PyDict_GetItem(object, object) noexcept                                   # borrowed; may run __eq__
    bint PyDict_Next(PyObject *, Py_ssize_t *, PyObject **, PyObject **) noexcept       # borrowed; runs no Python
    void PyDict_Clear(PyObject *) noexcept
    PyObject *PyFunction_GET_CLOSURE(PyObject *)                                        # borrowed
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)                                  # borrowed
    PyObject *PyCell_GET(PyObject *)                                                    # borrowed
    Py_ssize_t n_items "PySequence_Fast_GET_SIZE" (object)      # of a list or a tuple
    PyObject **items_of "PySequence_Fast_ITEMS" (object)        # of a list or a tuple, borrowed
    PyTypeObject PyMemberDescr_Type, PyType_Type, PyModule_Type, PyRange_Type, PyList_Type
    PyTypeObject PyUnicode_Type, PyFloat_Type
    PyObject *PyModule_GetDict(PyObject *) noexcept                                     # borrowed

    # Classes.
    ctypedef struct PyType_Slot:
        int slot
        void *pfunc
    ctypedef struct PyType_Spec:
        const char *name
        int basicsize
        int itemsize
        unsigned int flags
        PyType_Slot *slots
    enum:
        Py_TPFLAGS_DEFAULT
        Py_TPFLAGS_BASETYPE
        Py_TPFLAGS_HAVE_VECTORCALL
        Py_TPFLAGS_METHOD_DESCRIPTOR
        Py_tp_doc
        Py_tp_dealloc
        Py_tp_getattro
        Py_tp_setattro
        Py_nb_add
        Py_nb_subtract
        Py_nb_multiply
        Py_nb_true_divide
        Py_nb_power
        Py_nb_negative
    object PyType_FromSpecWithBases(PyType_Spec *, object)
    void PyType_Modified(PyTypeObject *)
    void set_type "Py_SET_TYPE" (PyObject *, PyTypeObject *)
    bint PyType_IsSubtype(PyTypeObject *, PyTypeObject *)
    PyObject *PyType_Lookup "_PyType_Lookup" (PyTypeObject *, object) noexcept          # borrowed; no descriptor runs

    # Threads, contexts, signals.
    ctypedef struct PyThreadState:
        uint64_t id
        uint64_t context_ver        # another number whenever the thread enters or leaves a context
        void *c_tracefunc
        void *c_profilefunc
    PyThreadState *PyThreadState_Get() noexcept
    int PyContextVar_Get(object, PyObject *, PyObject **) except -1
    int PyErr_CheckSignals() except -1                                                  # runs signal handlers
    void PyErr_Clear() noexcept
    bint PyErr_ExceptionMatches(object) noexcept
    void PyErr_Fetch(PyObject **, PyObject **, PyObject **) noexcept                    # new references, or NULL
    void PyErr_Restore(PyObject *, PyObject *, PyObject *) noexcept                     # steals them
    ctypedef PyObject *(*vectorcallfunc)(PyObject *, PyObject **, size_t, PyObject *) noexcept
    PyObject *PyVectorcall_Call(PyObject *, PyObject *, PyObject *) noexcept
    PyObject *PyObject_Vectorcall_or_null "PyObject_Vectorcall" (PyObject *, PyObject **, size_t, PyObject *) noexcept
    int PyObject_IsTrue_or_minus "PyObject_IsTrue" (PyObject *) noexcept
    PyObject *PyErr_Occurred_or_null "PyErr_Occurred" () noexcept
    PyObject *PyEval_GetGlobals() noexcept                                              # borrowed, as the next two
    PyObject *PyEval_GetBuiltins() noexcept
    PyObject *PyEval_GetLocals() noexcept
    bint PyGC_Disable() noexcept
    bint PyGC_Enable() noexcept
    Py_ssize_t PY_SSIZE_T_MAX

    # New references or NULL. The caller looks at NULL, and Cython doesn't.
    PyObject *PyObject_GetAttr_or_null "PyObject_GetAttr" (PyObject *, object) noexcept
    PyObject *PySequence_GetItem_or_null "PySequence_GetItem" (PyObject *, Py_ssize_t) noexcept
    PyObject *PySequence_List_or_null "PySequence_List" (PyObject *) noexcept
    PyObject *PyNumber_Index_or_null "PyNumber_Index" (PyObject *) noexcept
    PyObject *PyObject_GetItem_or_null "PyObject_GetItem" (PyObject *, PyObject *) noexcept
    Py_ssize_t PyObject_Size_or_minus "PyObject_Size" (PyObject *) noexcept
    PyObject *PyList_GetSlice_or_null "PyList_GetSlice" (PyObject *, Py_ssize_t, Py_ssize_t) noexcept
    PyObject *PySlice_New_or_null "PySlice_New" (PyObject *, PyObject *, PyObject *) noexcept
    PyObject *PyLong_FromSsize_t_or_null "PyLong_FromSsize_t" (Py_ssize_t) noexcept
    PyObject *PyLong_FromDouble_or_null "PyLong_FromDouble" (double) noexcept
    PyObject *PyFloat_FromDouble_or_null "PyFloat_FromDouble" (double) noexcept
    PyObject *PyNumber_Negative_or_null "PyNumber_Negative" (PyObject *) noexcept
    PyObject *PyNumber_Add_or_null "PyNumber_Add" (PyObject *, PyObject *) noexcept
    PyObject *PyNumber_Subtract_or_null "PyNumber_Subtract" (PyObject *, PyObject *) noexcept
    PyObject *PyNumber_Multiply_or_null "PyNumber_Multiply" (PyObject *, PyObject *) noexcept
    PyObject *PyNumber_FloorDivide_or_null "PyNumber_FloorDivide" (PyObject *, PyObject *) noexcept
    PyObject *PyNumber_Remainder_or_null "PyNumber_Remainder" (PyObject *, PyObject *) noexcept

cdef extern from "face.h":
    unsigned int NO_VERSION "UINT32_MAX"        # no class has this version: Python counts up to it from 1
    bint is_collectable "fg_is_collectable" (PyObject *) noexcept
    PyObject *new_reference "fg_revived" (PyObject *)
    PyObject *float_of "fg_float" (PyObject **spare, double x)
    void *running_frame "fg_running_frame" () noexcept
    bint keeps_frames "fg_keeps_frames" () noexcept        # the error that is set
    bint is_monitored "fg_is_monitored" () noexcept
    bint is_of_c_class "fg_is_of_c_class" (PyObject *, const char *) noexcept
    uint64_t dict_version "fg_dict_version" (PyObject *) noexcept     # 0 if it isn't known
    void set_float "fg_set_float" (PyObject *, double x) noexcept

# Types of slots. Cython checks what a function that returns an object has returned, and adds a line to the traceback if
# it's an exception. A slot that returns another function's result as it is needs neither: it calls that function by
# one of these types, `(<Binary>add_in_general)(left, right)`.
ctypedef PyObject *(*Unary)(PyObject *) noexcept
ctypedef PyObject *(*Binary)(PyObject *, PyObject *) noexcept
ctypedef int (*Setter)(PyObject *, PyObject *, PyObject *) noexcept
