/* The class Value of steps 6 to 8: a handle, which is Python's header and a node's index, over core.c.
 *
 * `a * b` is a slot of the class. CPython calls it without a dict, a bound method or a tuple of arguments in between.
 * A handle holds one reference to its node. Dead handles are kept for new ones. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "core.c"

typedef struct {
    PyObject_HEAD
    uint32_t index;
} handle;

static PyTypeObject value_type;
enum { KEEP = 4096 };
static handle *kept[KEEP];
static int n_kept;

static PyObject *wrap(uint32_t i)
{
    handle *h = n_kept > 0 ? (handle *)PyObject_Init((PyObject *)kept[--n_kept], &value_type)
                           : PyObject_New(handle, &value_type);
    if (!h) {
        release(i);
        return NULL;
    }
    h->index = i;
    return (PyObject *)h;
}

static void dealloc(PyObject *self)
{
    release(((handle *)self)->index);
    if (n_kept < KEEP)
        kept[n_kept++] = (handle *)self;
    else
        PyObject_Free(self);
}

/* An operand's index: a Value's node with one more reference, or a new leaf for a number. NONE with an exception set
 * for anything else. */
static uint32_t operand(PyObject *x)
{
    if (Py_IS_TYPE(x, &value_type)) {
        nodes[((handle *)x)->index].refs++;
        return ((handle *)x)->index;
    }
    double number = PyFloat_AsDouble(x);
    return number == -1.0 && PyErr_Occurred() ? (uint32_t)NONE : leaf(number);
}

static PyObject *operate(PyObject *x, PyObject *y, uint32_t (*operation)(uint32_t, uint32_t))
{
    uint32_t a = operand(x), b = a != NONE ? operand(y) : (uint32_t)NONE;
    PyObject *result = b != NONE ? wrap(operation(a, b)) : NULL;
    if (a != NONE)
        release(a);
    if (b != NONE)
        release(b);
    return result;
}

static PyObject *value_add(PyObject *x, PyObject *y) /* `0 + v` is v + 0, as __radd__ has it */
{
    return Py_IS_TYPE(x, &value_type) ? operate(x, y, add) : operate(y, x, add);
}

static PyObject *value_mul(PyObject *x, PyObject *y)
{
    return operate(x, y, mul);
}

static PyObject *value_relu(PyObject *self, PyObject *unused)
{
    (void)unused;
    return wrap(relu(((handle *)self)->index));
}

static PyObject *value_backward(PyObject *self, PyObject *unused)
{
    (void)unused;
    backward(((handle *)self)->index);
    Py_RETURN_NONE;
}

static PyObject *value_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type, (void)kwargs;
    double number;
    return PyArg_ParseTuple(args, "d", &number) ? wrap(leaf(number)) : NULL;
}

static PyObject *value_get(PyObject *self, void *what)
{
    const node *v = &nodes[((handle *)self)->index];
    return PyFloat_FromDouble(what ? v->grad : v->data);
}

static int value_set(PyObject *self, PyObject *x, void *what)
{
    double number = x ? PyFloat_AsDouble(x) : (PyErr_SetString(PyExc_TypeError, "can't be deleted"), -1.0);
    if (number == -1.0 && PyErr_Occurred())
        return -1;
    *(what ? &nodes[((handle *)self)->index].grad : &nodes[((handle *)self)->index].data) = number;
    return 0;
}

static PyGetSetDef attributes[] = {{"data", value_get, value_set, NULL, NULL},
                                   {"grad", value_get, value_set, NULL, "grad"},
                                   {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef methods[] = {{"relu", value_relu, METH_NOARGS, NULL},
                                {"backward", value_backward, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static PyNumberMethods operators = {.nb_add = value_add, .nb_multiply = value_mul};
static PyTypeObject value_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "handles.Value",
                                  .tp_basicsize = sizeof(handle), .tp_dealloc = dealloc, .tp_new = value_new,
                                  .tp_flags = Py_TPFLAGS_DEFAULT, .tp_as_number = &operators,
                                  .tp_getset = attributes, .tp_methods = methods};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "handles", .m_size = -1};

PyMODINIT_FUNC PyInit_handles(void)
{
    make_room(SLAB);
    PyObject *m = PyType_Ready(&value_type) == 0 ? PyModule_Create(&module) : NULL;
    if (m && PyModule_AddObjectRef(m, "Value", (PyObject *)&value_type) < 0)
        Py_CLEAR(m);
    return m;
}
