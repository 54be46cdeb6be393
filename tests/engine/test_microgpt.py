"""Training microgpt on the names that ship gives the same bits on the C engine and on the oracle."""
import pytest
import train_microgpt as script

import fastgrad

STEPS = 20

# The first losses at default size, by the oracle. The last digits may depend on the C library's exp, log and pow.
FIRST_LOSSES = [3.396186163558503, 3.27944377498138, 3.1810865232924903, 3.3147977149517236, 3.499012474064323]

needs_c = pytest.mark.skipif(fastgrad.backend != "c", reason="the C engine isn't in use (FASTGRAD_PURE or PyPy)")


def start(engine, *arguments):
    options = script.parse_arguments(["--steps", str(STEPS), *arguments])[1]
    return script.Run(engine, script.read_documents(options.data), options)


def reprs(run):
    """Data and gradient of every parameter, to the bit."""
    return [(repr(p.data), repr(p.grad)) for p in run.model.parameters]


@needs_c
@pytest.mark.parametrize("shape", [
    "",     # microgpt's own
    "--layers 2 --width 6 --heads 3 --context 5 --seed 1",
], ids=["default", "small"])
def test_losses_parameters_and_names_are_the_same_to_the_bit(shape):
    c, oracle = start("c", *shape.split()), start("python", *shape.split())
    assert type(c.model.parameters[0]) is not type(oracle.model.parameters[0])
    for _ in range(STEPS):
        c.step()
        oracle.step()
        assert repr(c.losses[-1]) == repr(oracle.losses[-1])
    assert reprs(c) == reprs(oracle)
    names = [[script.sample(run.model, run.vocabulary, run.rng) for _ in range(2)] for run in (c, oracle)]
    assert names[0] == names[1]


@needs_c
def test_gradients_are_the_same_to_the_bit():
    gradients = []
    for run in start("c"), start("python"):
        keys, values = [[]], [[]]
        for position, token in enumerate(run.vocabulary.encode("anna")):
            logits = run.model.forward(token, position, keys, values)
        loss = run.model.surprise(run.model.softmax(logits)[run.vocabulary.boundary])
        loss.backward()
        gradients.append(reprs(run))
    assert gradients[0] == gradients[1]
    assert len(set(gradients[0])) > 3000


def test_the_first_losses_are_those_on_record():
    run = start(fastgrad.backend)
    for _ in FIRST_LOSSES:
        run.step()
    assert run.losses == pytest.approx(FIRST_LOSSES, rel=1e-9)


def test_floats_do_the_same_arithmetic_forward():
    run, floats = start(fastgrad.backend), start("floats")
    run.step()
    floats.step()
    assert floats.losses == pytest.approx(run.losses, rel=1e-12)     # since 3.12 sum() carries along what floats lose


def test_it_learns():
    run = start(fastgrad.backend, "--width", "8", "--heads", "2", "--context", "6", "--steps", "60")
    for _ in range(60):
        run.step()
    assert sum(run.losses[-20:]) < 0.95 * sum(run.losses[:20])


def test_the_size_is_microgpts():
    run = start("floats")
    assert len(run.model.parameters) == 4192
    assert len(run.vocabulary) == 27


def test_the_names_are_clean():
    names = script.read_documents(script.NAMES)
    assert len(names) == len(set(names)) == 5163
    assert names == sorted(names)
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
