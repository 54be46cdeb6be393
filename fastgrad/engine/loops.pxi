# Loops over Values, run in C: what fastgrad/loops/ puts in front of an author's loop.
#
# `Loop` runs a tree of levels (levels.pxi), or declines: then nothing has happened, and the author's own code runs.
#
# No Python code may run while a loop does: borrowed pointers to lists and their items stay valid then. So objects are
# only read in ways that call nothing of the author's (places.pxi), and the garbage collector is off meanwhile.

cdef enum:
    MOST_DECLINES = 8           # a loop that declines so often in a row is left to Python for a while,
    LONGEST_PAUSE = 4096        # so many calls at most


# ---- The iterable of a `for` ----

cdef object rest_of(tuple shape, Frame *frame, Py_ssize_t done):
    """What the author's loop goes over, made of the arguments, without the elements that are done. shape: see
    Rewriter.split in fastgrad/loops/rewriting.py."""
    cdef object rest, x
    if len(shape) == 1:
        x = <object>frame.locals[<int>shape[0]]
        if done == 0:
            return x
        rest = iter(x)
        rest.__setstate__(done)
        return rest
    name, _, shapes, keywords = shape
    if name == "range":
        return range(*[<object>frame.locals[<int>each[0]] for each in shapes])[done:]
    if name == "reversed":
        x = <object>frame.locals[<int>shapes[0][0]]
        rest = reversed(x)
        if done > 0:
            rest.__setstate__(len(x) - 1 - done)
        return rest
    rests = []
    for each in shapes:         # Cython 3.3 frees an element twice if a list comprehension finds no memory for it
        rests.append(rest_of(each, frame, done))
    if name == "zip":
        return zip(*rests, **keywords)
    return enumerate(rests[0], keywords.get("start", 0) + done)


cdef bint is_easy(Loop loop, Frame *frame) noexcept:
    """Whether the author's iterable is made of builtins and of lists that aren't empty: then rest_of makes it as well,
    it doesn't raise, and `... or rest()` finds it true."""
    cdef PyObject *x
    cdef int i
    for i in range(loop.n_arguments):
        x = frame.locals[i]
        if loop.functions[i] is NULL:
            if not is_sequence(<object>x) or n_items(<object>x) == 0:
                return False
        elif x is not loop.functions[i] or x is <PyObject *>range:
            return False
    return True


cdef object easy_iterable(Loop loop, Frame *frame):
    """The author's iterable, if is_easy. Mostly it's a list, or zip() of two, or enumerate() of one."""
    if loop.n_arguments == 1:
        return <object>frame.locals[0]
    if loop.n_arguments == 2 and loop.functions[0] is <PyObject *>enumerate and not loop.iterable[3]:
        return enumerate(<object>frame.locals[1])
    if loop.n_arguments == 3 and loop.functions[0] is <PyObject *>zip and loop.functions[1] is NULL \
            and not loop.iterable[3]:
        return zip(<object>frame.locals[1], <object>frame.locals[2])
    return rest_of(loop.iterable, frame, 0)


cdef Py_ssize_t fewest_steps = 32       # a `for` with fewer, elements times what is done for each, is the author's


if FG_TESTING:
    def _run_short_loops(bint yes=True):
        """Let C run a `for` of any length, where it could."""
        global fewest_steps
        fewest_steps = 0 if yes else 32


cdef bint is_short(Loop loop, Frame *frame) noexcept:
    """Whether a `for` has so few elements that C wouldn't be sooner."""
    cdef int i = 0
    cdef PyObject *x
    while loop.functions[i] is not NULL:
        i += 1
    x = frame.locals[i]
    return is_sequence(<object>x) and n_items(<object>x) * loop.steps < fewest_steps


# ---- Names of builtins ----
#
# A loop asks each time whether `sum` and `zip` are Python's own. CPython gives a dict another version whenever it's
# changed, up to CPython 3.11. So the answer holds for the same versions of the same globals and builtins.

cdef PyObject *known_globals = NULL
cdef uint64_t version_of_globals = 0, version_of_builtins = 0
cdef unsigned int known_mask = 0
cdef dict bits = {}


cdef unsigned int bit_of(object name):
    return 1 << <int>bits.setdefault(name, len(bits))


