# Parameters in C: the class of fastgrad/value/parameters.py with its loops in csrc/optim.c. Where a loop may raise, the
# one in plain Python runs instead, and raises if it must.
#
# This uses only the arena, Node's index and fg_allocate. As an extension module of its own it would need the first two
# exported in a .pxd and the third compiled twice, and it takes 0.25 ms to import a module with one class. That is more
# than 80 lines in this one cost, which are compiled into it and run only if somebody optimises.

cdef object in_python():
    from fastgrad.value import parameters     # here, since most scripts never need it
    return parameters


cdef double *doubles(array memory, size_t n) except NULL:
    if memory.ob_descr.typecode != c"d" or <size_t>len(memory) != n:
        raise ValueError(f"not an array of {n} doubles")
    return memory.data.as_doubles


cdef bint are_ascending_leaves(tuple values):
    """Whether values are leaves in the order in which they were made, as parameters nearly always are. Then all are
    different, and there's nothing more to check."""
    cdef fg_index last = 0
    for i, value in enumerate(values):
        if not is_value(value) or fg_node_n_children(node_at((<Node>value).index)) > 0:
            return False
        if node_at((<Node>value).index).arity == FG_FUSED:
            return False
        if i > 0 and (<Node>value).index <= last:
            return False
        last = (<Node>value).index
    return len(values) > 0


@cython.no_gc_clear     # the indices in `nodes` are valid as long as `values` keeps the Values alive
cdef class Parameters:
    cdef readonly tuple values
    cdef fg_index *nodes
    cdef size_t n

    def __cinit__(self, tuple values not None):
        cdef size_t i
        if not are_ascending_leaves(values):
            in_python().check_parameters(values, Node)
        self.values = values
        self.n = len(values)
        self.nodes = <fg_index *>fg_allocate(NULL, self.n * sizeof(fg_index))
        if self.nodes is NULL:
            raise MemoryError("no memory for an optimiser's parameters")
        for i in range(self.n):
            self.nodes[i] = (<Node?>values[i]).index

    def __dealloc__(self):
        fg_allocate(self.nodes, 0)

    def __reduce__(self):
        return Parameters, (self.values,)

    def zero_grad(self):
        fg_grads_zero(&arena, self.n, self.nodes)

    def norm(self):
        cdef double norm = fg_grads_norm(&arena, self.n, self.nodes)
        return norm if isfinite(norm) else in_python().Parameters.norm(self)

    def scale(self, double factor):
        fg_grads_scale(&arena, self.n, self.nodes, factor)

    def sgd(self, array velocity, double lr, double momentum, double weight_decay):
        cdef fg_sgd rule = fg_sgd(lr, momentum, weight_decay)
        fg_sgd_step(&arena, &rule, self.n, self.nodes, doubles(velocity, self.n))

    def adam(self, array m, array v, double lr, double beta1, double beta2, double eps, double weight_decay,
             bint decoupled, double bias1, double bias2):
        cdef fg_adam rule = fg_adam(lr, beta1, beta2, eps, weight_decay, decoupled, bias1, bias2)
        cdef double *ms = doubles(m, self.n)
        cdef double *vs = doubles(v, self.n)
        if fg_adam_is_safe(&arena, &rule, self.n, self.nodes, vs):
            fg_adam_step(&arena, &rule, self.n, self.nodes, ms, vs)
        else:
            in_python().Parameters.adam(self, m, v, lr, beta1, beta2, eps, weight_decay, decoupled, bias1, bias2)
