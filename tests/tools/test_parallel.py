"""Promise: gradients computed by many workers are to the last bit those that one would compute, whatever the executor
and the number of workers; and when a worker dies or a loss raises, that is said, and nothing has changed."""
import concurrent.futures
import multiprocessing
import os
import pickle
import random
import signal
import threading
import time

import pytest

import fastgrad
from fastgrad import Value, nn, optim
from fastgrad.parallel import gradients

METHODS = [method for method in ("fork", "spawn", "forkserver") if method in multiprocessing.get_all_start_methods()]


# ---- What workers get by name ----

def line(params, batch):
    w, b = params
    return sum((w * x + b - y) ** 2 for x, y in batch) / len(batch)


def slow_line(params, batch):
    time.sleep(0.25)
    return line(params, batch)


def network(model, batch):
    assert isinstance(model, nn.Module) and model.training is False and model.factor == 2
    return sum((model(x)[0] * model.factor - y) ** 2 for x, y in batch)


def changing(model, batch):
    model.factor += 1       # of a copy
    return model(batch[0][0])[0] * model.factor


def dies(params, batch):
    if batch == 3:
        os._exit(1)
    return params[0] * batch


def raises(params, batch):
    if batch >= 2:
        raise KeyError(f"batch {batch}")
    return params[0] * batch


def no_value(params, batch):
    return 1.0