cdef inline bint are_same_dicts(Frame *frame) noexcept:
    return (frame.globals is known_globals and dict_version(frame.globals) == version_of_globals
            and dict_version(frame.builtins) == version_of_builtins and version_of_globals != 0)


cdef inline bint are_known_builtins(Frame *frame, unsigned int mask) noexcept:
    return mask & ~known_mask == 0 and are_same_dicts(frame)


cdef void note_builtins(Frame *frame, unsigned int mask) noexcept:
    """Note that the names with these bits are builtins."""
    global known_globals, version_of_globals, version_of_builtins, known_mask
    known_mask = mask | (known_mask if are_same_dicts(frame) else 0)
    known_globals = frame.globals
    version_of_globals, version_of_builtins = dict_version(frame.globals), dict_version(frame.builtins)


# ---- Loops ----

cdef inline bint is_traced() noexcept:
    """Whether there's a trace or profile function, or another tool that wants to see the author's lines and calls."""
    cdef PyThreadState *thread = PyThreadState_Get()
    return thread.c_tracefunc is not NULL or thread.c_profilefunc is not NULL or is_monitored()


cdef dict MATH_NAMES = vars(math)

_LOOP_CODES = {
    "add": FG_DO_ADD, "subtract": FG_DO_SUBTRACT, "multiply": FG_DO_MULTIPLY, "divide": FG_DO_DIVIDE,
    "power": FG_DO_POWER, "negate": FG_DO_NEGATE, "data": FG_DO_DATA, "grad": FG_DO_GRAD, "method": FG_DO_METHOD,
    "math": FG_DO_MATH, "abs": FG_DO_ABS, "max": FG_DO_MAX, "min": FG_DO_MIN,
    **{f"function {function.method}": code for code, function in enumerate(operations.FUNCTIONS, FG_EXP)}}


@cython.final
cdef class Rest:
    """What a loop leaves to the author's code: a function without arguments. Each frame has its own results; nearly
    always there's one frame that waits for some."""
    cdef vectorcallfunc call    # call_rest
    cdef void *frame            # that waits, or NULL
    cdef object result          # for it: a list of results, the next one last,
    cdef bint is_one            # or one result
    cdef dict others            # other frames' addresses, with their lists

    def __cinit__(self):
        self.call, self.frame, self.others = <vectorcallfunc>call_rest, NULL, {}

    cdef int leave(self, object result, bint is_one) except -1:
        """Let the next call in the running frame return one result, or the next calls those of a list, from the last.
        """
        cdef void *frame = running_frame()
        if self.frame is not NULL and self.frame is not frame:
            self.others[<Py_ssize_t>self.frame] = [self.result] if self.is_one else self.result
        self.frame, self.result, self.is_one = frame, result, is_one
        return 0


cdef PyObject *call_rest(PyObject *self, PyObject **arguments, size_t n_arguments, PyObject *names) noexcept:
    cdef Rest rest = <Rest>self
    cdef void *frame = running_frame()
    cdef object x
    cdef list results
    if frame is rest.frame and rest.is_one:
        x = rest.result
        rest.frame, rest.result = NULL, None
        return borrowed_to_new(<PyObject *>x)
    results = rest.result if frame is rest.frame else rest.others[<Py_ssize_t>frame]
    x = results.pop()
    if not results:
        if frame is rest.frame:
            rest.frame, rest.result = NULL, None
        else:
            del rest.others[<Py_ssize_t>frame]
    return borrowed_to_new(<PyObject *>x)


