# Functions in Python that users call, so that an error's traceback ends at the user's line.
#
# face.h leaves out the engine's own frames. Those of the package's files in Python are there when an error leaves a
# public function. So what users see under its name is a Public, which calls the function, and leaves the package's
# frames out of an error's traceback. What else is in it stays: a function of the user's that ours has called.
#
# A Public may have a function of the engine's that is tried first (vectors.pxi). A profiler, say, is shown the function
# itself.
#
# A Public passes for its function, as functools.lru_cache's objects do: `__wrapped__` is the function, `__get__` makes
# methods, and pickles hold the name.

cdef str OURS = os.path.dirname(os.path.dirname(os.path.abspath(arguments.__file__))) + os.sep
cdef object Traceback = types.TracebackType


cdef object without_ours(object traceback):
    """A traceback without the package's frames; None if there are no others. The one that is given stays as it is."""
    cdef list others = []
    cdef object left = None
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(OURS):
            others.append(traceback)
        traceback = traceback.tb_next
    for entry in reversed(others):
        left = Traceback(left, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return left


cdef void leave_out_ours() noexcept:
    """Leave the package's frames out of the traceback of the error that is set, unless it keeps them."""
    cdef PyObject *kind = NULL
    cdef PyObject *error = NULL
    cdef PyObject *traceback = NULL
    cdef PyObject *left
    if keeps_frames():
        return
    PyErr_Fetch(&kind, &error, &traceback)
    if traceback is not NULL:
        left = (<Unary>without_ours)(traceback)
        if left is NULL:        # no memory, no stack: the error at hand is the one that counts
            PyErr_Clear()
        else:
            decref(traceback)
            traceback = left
            if left is <PyObject *>None:
                decref(left)
                traceback = NULL
    PyErr_Restore(kind, error, traceback)


@cython.final
cdef class Public:
    """A function that users call. It takes the function, and one that is tried first, which returns None to decline.
    """
    cdef vectorcallfunc call    # call_public
    cdef PyObject *function     # borrowed from __wrapped__
    cdef readonly object __wrapped__
    cdef object first           # or None
    cdef dict __dict__
    cdef object __weakref__

    def __cinit__(self, function, first=None):
        self.call, self.function, self.__wrapped__ = <vectorcallfunc>call_public, <PyObject *>function, function
        self.first = first
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(self, name, getattr(function, name))

    def __get__(self, instance, owner):
        return self if instance is None else Method(self, instance)

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __reduce__(self):
        return self.__qualname__

    def __repr__(self):
        return repr(self.__wrapped__)


cdef PyObject *call_public(PyObject *self, PyObject **given, size_t n, PyObject *names) noexcept:
    cdef PyObject *result
    if (<Public>self).first is not None and names is NULL and not is_traced():
        result = PyObject_Vectorcall_or_null(<PyObject *>(<Public>self).first, given, n, NULL)
        if result is not <PyObject *>None:
            if result is not NULL:
                return result
            if not PyErr_ExceptionMatches(Exception):       # Ctrl-C
                leave_out_ours()
                return NULL
            PyErr_Clear()
        else:
            decref(result)
    result = PyObject_Vectorcall_or_null((<Public>self).function, given, n, names)
    if result is NULL:
        leave_out_ours()
    return result


cdef object Method = types.MethodType
cdef Public any_public = Public(arguments.count)
be_callable(<PyTypeObject *>Public, <char *>&any_public.call - <char *><PyObject *>any_public)
(<PyTypeObject *>Public).tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR
(<PyTypeObject *>Public).tp_name = "fastgrad.engine.Public"
public.begin(Public)
