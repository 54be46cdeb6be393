# Parameters in C: the class of fastgrad/value/parameters.py with its loops in csrc/optim.c. Where a loop may raise, the
# one in plain Python runs instead, and raises if it must. Before it, the loops of fastgrad/bulk.py.
#
# This uses only the arena, Node's index and fg_allocate. As an extension module of its own it would need the first two
# exported in a .pxd and the third compiled twice, and it takes 0.25 ms to import a module with one class. That is more
# than 80 lines in this one cost, which are compiled into it and run only if somebody optimises.

cdef array ARRAY_OF_DOUBLES = array("d")


cdef object in_python():
    from fastgrad.value import parameters     # here, since most scripts never need it
    return parameters


cdef double *doubles(array memory, size_t n) except NULL:
    if memory.ob_descr.typecode != c"d" or <size_t>len(memory) != n:
        raise ValueError(f"not an array of {n} doubles")
    return memory.data.as_doubles


cdef double *doubles_or_null(array memory, size_t n) except? NULL:
    return NULL if memory is None else doubles(memory, n)


cdef bint are_ascending_leaves(tuple values):
    """Whether values are leaves in the order in which they were made, as parameters nearly always are. Then all are
    different, and there's nothing more to check."""
    cdef fg_index last = 0
    for i, value in enumerate(values):
        if not is_value(value) or node_at((<Node>value).index).arity != FG_NULLARY:
            return False
        if i > 0 and (<Node>value).index <= last:
            return False
        last = (<Node>value).index
    return len(values) > 0


cdef bint has_property(PyTypeObject *cls, bint of_grads) noexcept:
    """Whether a class's `grad`, or `data`, is the engine's, and is read and set as the engine does it."""
    if cls.tp_getattro is not <void *>value_getattr or cls.tp_setattro is not <void *>value_setattr:
        return False
    if of_grads:
        return PyType_Lookup(cls, GRAD) is grad_property
    return PyType_Lookup(cls, DATA) is data_property


cdef bint are_the_engines(values, bint of_grads) except -1:
    """Whether all of values, a list or a tuple, are nodes whose `grad`, or `data`, is the engine's."""
    cdef PyTypeObject *last = NULL
    for value in values:
        if class_of(value) is not last:
            if not is_value(value) or not has_property(class_of(value), of_grads):
                return False
            last = class_of(value)
    return True


def _get_numbers(values, bint of_grads):
    """The gradients or the data of values, a list or a tuple, as an array; None if some have to be asked in Python."""
    cdef array numbers
    cdef Py_ssize_t i = 0
    cdef fg_node *node
    if not are_the_engines(values, of_grads):
        return None
    numbers = clone(ARRAY_OF_DOUBLES, len(values), False)
    for value in values:
        node = node_at((<Node>value).index)
        numbers.data.as_doubles[i] = node.grad if of_grads else node.data
        i += 1
    return numbers


def _set_numbers(values, numbers, bint of_grads):
    """Set the gradients or the data of values. numbers: as many, in an array of doubles or in a list of floats and of
    ints of at most 2**53. Returns False, and changes nothing, if some have to be set in Python."""
    cdef Number number
    cdef Py_ssize_t i = 0
    cdef double *doubles_of = NULL
    if not are_the_engines(values, of_grads):
        return False
    if type(numbers) is array:
        doubles_of = doubles(numbers, <size_t>len(values))      # as many as Values, or ValueError
    for value in values:
        if doubles_of is not NULL:
            number = Number(doubles_of[i], False)
        else:
            read_number(numbers[i], &number)
        if of_grads:
            set_grad(<Node>value, number)
        else:
            set_data(<Node>value, number)
        i += 1
    return True


def _add_grads(values, array numbers):
    """Add numbers to the gradients of values. Returns False, and changes nothing, if that has to be done in Python."""
    cdef Py_ssize_t i = 0
    cdef double *doubles_of = doubles(numbers, <size_t>len(values))
    if not are_the_engines(values, True):
        return False
    for value in values:
        set_grad(<Node>value, Number(node_at((<Node>value).index).grad + doubles_of[i], False))
        i += 1
    return True