@cython.final
cdef class Loop:
    """A loop of the author's that C runs. It's called with variables of the author's function.

    - In front of an expression, `loop(ws, xs) or sum(...)`, it returns the result, or None if it declines.
    - `for p in loop(params) or ...` is a loop that assigns. It runs all but the last element, and returns an iterator
      over what's left for the author's body.
    - `total = loop(ws, xs, total)`, and then `for w, x in rest() or ...`, is one that adds. rest() returns such an
      iterator, or None.

    If a loop declines, rest() returns the first arguments, one after the other: see rewriting.py.
    """
    cdef vectorcallfunc call    # call_loop, where Python looks for it
    cdef readonly str file, what
    cdef readonly int line
    cdef readonly Py_ssize_t runs, elements
    cdef readonly dict declines
    cdef public bint is_on
    cdef tuple methods, operators, absent       # see Frame
    cdef unsigned int met       # the version of the last class for which these were the engine's: see meet
    cdef tuple builtins_meant, math_meant   # names of builtins and of math's functions, and what they have to mean
    cdef unsigned int builtins_mask         # a bit for each of these names
    cdef bint is_module_level
    cdef Level level
    cdef list stores            # of a loop that assigns
    cdef Py_ssize_t steps       # for each element
    cdef int n_arguments        # the first ones, which rest() returns if the loop declines
    cdef tuple iterable         # of a `for`, how what it goes over is made of them; else None
    cdef PyObject *functions[2 * MOST_SLOTS]        # of these, the builtin that it has to be, or NULL
    cdef int total              # which argument is the sum so far, or -1
    cdef tuple arguments_meant  # keeps these alive
    cdef readonly Rest rest
    cdef int failures           # declines in a row
    cdef public int pause       # so many calls are left to Python before the loop is tried again

    def __init__(self, text):
        """text: a Meaning of fastgrad/loops/meaning.py."""
        self.call = <vectorcallfunc>call_loop
        self.file, self.line, self.what = text.file, text.line, text.what
        self.methods, self.operators, self.absent = text.methods, text.operators, text.absent
        self.builtins_meant, self.math_meant = text.builtins, text.math
        self.builtins_mask = sum(bit_of(name) for name, _ in text.builtins)
        self.is_module_level, self.met = text.is_module_level, NO_VERSION
        self.n_arguments, self.iterable, self.total = text.n_arguments, text.iterable, text.total
        self.arguments_meant = text.arguments
        if self.n_arguments > 2 * MOST_SLOTS:
            raise ValueError("too many arguments of a loop")
        for i, function in text.arguments:
            self.functions[<int>i] = <PyObject *>function
        self.declines, self.rest, self.is_on = {}, Rest(), True
        self.level = Level(text.level)
        self.steps = 2 + <Py_ssize_t>self.level.n_code
        self.stores = [Store(self.level, each) for each in text.level.stores]

    def __repr__(self):
        return f"<loop {self.file}:{self.line}: {self.what}>"

    def __reduce__(self):
        raise TypeError("a loop that has been rewritten can't be pickled")

    cdef bint may_run(self, Frame *frame) except -1:
        cdef int i
        if is_traced():
            self.decline(b"a trace or profile function")
            return False
        if not are_known_builtins(frame, self.builtins_mask):
            for name, meant in self.builtins_meant:
                if looked_up(frame, name) is not <PyObject *>meant:
                    self.decline(b"a name that isn't the builtin")
                    return False
            note_builtins(frame, self.builtins_mask)
        for i in range(self.n_arguments):
            if self.functions[i] is not NULL and frame.locals[i] is not self.functions[i]:
                self.decline(b"a name that isn't the builtin")
                return False
        for name, meant in self.math_meant:
            if PyDict_GetItem(MATH_NAMES, name) is not <PyObject *>meant:
                self.decline(b"a function of math that isn't its own")
                return False
        if not is_dict(frame.globals) or not is_dict(frame.builtins) \
                or self.is_module_level and PyEval_GetLocals() is not frame.globals:
            self.decline(b"variables that aren't globals")
            return False
        frame.level, frame.methods = <PyObject *>self.level, <PyObject *>self.methods
        frame.absent = <PyObject *>self.absent
        frame.met = &self.met
        frame.operators = <PyObject *>self.operators
        frame.cls = NULL
        frame.result = NULL
        frame.work = 0
        frame.has_numpys = False
        frame.reason = b""
        memset(&frame.rules, 0, sizeof(fg_rules))
        # A loop that assigns is none of the operations that _at_next_operation waits for.
        frame.records = innermost_open() is <PyObject *>None if self.level.output == STORES else is_recording()
        return True

    cdef object run(self, Frame *frame, Py_ssize_t *done):
        """The result, or None. done: of a `for`, how many elements are done."""
        cdef fg_operand x
        cdef object result = None
        cdef Py_ssize_t n = 0
        cdef bint collects = PyGC_Disable()
        try:
            if self.level.output in (LIST, LISTS, OBJECTS):
                result = self.level.make_list(frame)
                n = self.level.n
            elif self.level.output == STORES:
                if self.level.begin(frame):
                    n = self.level.n
                    done[0] = assign_all(self.level, self.stores, frame)
                    self.level.end()
                    if done[0] == n:
                        result = True
            elif self.level.reduce(frame, &x):
                n = done[0] = self.level.n
                result = object_of(frame, x) if frame.result is NULL else <object>frame.result
        except MemoryError:
            frame.reason = b"too little memory"
            result = None
        finally:
            xdecref(frame.result)
            self.level.forget()
            if collects:
                PyGC_Enable()
        if result is None:
            self.decline(frame.reason)
        else:
            self.runs += 1
            self.elements += n
            self.failures = 0
        if untidy:
            tidy_up()
        return result

    cdef inline bint is_tried(self) noexcept:
        """Whether this call is the loop's. After many declines few calls are: lists may have got Values since."""
        if self.pause > 0:
            self.pause -= 1
            return False
        return self.is_on

    cdef void decline(self, const char *reason) noexcept:
        try:
            why = reason.decode()
            self.declines[why] = self.declines.get(why, 0) + 1
        except MemoryError:
            pass                            # it's only for reports
        self.failures = min(self.failures + 1, 64)
        if self.failures >= MOST_DECLINES:
            self.pause = min(8 << min(self.failures - MOST_DECLINES, 16), LONGEST_PAUSE)


