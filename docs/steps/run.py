"""Runs all steps in turn on the same numbers, and prints what each gains beside the last.

    python docs/steps/run.py                        a minute
    python docs/steps/run.py --positions 600 --from 6         a million nodes: where memory counts
    python docs/steps/run.py --check                only whether all steps give the same gradients
"""
import argparse
import importlib
import pathlib
import sys

import workload

STEPS = ["s01_lecture", "s02_slots", "s03_iterative", "s04_arrays", "s05_c", "s06_handles", "s07_order", "s08_prefetch",
         "plain", "s09_fused", "s10_loops"]
BESIDE = {"s10_loops": "plain"}     # all others: the step before


def title(name):
    """What a step is called: the words of its docstring before the first full stop."""
    doc = (pathlib.Path(__file__).with_name(f"{name}.py")).read_text(encoding="utf-8").split('"""')[1]
    return "fastgrad, loops in Python" if name == "plain" else doc.split(".")[0].removeprefix("Step ")


def check(engines, positions):
    """Raises AssertionError unless all steps give the same gradients: from step 2 on to the last bit.

    Step 1 has its children in sets, whose order depends on addresses, and so have the last bits of its gradients.
    """
    grads = {engine: workload.Training(engine, positions).gradients() for engine in engines}
    last = grads[engines[-1]]
    assert any(last)
    for engine, found in grads.items():
        if engine.__name__ == "s01_lecture":
            assert all(abs(x - y) <= 1e-9 * (1.0 + abs(y)) for x, y in zip(found, last, strict=True)), engine
        else:
            assert found == last, engine


def main():
    parser = argparse.ArgumentParser(description="Measure the steps from micrograd's class to C.")
    parser.add_argument("--positions", type=int, default=32, help="inputs of a training step (32)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each step, of which the median counts (7)")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the number of the first step to run (1)")
    parser.add_argument("--check", action="store_true", help="compare gradients and measure nothing")
    options = parser.parse_args()
    if options.positions < 1 or options.rounds < 1 or not 1 <= options.first <= 10:
        parser.error("--positions and --rounds are at least 1, --from is 1 to 10")
    names = [name for name in STEPS if name == "plain" or int(name[1:3]) >= options.first]
    engines = [importlib.import_module(name) for name in names]
    check(engines, min(options.positions, 4))
    if options.check:
        print(f"{len(engines)} engines give the same gradients")
        return
    medians = workload.compare(engines, options.positions, options.rounds)
    nodes = workload.count_nodes(options.positions)
    totals = {engine.__name__: sum(medians[engine]) for engine in engines}
    print(f"A training step of {nodes:,} nodes; medians of {options.rounds} turns, in ms.\n")
    print("| step | forward | backward | the rest | in all | ns a node | gain | beside the first |")
    print("|---|---|---|---|---|---|---|---|")
    for i, (engine, name) in enumerate(zip(engines, names)):
        beside = BESIDE.get(name, names[i - 1])
        gain = f"{totals[beside] / totals[name]:.2f}" if i > 0 else ""
        times = " | ".join(f"{1e3 * t:.2f}" for t in (*medians[engine], totals[name]))
        print(f"| {title(name)} | {times} | {1e9 * totals[name] / nodes:.0f} | {gain} | "
              f"{totals[names[0]] / totals[name]:.1f} |")
    print(f"\nThe same loops over plain floats, forward only: {1e3 * workload.time_floats(options.positions):.2f} ms")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    main()