@cython.no_gc_clear     # the indices in `nodes` are valid as long as `values` keeps the Values alive
cdef class Parameters:
    cdef readonly tuple values
    cdef PyTypeObject *cls              # of all, if it has a dialect of its own: then theirs can't be changed; or NULL
    cdef fg_index *nodes
    cdef size_t n

    def __cinit__(self, tuple values not None):
        cdef size_t i
        if not are_ascending_leaves(values):
            in_python().check_parameters(values, Node)
        self.values = values
        self.n = len(values)
        self.cls = class_of(values[0])
        for value in values:
            if class_of(value) is not self.cls or not has_own_dialect(class_of(value)):
                self.cls = NULL
                break
        self.nodes = <fg_index *>fg_allocate(NULL, self.n * sizeof(fg_index))
        if self.nodes is NULL:
            raise MemoryError("no memory for an optimiser's parameters")
        for i in range(self.n):
            self.nodes[i] = (<Node?>values[i]).index

    def __dealloc__(self):
        fg_allocate(self.nodes, 0)

    def __reduce__(self):
        return Parameters, (self.values,)

    cdef bint are_plain(self) except -1:
        """Whether data and grad of all are the engine's. Else the loops in plain Python read and set them."""
        if self.cls is not NULL:
            return has_property(self.cls, True) and has_property(self.cls, False)
        return are_the_engines(self.values, True) and are_the_engines(self.values, False)

    def zero_grad(self):
        if self.are_plain():
            fg_grads_zero(&arena, self.n, self.nodes)
        else:
            in_python().Parameters.zero_grad(self)

    def norm(self):
        cdef double norm = fg_grads_norm(&arena, self.n, self.nodes)
        return norm if isfinite(norm) and self.are_plain() else in_python().Parameters.norm(self)

    def scale(self, double factor):
        if self.are_plain():
            fg_grads_scale(&arena, self.n, self.nodes, factor)
        else:
            in_python().Parameters.scale(self, factor)

    def clamp(self, double limit):
        if self.are_plain():
            fg_grads_clamp(&arena, self.n, self.nodes, limit)
        else:
            in_python().Parameters.clamp(self, limit)

    def sgd(self, array velocity, double lr, double momentum, double dampening, double weight_decay, bint nesterov,
            bint maximize, bint is_first):
        cdef fg_sgd rule = fg_sgd(lr, momentum, dampening, weight_decay, nesterov, maximize, is_first)
        cdef double *velocities = doubles(velocity, self.n)
        if self.are_plain():
            fg_sgd_step(&arena, &rule, self.n, self.nodes, velocities)
        else:
            in_python().Parameters.sgd(self, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize,
                                       is_first)

    def adam_is_safe(self, array m, array v, array largest, double lr, double beta1, double beta2, double eps,
                     double weight_decay, bint decoupled, bint maximize, double bias1, double bias2):
        cdef fg_adam rule = fg_adam(lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2)
        return self.are_plain() and fg_adam_is_safe(&arena, &rule, self.n, self.nodes, doubles(v, self.n))

    def adam(self, array m, array v, array largest, double lr, double beta1, double beta2, double eps,
             double weight_decay, bint decoupled, bint maximize, double bias1, double bias2):
        cdef fg_adam rule = fg_adam(lr, beta1, beta2, eps, weight_decay, decoupled, maximize, bias1, bias2)
        cdef double *ms = doubles(m, self.n)
        cdef double *vs = doubles(v, self.n)
        cdef double *largest_vs = doubles_or_null(largest, self.n)
        if self.are_plain() and fg_adam_is_safe(&arena, &rule, self.n, self.nodes, vs):
            fg_adam_step(&arena, &rule, self.n, self.nodes, ms, vs, largest_vs)
        else:
            in_python().Parameters.adam(self, m, v, largest, lr, beta1, beta2, eps, weight_decay, decoupled, maximize,
                                        bias1, bias2)

    def rmsprop_is_safe(self, array square, array mean, array velocity, double lr, double alpha, double eps,
                        double weight_decay, double momentum, bint maximize):
        cdef fg_rmsprop rule = fg_rmsprop(lr, alpha, eps, weight_decay, momentum, maximize)
        return self.are_plain() and fg_rmsprop_is_safe(&arena, &rule, self.n, self.nodes, doubles_or_null(mean, self.n))

    def rmsprop(self, array square, array mean, array velocity, double lr, double alpha, double eps,
                double weight_decay, double momentum, bint maximize):
        cdef fg_rmsprop rule = fg_rmsprop(lr, alpha, eps, weight_decay, momentum, maximize)
        cdef double *squares = doubles(square, self.n)
        cdef double *means = doubles_or_null(mean, self.n)
        cdef double *velocities = doubles_or_null(velocity, self.n)
        if self.are_plain() and fg_rmsprop_is_safe(&arena, &rule, self.n, self.nodes, means):
            fg_rmsprop_step(&arena, &rule, self.n, self.nodes, squares, means, velocities)
        else:
            in_python().Parameters.rmsprop(self, square, mean, velocity, lr, alpha, eps, weight_decay, momentum,
                                           maximize)
