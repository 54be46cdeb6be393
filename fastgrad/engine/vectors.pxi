# Functions of fastgrad.functional in one call: what the engine tries before it runs the function in Python.
#
# Each does what the function of the same name in functional.py does, for vectors as they usually are: lists or tuples
# of Values of the active class, and of floats. Else it returns None or raises, and the function in Python runs as if
# nothing had happened (Public.first, public.pxi). That checks arguments and raises.
#
# Loops over elements are those of fastgrad/value/elementwise.py, which it hands over when it's imported.

cdef dict vector_loops = {}
cdef dict vector_globals = {}, vector_builtins = {}
cdef object HALF = 0.5          # an object: C's own pow may have other bits than Python's


def _use_loops(dict loops, dict names):
    """Run these loops, by the names of their functions, whose global variables are `names`."""
    global vector_loops, vector_globals, vector_builtins
    vector_loops, vector_globals, vector_builtins = loops, names, names["__builtins__"]


cdef list for_each(str name, xs, y=None):
    """What a function of elementwise.py returns for one vector, or for one and what stands beside each element."""
    cdef PyObject *variables[2]
    cdef Frame frame
    cdef Py_ssize_t done = 0
    loop = vector_loops.get(name)
    if loop is None or not (<Loop>loop).is_tried():
        return None
    variables[0], variables[1] = <PyObject *>xs, <PyObject *>y
    frame.locals = variables
    frame.globals, frame.builtins = <PyObject *>vector_globals, <PyObject *>vector_builtins
    return (<Loop>loop).run(&frame, &done) if (<Loop>loop).may_run(&frame) else None


cdef list of_one(str name, xs):
    return for_each(name, xs) if is_sequence(xs) and n_items(xs) > 0 else None


cdef list of_two(str name, a, b):
    return for_each(name, a, b) if is_sequence(a) and is_sequence(b) and n_items(a) == n_items(b) > 0 else None


def _relu(xs):
    return of_one("relu", xs)


def _tanh(xs):
    return of_one("tanh", xs)


def _sigmoid(xs):
    return of_one("sigmoid", xs)


def _exp(xs):
    return of_one("exp", xs)


def _log(xs):
    return of_one("log", xs)


def _gelu(xs):
    return of_one("gelu", xs)


def _silu(xs):
    return of_one("silu", xs)


def _add(a, b):
    return of_two("add", a, b)


def _mul(a, b):
    return of_two("multiply", a, b)


def _linear(x, weight, bias=None):
    return fused_products(weight, (x,), bias, False)


def _softmax(xs):
    cdef double largest
    if not read_largest(xs, &largest):
        return None
    exps = for_each("exp_minus", xs, largest)
    return None if exps is None else for_each("over", exps, _total(exps))


def _rms_norm(x, eps=1e-5):
    if not is_plain_number(eps):
        return None
    squares = fused_products((x,), (x,), None, False)
    return None if squares is None else for_each("times", x, (squares[0] / n_items(x) + eps) ** -0.5)


def _matmul(a, b):
    cdef Py_ssize_t i, m = n_items(<object>items_of(b)[0]) if has_rows(b) else 0
    cdef list products = fused_products(a, b, None, True)
    if products is None:
        return None
    return [products[i:i + m] for i in range(0, len(products), m)]


def _scaled_dot_product_attention(q, k, v):
    products = fused_products((q,), k, None, False)
    logits = None if products is None else for_each("over", products, len(q) ** HALF)
    weights = None if logits is None else _softmax(logits)
    return None if weights is None else fused_products((weights,), v, None, True)


def _layer(neurons, cls, names, x):
    """[n(x) for n in neurons] of a layer of fastgrad.nn. neurons: of this class itself, all with the same nonlin: True,
    False, or one of these names."""
    cdef list weights, biases, sums
    cdef object nonlin = None
    if type(neurons) is not list or not is_sequence(x):
        return None
    weights, biases = [], []
    for neuron in <list>neurons:
        if type_of(<PyObject *>neuron) is not <PyTypeObject *>cls:
            return None
        own = neuron.nonlin
        if nonlin is None:
            nonlin = own
        elif own is not nonlin:
            return None
        weights.append(neuron.w)
        biases.append(neuron.b)
    if nonlin is True:
        nonlin = "relu"
    if nonlin is not False and (type(nonlin) is not str or nonlin not in names):
        return None
    sums = fused_products(weights, (x,), biases, False)
    return sums if sums is None or nonlin is False else for_each(nonlin, sums)


_vectors = {"relu": _relu, "tanh": _tanh, "sigmoid": _sigmoid, "exp": _exp, "log": _log, "gelu": _gelu, "silu": _silu,
            "add": _add, "mul": _mul, "linear": _linear, "matmul": _matmul, "softmax": _softmax, "rms_norm": _rms_norm,
            "scaled_dot_product_attention": _scaled_dot_product_attention}