class ThisThread(concurrent.futures.Executor):
    """Computes at once, what it was given as it would come out of a pickle."""

    def submit(self, function, /, *arguments):
        future = concurrent.futures.Future()
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def batches(n=7):
    rng = random.Random(4)
    return [[(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(3)] for _ in range(n)]


def points(n=5):
    return [[([x, y], x * y) for x, y in batch] for batch in batches(n)]


def made_model():
    random.seed(5)
    model = nn.Sequential(nn.Linear(2, 3), fastgrad.functional.tanh, nn.Linear(3, 1)).eval()
    model.factor = 2
    model.tied = model[0].weight
    return model


def outcome(loss, params, given, executor):
    values = params.parameters() if isinstance(params, nn.Module) else params
    fastgrad.set_grad(values, [0.25 * i for i in range(len(values))])
    losses = gradients(loss, params, given, executor)
    return list(map(repr, losses)), fastgrad.get_grad(values).tobytes()


# ---- Results ----

def test_gradients_are_added_batch_by_batch(Value):
    w, b = Value(0.5), Value(-1)
    w.grad, b.grad = 3.0, 2
    expected, losses = [3.0, 2.0], []
    for batch in batches():
        twins = [Value(0.5), Value(-1.0)]
        loss = line(twins, batch)
        loss.backward()
        losses.append(loss.data)
        expected = [total + twin.grad for total, twin in zip(expected, twins)]
    assert gradients(line, iter([w, b]), iter(batches()), ThisThread()) == losses
    assert [w.grad, b.grad] == expected and [repr(w.data), repr(b.data)] == ["0.5", "-1"]
    assert gradients(line, [w, b], [], ThisThread()) == [] and [w.grad, b.grad] == expected


def test_a_module_s_copy_has_its_parameters_once():
    model, twin = made_model(), made_model()
    losses = gradients(network, model, points(1), ThisThread())
    loss = network(twin, points(1)[0])
    loss.backward()
    assert losses == [loss.data]
    assert [p.grad for p in model.parameters()] == [p.grad for p in twin.parameters()]
    first = gradients(changing, model, points(3), ThisThread())
    assert model.factor == 2 and first == gradients(changing, model, points(3), ThisThread())


@pytest.mark.parametrize("method", METHODS)
def test_processes_give_the_same_bits(method):
    given, model_given = batches(), points()
    params, model = [Value(0.5), Value(-1.0)], made_model()
    expected = outcome(line, params, given, ThisThread()), outcome(network, model, model_given, ThisThread())
    for workers in (1, 2) if method == "fork" else (2,):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as executor:
            found = outcome(line, params, given, executor), outcome(network, model, model_given, executor)
            assert found == expected


def test_threads_give_the_same_bits():
    params, model = [Value(0.5), Value(-1.0)], made_model()
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        assert outcome(line, params, batches(), executor) == outcome(line, params, batches(), ThisThread())
        assert outcome(network, model, points(), executor) == outcome(network, model, points(), ThisThread())


def test_no_executor_gives_the_same_bits(Value):
    params, model = [Value(0.5), Value(-1)], made_model()
    assert outcome(line, params, batches(), None) == outcome(line, params, batches(), ThisThread())
    assert outcome(network, model, points(), None) == outcome(network, model, points(), ThisThread())
    params[0].grad = 3
    for loss, error in ((raises, KeyError), (no_value, TypeError)):
        with pytest.raises(error):
            gradients(loss, params, range(4), None)
        assert [repr(p.grad) for p in params] == ["3", repr(params[1].grad)]
    assert gradients(line, params, [], None) == [] and repr(params[0].grad) == "3"


def power(params, batch):
    return params[0] ** batch


def negative(params, batch):
    return params[0] * batch


def test_ints_travel_as_doubles_also_where_nobody_travels(Value):
    for number, loss, batch in (3, power, 34), (3, power, 36), (0, negative, -1), (5, negative, 3):
        p = Value(number)
        here = outcome(loss, [p], [batch], None)
        assert type(p.data) is int and p.data == number
        assert here == outcome(loss, [Value(number)], [batch], ThisThread())
    p = Value(2)
    with pytest.raises(KeyError):
        gradients(raises, [p], [1, 2], None)
    assert repr(p.data) == "2" and p.grad == 0


def test_training_with_two_processes():
    w, b = Value(0.0), Value(0.0)
    optimizer = optim.SGD([w, b], 0.1)
    given = [[(x, 2 * x - 1) for x, _ in batch] for batch in batches()]
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        for _ in range(20):
            optimizer.zero_grad()
            losses = gradients(line, [w, b], given, executor)
            optimizer.step()
    assert sum(losses) < 0.01 and abs(w.data - 2) < 0.1 and abs(b.data + 1) < 0.1


# ---- Errors ----

@pytest.mark.parametrize("method", METHODS[:1] + METHODS[-1:])
def test_a_worker_that_dies(method):
    p = Value(1.0)
    p.grad = 0.5
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        assert gradients(dies, [p], [1, 2], executor) == [1.0, 2.0] and p.grad == 3.5
        for _ in range(2):      # the second time the executor is broken from the start
            with pytest.raises(RuntimeError, match="^a worker died: there is no result for batch [0-3], and no grad"):
                gradients(dies, [p], range(6), executor)
            assert p.grad == 3.5


def test_a_loss_that_raises():
    p = Value(1.0)
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        for one in (executor, ThisThread()):
            with pytest.raises(KeyError, match="batch 2"):
                gradients(raises, [p], range(5), one)
            with pytest.raises(TypeError, match="^loss must return a Value, not 'float'$"):
                gradients(no_value, [p], [1], one)
            assert p.grad == 0
        with pytest.raises((pickle.PicklingError, AttributeError)):
            gradients(lambda params, batch: params[0], [p], [1, 2], executor)
        assert gradients(raises, [p], [1], executor) == [1.0]      # it's as good as before


def test_bad_arguments():
    p = Value(1.0)
    executor = ThisThread()
    for arguments, error, problem in [
        ((line, p, [1], executor), TypeError, "params must be a Module or an iterable of Values, not 'Value'"),
        ((line, 3, [1], executor), TypeError, "params must be a Module or an iterable of Values, not 'int'"),
        ((line, [p, 1.0], [1], executor), TypeError, "parameter 1 must be a Value, not 'float'"),
        ((line, [p, p], [1], executor), ValueError, "params has a Value twice"),
        (("line", [p], [1], executor), TypeError, "loss must be a function, not 'str'"),
        ((line, [p], [1], 3), TypeError, "executor must be an Executor of concurrent.futures, not 'int'"),
    ]:
        with pytest.raises(error, match=f"^{problem}$"):
            gradients(*arguments)
        if "executor" not in problem:
            with pytest.raises(error, match=f"^{problem}$"):
                gradients(*arguments[:3], None)


# ---- Dask ----

def test_a_dask_cluster_that_loses_a_worker():
    """Three workers, one of which is killed in the middle: its batches are computed by others, with the same bits. A
    batch that kills every worker is an error."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    params = [Value(0.5), Value(-1.0)]
    expected = outcome(line, params, batches(9), ThisThread())
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), \
            distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client:
        assert outcome(line, params, batches(9), client) == expected
        victim = sorted(client.run(os.getpid).values())[0]
        timer = threading.Timer(0.3, os.kill, (victim, signal.SIGKILL))
        timer.start()
        assert outcome(slow_line, params, batches(9), client.get_executor()) == expected
        timer.join()
        before = fastgrad.get_grad(params)
        with pytest.raises(RuntimeError, match="^a worker died: there is no result for batch 0, and no gradient"):
            gradients(dies, params, [3], client)
        assert fastgrad.get_grad(params) == before
