"""Run every benchmark, one after the other, and draw the figure; JSON and the picture go to a folder.

    python benchmarks/run_all.py                    a few minutes
    python benchmarks/run_all.py --quick            a look, in well under a minute, at fewer rounds and engines
"""
import os
import subprocess
import sys
import time

from commandline import Parser

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = {
    "bench_microgpt.py": ["--engines", "floats,fastgrad,fused,published,adam,functional,oracle,lesson", "--steps", "10",
                          "--warm", "0.5"],
    "bench_mlp.py": ["--engines", "floats,fastgrad,notebook,oracle", "--steps", "10", "--warm", "0.5"],
    "bench_lecture.py": ["--steps", "100", "--warm", "0.5"],
    "bench_ops.py": ["--rounds", "10"],
    "bench_grad.py": ["--rounds", "3"],
    "bench_scale.py": ["--most", "100000", "--rounds", "3"],
    "bench_import.py": ["--rounds", "10"],
}


def main():
    parser = Parser(description="Run every benchmark.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and engines")
    parser.add_argument("--out", default=os.path.join(HERE, "..", "build", "benchmarks"), metavar="FOLDER",
                        help="where JSON and the figure go (default: build/benchmarks)")
    options = parser.parse_args()
    out = os.path.normpath(options.out)
    os.makedirs(out, exist_ok=True)
    statuses = {}

    def run(name, *command):
        begin = time.perf_counter()
        print(f"== {name}", flush=True)
        status = subprocess.run(command).returncode
        statuses[name] = status
        print(f"({time.perf_counter() - begin:.0f} s{f', status {status}' if status else ''})\n", flush=True)

    for script, arguments in QUICK.items():
        result = os.path.join(out, script.replace("bench_", "").replace(".py", ".json"))
        run(script, sys.executable, os.path.join(HERE, script), "--json", result, *(arguments if options.quick else []))
    if os.name == "posix":      # needs valgrind, and says so
        run("bench_instructions.sh", "env", f"PYTHON={sys.executable}", os.path.join(HERE, "bench_instructions.sh"),
            *(["1", "3"] if options.quick else []))
    for picture, *arguments in [("microgpt.png",), ("lesson.png", "--bars")]:
        run("plot.py", sys.executable, os.path.join(HERE, "plot.py"), os.path.join(out, "microgpt.json"),
            "--out", os.path.join(out, picture), *arguments)
    without = [name for name, status in statuses.items() if status]
    print(f"results are in {os.path.relpath(out)}" + (f"; not done: {', '.join(without)}" if without else ""))
    return 0 if set(statuses.values()) <= {0, 2} else 1     # 2: something that it needs isn't installed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
