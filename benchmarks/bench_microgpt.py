"""A training step of microgpt, split into forward, backward and update, by fastgrad and by what else there is.

    python benchmarks/bench_microgpt.py                             every engine that this machine has
    python benchmarks/bench_microgpt.py --engines floats,fastgrad   some

The model, its data and, for engines that the unmodified script can import, the training loop are train_microgpt.py's.
The other scalar engines are in microgpt_scalars.py, those that work on arrays in microgpt_arrays.py, and the class that
a lesson has on its page in lesson.py.
"""
import os
import random

import contest
import harness
import script_steps
import train_microgpt as microgpt
from commandline import integer

ENGINES = {
    "floats": "floats, no autograd",
    "fastgrad": "fastgrad",
    "fused": "fastgrad, @fuse",
    "published": "as published, python -m fastgrad",
    "adam": "fastgrad, optim.Adam",
    "functional": "fastgrad.functional, optim.Adam",
    "oracle": "fastgrad/reference.py",
    "lesson": "the lesson's own class",
    "pypy": "reference.py on PyPy",
    "micrograd": "micrograd",
    "xad": "xad",
    "casadi": "casadi",
    "numpy": "numpy arrays, by hand",
    "torch": "torch arrays, eager",
    "jax": "jax arrays, eager",
    "jax-jit": "jax arrays, compiled",
}
SHAPE = {"layers": 1, "width": 16, "heads": 4, "context": 16}


def training(engine, options):
    """What starts an engine's training from its beginning, and the versions of what it runs on; raises Missing."""
    if engine == "published":
        harness.require("fastgrad")
        settings = {name: getattr(options, name) for name in ("seed", "steps", *SHAPE)}
        settings["names"] = microgpt.NAMES
        return script_steps.training("microgpt_script.py", settings, "loss", options), {
            "python": harness.machine()["python"], **harness.versions("fastgrad")}
    documents = microgpt.read_documents(microgpt.NAMES)
    shape = [getattr(options, name) for name in SHAPE]

    def begin(kind, number):
        """A model with random numbers as train_microgpt.Run makes it, its vocabulary, and its documents in order."""
        rng, shuffled = random.Random(options.seed), documents[:]
        rng.shuffle(shuffled)
        vocabulary = microgpt.Vocabulary(shuffled)
        return kind(number, rng, len(vocabulary), *shape), vocabulary, shuffled, options.steps

    if engine in ("floats", "fastgrad", "fused", "oracle", "lesson", "pypy", "micrograd"):
        kind, number, versions = script_engine(engine)
        if engine == "fused":
            microgpt.fuse_loops()
        return lambda: microgpt.train(*begin(kind, number)), versions
    if engine in ("adam", "functional", "xad", "casadi"):
        import microgpt_scalars as others
    else:
        import microgpt_arrays as others
    trainer, versions = others.ENGINES[engine]()
    return lambda: others.train(trainer, *begin(microgpt.MicroGPT, trainer.number)), versions


def script_engine(engine):
    """Model, class of numbers and versions of an engine that the script itself can use; raises Missing."""
    versions = {"python": harness.machine()["python"]}
    if engine == "floats":
        return microgpt.FloatMicroGPT, float, versions
    if engine == "lesson":
        from lesson import Value
        return microgpt.MicroGPT, Value, versions
    if engine == "micrograd":
        from microgpt_scalars import micrograd_value
        return microgpt.MicroGPT, micrograd_value(), {**versions, **harness.versions("micrograd")}
    harness.require("fastgrad")
    try:
        number = microgpt.number_class("c" if engine in ("fastgrad", "fused") else "python")
    except microgpt.BadInput as error:
        raise harness.Missing(str(error)) from None
    return microgpt.MicroGPT, number, {**versions, **harness.versions("fastgrad")}


def main():
    parser = harness.parser("Time a training step of microgpt with every engine that is here.")
    contest.add_options(parser, ENGINES, steps=40)
    parser.add_argument("--seed", type=int, default=42, help="default 42")
    for name, default in SHAPE.items():
        parser.add_argument(f"--{name}", type=integer(1), default=default, help=f"default {default}")
    options = parser.parse_args()
    if options.width % options.heads:
        parser.error(f"width {options.width} isn't divisible by {options.heads} heads")
    if options.worker:
        contest.work(options, lambda: training(options.worker, options), compiles=options.worker.startswith("jax"))
        return 0
    shape = [text for name in ("seed", *SHAPE) for text in (f"--{name}", getattr(options, name))]
    rows, right = contest.run(os.path.abspath(__file__), ENGINES, options, *shape)
    harness.write_json(options, rows, steps=options.steps, seed=options.seed,
                       shape={name: getattr(options, name) for name in SHAPE})
    return 0 if right else 1


if __name__ == "__main__":
    harness.main(main)
