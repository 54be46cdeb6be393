/* What the compiled face (engine.pyx) needs in C, since Cython can't say it.
 *
 * Above all: which functions the compiler must not inline. The slots for `a * b`, `a + b`, attributes and deallocation
 * are short, and hand what is seldom to a function of its own. If the compiler inlined that one, the slot would have to
 * save registers on every call. GCC takes `noinline` from a declaration that comes before Cython's own, so these are
 * such declarations. The functions are defined in the .pxi files under the same names.
 */
#ifndef FG_FACE_H
#define FG_FACE_H

#include <Python.h>

#include "arena.h"

/* Whether the error that is set keeps the package's frames in its traceback. Else that ends at the user's own line:
 * Cython would add a frame of engine.pyx for each function that the error passes, which the macro below prevents, and
 * public.pxi leaves out those of what is in Python. MemoryErrors keep them: a handler that doesn't raise again drops a
 * traceback that Cython takes for granted, and the engine's only such handlers are theirs (tests/engine/test_house.py
 * sees to that). Builds with FASTGRAD_DEBUG have all of these frames. */
static inline bool fg_keeps_frames(void)
{
#ifdef FG_FRAMES
    return true;
#else
    return PyErr_ExceptionMatches(PyExc_MemoryError);
#endif
}

#ifndef FG_FRAMES
static inline void fg_add_frame(PyFrameObject *frame)
{
    if (fg_keeps_frames())
        PyTraceBack_Here(frame);
}
#undef PyTraceBack_Here
#define PyTraceBack_Here(frame) fg_add_frame(frame)
#endif

/* handle.pxi */
FG_NOT_INLINED void let_go(PyObject *);
FG_NOT_INLINED void lay_to_rest(PyObject *);

/* operators.pxi */
FG_NOT_INLINED PyObject *add_any(PyObject *, PyObject *);
FG_NOT_INLINED PyObject *add_in_general(PyObject *, PyObject *);
FG_NOT_INLINED PyObject *multiply_any(PyObject *, PyObject *);
FG_NOT_INLINED PyObject *multiply_in_general(PyObject *, PyObject *);
FG_NOT_INLINED PyObject *multiply_with_int(PyObject *, PyObject *);

/* attributes.pxi */
FG_NOT_INLINED PyObject *get_any(PyObject *, PyObject *);
FG_NOT_INLINED int set_any(PyObject *, PyObject *, PyObject *);

/* A dead handle as a new reference. It has kept its reference to its class all the time. */
static inline PyObject *fg_revived(PyObject *handle)
{
    Py_SET_REFCNT(handle, 1);
    return handle;
}

/* PyObject_IS_GC without a call. */
static inline bool fg_is_collectable(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return PyType_IS_GC(type) && (!type->tp_is_gc || type->tp_is_gc(object));
}

/* A number that a dict gets anew with each change. 0 from CPython 3.12 on, where there is none to rely on. */
static inline uint64_t fg_dict_version(PyObject *dict)
{
#if PY_VERSION_HEX < 0x030C0000
    return ((PyDictObject *)dict)->ma_version_tag;
#else
    (void)dict;
    return 0;
#endif
}

/* The address of the running Python frame, which no other live frame has. (PyEval_GetFrame would make an object.) */
static inline void *fg_running_frame(void)
{
#if PY_VERSION_HEX < 0x030B0000
    return PyEval_GetFrame();
#elif PY_VERSION_HEX < 0x030D0000
    return PyThreadState_Get()->cframe->current_frame;
#else
    return PyThreadState_Get()->current_frame;
#endif
}

/* Whether a tool of sys.monitoring (from CPython 3.12 on), such as a debugger, asks for events of the running code. */
static inline bool fg_is_monitored(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyCodeObject *code = (PyCodeObject *)PyUnstable_InterpreterFrame_GetCode(fg_running_frame());
    bool is_monitored = false;
    if (code->_co_monitoring) {
        const _Py_LocalMonitors *active = &code->_co_monitoring->active_monitors;
        for (size_t i = 0; i < sizeof active->tools; i++)
            is_monitored |= active->tools[i] != 0;
    }
    Py_DECREF(code);
    return is_monitored;
#else
    return false;
#endif
}

/* Whether an object's class is the one that a C library calls by this name, such as numpy.float64. */
static inline bool fg_is_of_c_class(PyObject *object, const char *name)
{
    PyTypeObject *type = Py_TYPE(object);
    return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) && strcmp(type->tp_name, name) == 0;
}

/* Give a float that nobody else holds another number. */
static inline void fg_set_float(PyObject *object, double x)
{
    ((PyFloatObject *)object)->ob_fval = x;
}

FG_NOT_INLINED PyObject *fg_new_float(PyObject **spare, double x)
{
    PyObject *made = PyFloat_FromDouble(x);
    if (made) {
        Py_XSETREF(*spare, made);
        Py_INCREF(made);
    }
    return made;
}

/* A float, as a new reference: the one in *spare with another number in it, if nobody else holds that. */
static inline PyObject *fg_float(PyObject **spare, double x)
{
    PyObject *made = *spare;
    if (FG_LIKELY(made && Py_REFCNT(made) == 1)) {
        fg_set_float(made, x);
        Py_INCREF(made);
        return made;
    }
    return fg_new_float(spare, x);
}

#endif
