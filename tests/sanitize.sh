#!/usr/bin/env bash
# The extension under the address and undefined-behaviour sanitizers: builds it into a folder of its own and runs the
# tests with it (arguments go to pytest; without, all that don't measure memory or compile). Needs gcc or clang.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
export FASTGRAD_TESTING=1
mkdir "$work/lib"
cp -r fastgrad "$work/lib/"
CFLAGS="$flags" LDFLAGS="$flags" python setup.py -q build_ext --build-lib "$work/lib" --build-temp "$work/temp" --force
cp -r tests benchmarks examples README.md pyproject.toml csrc "$work/"

# CPython frees little at exit, so leaks are looked for by the lifetime tests instead.
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH="$work/lib"
compiler=$(python -c 'import sysconfig; print((sysconfig.get_config_var("CC") or "cc").split()[0])')
LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)"
export LD_PRELOAD
cd "$work"
python -c 'import fastgrad.engine.engine as e; assert e.__file__.startswith("'"$work"'"), e.__file__'
if [ $# -eq 0 ]; then
    set -- --ignore=tests/package/test_packaging.py \
        --deselect tests/engine/test_lifetime.py::test_memory_is_flat_over_10_000_steps \
        --deselect tests/engine/test_fused.py::test_taking_apart_takes_little_more_than_making_scalar_nodes \
        --deselect tests/engine/test_robustness.py::test_the_core_s_own_tests
fi
python -m pytest -q -p no:cacheprovider "$@"
cd "$source"