cdef PyObject *call_loop(PyObject *self, PyObject **variables, size_t n_variables, PyObject *names) except NULL:
    """Loop.__call__. Raises MemoryError, and what interrupts is_recording."""
    cdef Loop loop = <Loop>self
    cdef Frame frame
    cdef object result = None, rest = None
    cdef Py_ssize_t done = 0, i
    frame.locals = variables
    if not (loop.iterable is not None and is_short(loop, &frame)) and loop.is_tried():
        frame.globals, frame.builtins = PyEval_GetGlobals(), PyEval_GetBuiltins()
        if loop.may_run(&frame):
            result = loop.run(&frame, &done)
    if loop.n_arguments == 0 or loop.iterable is None and result is not None and is_true(result):
        return borrowed_to_new(<PyObject *>result)
    if loop.iterable is not None and (done > 0 or is_easy(loop, &frame)):
        rest = easy_iterable(loop, &frame) if done == 0 else rest_of(loop.iterable, &frame, done)
    if loop.total < 0 and rest is not None:
        return borrowed_to_new(<PyObject *>rest)
    if rest is not None:
        loop.rest.leave(rest, True)
    else:
        results = [<object>variables[i] for i in range(loop.n_arguments - 1, -1, -1)]
        if loop.total >= 0:
            results.append(None)
        loop.rest.leave(results, False)
    if loop.total < 0:
        return borrowed_to_new(<PyObject *>None)
    return borrowed_to_new(variables[loop.total] if result is None else <PyObject *>result)


cdef bint is_true(object result) noexcept:
    """What `result or ...` finds. No result runs Python for that: see Loop.absent."""
    return PyObject_IsTrue_or_minus(<PyObject *>result) == 1


cdef void be_callable(PyTypeObject *cls, Py_ssize_t offset) noexcept:
    """Let Python call instances of a class by the function at this offset. (Cython's __call__ takes a tuple of
    arguments, and adds a line to a traceback.)"""
    cls.tp_vectorcall_offset = offset
    cls.tp_call = <void *>PyVectorcall_Call
    cls.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL

cdef Loop any_loop = Loop.__new__(Loop)
cdef Rest any_rest = Rest()
be_callable(<PyTypeObject *>Loop, <char *>&any_loop.call - <char *><PyObject *>any_loop)
be_callable(<PyTypeObject *>Rest, <char *>&any_rest.call - <char *><PyObject *>any_rest)
(<PyTypeObject *>Loop).tp_name = "fastgrad.engine.Loop"
(<PyTypeObject *>Rest).tp_name = "fastgrad.engine.Rest"
