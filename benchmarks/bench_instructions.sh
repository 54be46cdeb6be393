#!/bin/sh
# How many instructions a training step of microgpt takes, with its loops in Python, in C (@fuse), and as a script with
# a class of its own under `python -m fastgrad`; and how many of plain floats: a slow-down shows without a clock.
# Callgrind counts a run with few steps and one with more; the difference is the steps' alone, without the start of
# Python. Two counts differ by a tenth of a percent at most, on the busiest machine.
#
#     benchmarks/bench_instructions.sh [FEW MANY]       default 2 8; PYTHON=... chooses the interpreter
#
# The build that is counted is the one that Python imports: the shipped one, for the baseline architecture. Instructions
# are not time: what waits for memory shows in bench_microgpt.py only.
set -eu

if ! command -v valgrind >/dev/null; then
    echo "bench_instructions.sh: valgrind isn't installed" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
few=${1:-2} many=${2:-8} python=${PYTHON:-python3}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

program='
import sys, train_microgpt as script
engine, steps = sys.argv[1], int(sys.argv[2])
if engine == "published":
    from script_steps import steps_of
    run = steps_of("microgpt_script.py", {"names": script.NAMES}, "loss")
    for _ in range(steps):
        next(run)
    sys.exit()
options = script.parse_arguments(["--steps", "1000", *sys.argv[3:]])[1]
try:
    run = script.Run(engine, script.read_documents(options.data), options)
except script.BadInput as error:
    sys.exit(str(error))
for _ in range(steps):
    run.step()
'

# count ENGINE STEPS [OPTION]: the instructions of a run, or the reason why there is none. Hashes are fixed since the
# order in which dicts and sets collide counts too.
count() {
    if ! PYTHONHASHSEED=0 PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" valgrind --tool=callgrind \
        --callgrind-out-file=/dev/null "$python" -c "$program" "$@" >"$log" 2>&1; then
        echo "bench_instructions.sh: engine $1: $(grep -v '^==' "$log" | tail -n 1)" >&2
        exit 1
    fi
    sed -n 's/^==.* Collected : //p' "$log"
}

# So that none of the runs that are counted compiles modules.
for engine in c published; do
    PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" "$python" -c "$program" "$engine" 1 >/dev/null 2>&1 || true
done

# a_step ENGINE [OPTION]
a_step() {
    engine=$1
    shift
    low=$(count "$engine" "$few" "$@")
    high=$(count "$engine" "$many" "$@")
    echo $(((high - low) / (many - few)))
}

floats=$(a_step floats)
plain=$(a_step c --no-fuse)
fused=$(a_step c)
published=$(a_step published)
echo "instructions a step, steps $((few + 1)) to $many, and times floats"
for row in "floats $floats" "fastgrad $plain" "@fuse $fused" "published $published"; do
    # shellcheck disable=SC2086
    set -- $row
    awk "BEGIN { printf \"%-10s%12d%9.3f\\n\", \"$1\", $2, $2 / $floats }"
done
