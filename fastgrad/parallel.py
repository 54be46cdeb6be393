"""Data-parallel gradients on any executor: processes of this machine, or a Dask cluster's.

    def loss(params, batch):            # importable, since workers get it by name
        w, b = params
        return sum((w * x + b - y) ** 2 for x, y in batch)

    with ProcessPoolExecutor(4) as executor:
        for step in range(100):
            optimizer.zero_grad()
            losses = gradients(loss, [w, b], batches, executor)
            optimizer.step()

Parameters travel as doubles, and so do gradients. Each batch's gradients are computed from 0, wherever that happens,
and added in the order of batches: the result is the same to the last bit with any number of workers, and with any
executor. (It isn't that of one backward() over the sum of losses, which adds in another order.)

A Module's other attributes travel as pickles, with its parameters left out; so what `loss` gets is a copy each time,
and what it changes there is lost.
"""
import io
import pickle
from array import array
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, CancelledError

from fastgrad import engine
from fastgrad.bulk import add_grad, get_data, get_grad, set_grad
from fastgrad.value.base import AnyValue
from fastgrad.value.public import public

__all__ = ["gradients"]


@public
def gradients(loss, params, batches, executor):
    """Add the gradients of the losses of all batches to the parameters' gradients.

    loss: a function that can be pickled; called as loss(params, batch), in a worker for each batch, it returns a Value.
    What it gets as params are Values of the worker's own with the parameters' data, and gradients 0: a list in the
    order given here, or if params is a Module, a copy of it. params: an iterable of different Values, or a Module.
    batches: an iterable of whatever can be pickled. executor: any concurrent.futures.Executor, a
    dask.distributed.Client, or None, to compute the same here, with params themselves.

    Returns the losses as a list of floats, in the order of batches. Raises TypeError or ValueError for other arguments,
    what loss raises for the first batch for which it raises, and RuntimeError if a worker died over a batch; then no
    gradient has changed.
    """
    model = params if callable(getattr(params, "parameters", None)) else None
    if model is None and (isinstance(params, AnyValue) or not isinstance(params, Iterable)):
        raise TypeError(f"params must be a Module or an iterable of Values, not {type(params).__name__!r}")
    values = list(params if model is None else model.parameters())
    if len(set(map(id, values))) < len(values):
        raise ValueError("params has a Value twice")
    if not callable(loss):
        raise TypeError(f"loss must be a function, not {type(loss).__name__!r}")
    if executor is None:
        return _compute_here(loss, values if model is None else model, values, batches)
    if not hasattr(executor, "submit"):
        raise TypeError(f"executor must be an Executor of concurrent.futures, not {type(executor).__name__!r}")
    if hasattr(executor, "get_executor"):       # a Client of Dask
        executor = executor.get_executor(pure=False)
    numbers = get_data(values).tobytes()        # which checks that they are Values
    structure = None if model is None else _without_parameters(model, values)
    futures, results = [], []
    try:
        for batch in batches:
            futures.append(executor.submit(_compute, loss, structure, numbers, batch))
        for i, future in enumerate(futures):
            results.append(_result(future, i))
    except BrokenExecutor as error:             # submit() says so too, if an earlier batch has broken it
        raise _died(len(results), error) from error
    finally:
        for future in futures[len(results):]:
            future.cancel()
    add_grad(values, [array("d", gradients) for _, gradients in results])
    return [number for number, _ in results]


def _compute_here(loss, params, values, batches):
    get_grad(values)        # checks that they are Values
    before, losses, results = [p.grad for p in values], [], []
    ints = [(p, p.data) for p in values if type(p.data) is int]
    try:
        for p, number in ints:          # workers get doubles
            p.data = float(number)
        for batch in batches:
            set_grad(values, array("d", bytes(8 * len(values))))
            number, of_batch = _loss_and_gradients(loss, params, batch, values)
            losses.append(number)
            results.append(of_batch)
    finally:
        set_grad(values, before)
        for p, number in ints:
            p.data = number
    add_grad(values, results)
    return losses


def _result(future, i):
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _died(i, error) from error
    except Exception as error:
        if type(error).__name__ in ("KilledWorker", "FutureCancelledError"):     # Dask's, after several tries
            raise _died(i, error) from error
        raise


def _died(i, error):
    reason = str(error) or type(error).__name__
    return RuntimeError(f"a worker died: there is no result for batch {i}, and no gradient has been added ({reason})")


# ---- In the worker ----

def _compute(loss, structure, numbers, batch):
    """What loss(params, batch) is, and the gradients of params as the bytes of doubles."""
    values = list(map(engine.Value, array("d", numbers)))
    params = values if structure is None else _with_parameters(structure, values)
    number, gradients = _loss_and_gradients(loss, params, batch, values)
    return number, gradients.tobytes()


def _loss_and_gradients(loss, params, batch, values):
    out = loss(params, batch)
    if not isinstance(out, AnyValue):
        raise TypeError(f"loss must return a Value, not {type(out).__name__!r}")
    out.backward()
    return float(out.data), get_grad(values)


# ---- Modules ----

class _Pickler(pickle.Pickler):
    """Pickles the Values of a dict {id: place} as their places."""

    def __init__(self, file, places):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.places = places

    def persistent_id(self, x):
        return self.places.get(id(x))       # no other object has the id of one that lives


class _Unpickler(pickle.Unpickler):
    """Puts Values in their places."""

    def __init__(self, file, values):
        super().__init__(file)
        self.values = values

    def persistent_load(self, place):
        return self.values[place]


def _without_parameters(model, values):
    """A pickle of a model in which parameters are numbers: their places in values."""
    file = io.BytesIO()
    _Pickler(file, {id(p): i for i, p in enumerate(values)}).dump(model)
    return file.getvalue()


def _with_parameters(structure, values):
    return _Unpickler(io.BytesIO(structure), values).load()
