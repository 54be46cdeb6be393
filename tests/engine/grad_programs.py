"""Gradients in the graphs of random programs: what fastgrad.grad asks an engine for, of first to third order.

The programs are those of programs.py and fused_programs.py. When one has run, gradients of some of its Values by others
are taken, as numbers and as graphs, and of these gradients again.
"""
import random

import fastgrad
import fused_programs
import programs
from fastgrad import reference

C = {"name": "C engine", "Value": fastgrad.Value, "no_grad": fastgrad.no_grad, "F": fastgrad.functional,
     "module": fastgrad.engine}
PYTHON = {"name": "oracle", "Value": reference.Value, "no_grad": fastgrad.no_grad,
          "F": fused_programs.loops_of(reference.Value), "module": reference}
ERRORS = (ArithmeticError, ValueError, RuntimeError)
ORDERS = 3
KINDS = ("scalar", "fused", "calm")


def generate(rng, kind):
    return programs.generate(rng) if kind == "scalar" else fused_programs.generate(rng, kind == "calm")


def graph(grads):
    return programs.state([v for v in grads if v is not None])


def transcript(kind, program, engine, seed, keep=None):
    """What gradients in a program's graph are. keep: a list that gets the list of the program's Values."""
    rng, found = random.Random(seed), []
    keep = [] if keep is None else keep
    if kind == "scalar":
        programs.run(program, engine["Value"], engine["no_grad"], keep)
    else:
        fused_programs.run(program, engine, keep)
    if not keep or not keep[-1]:
        return found
    values, gradients = keep[-1], engine["module"]._gradients
    before = programs.state(values) if kind == "scalar" or seed % 2 else None      # which takes fused sums apart
    outputs = tuple(rng.choice(values) for _ in range(rng.choice([1, 1, 2])))
    inputs = tuple(rng.choice(values) for _ in range(rng.choice([1, 3, 5])))
    seeds = rng.choice([None, tuple(rng.choice([1, 2.0, -0.5, -0.0, rng.choice(values)]) for _ in outputs)])
    try:
        for order in range(ORDERS):
            numbers = gradients(outputs, seeds, inputs, False)
            found.append(repr(numbers))
            if order == ORDERS - 1:
                break
            grads = gradients(outputs, seeds, inputs, True)
            found.append(graph(grads))
            is_same = repr(tuple(v if v is None else v.data for v in grads)) == repr(numbers)
            assert is_same or "closure" in repr(program) or "act" in repr(program)      # which assign what they like
            found.append(repr(is_same))
            outputs, seeds = (sum([v for v in grads if v is not None] or [engine["Value"](0.0)]),), None
        found.append(graph(gradients(outputs, None, inputs, True)))
    except ERRORS as error:
        found.append((type(error).__name__, str(error)))
    if before is not None:
        found.append(repr(programs.same([before], [programs.state(values)])))
    return found
