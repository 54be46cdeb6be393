"""python -m fastgrad SCRIPT: run a micrograd- or microgpt-style script unedited, with our engine in place of its own.
"""
import os
import sys
from types import SimpleNamespace

import fastgrad
from fastgrad.script.running import run

NOTHING_ASKED = {"report": False, "verify": False, "profile": False, "steps_json": None, "keep": (),
                 "no_fuse": False, "record_own": None, "record_ours": None, "module": None}


def parse(arguments):
    """Parse the options into a namespace. Exits, as argparse does, if they are wrong."""
    if arguments and not arguments[0].startswith("-"):
        return SimpleNamespace(script=arguments[0], rest=arguments[1:], **NOTHING_ASKED)
    import argparse             # only now: importing it takes as long as replacing a class
    parser = argparse.ArgumentParser(
        prog="python -m fastgrad", usage="python -m fastgrad [options] (SCRIPT | -m MODULE) [arguments ...]",
        description="Run a script, a notebook or a module whose scalar autograd engine, defined there or imported, is "
                    "replaced by fastgrad's, and whose loops over Values C runs. What the author has defined beside "
                    "the engine stays.")
    parser.add_argument("--report", action="store_true",
                        help="say at the end, per class and method, what was replaced, and which loops C ran")
    parser.add_argument("--verify", action="store_true", help="run it with its own class as well, and compare")
    parser.add_argument("--profile", action="store_true",
                        help="say at the end where the time went, by parts of a step and by lines")
    parser.add_argument("--steps-json", metavar="FILE", help="write time, nodes and loss of each backward() to FILE")
    parser.add_argument("--check", action="store_true",
                        help="examine the engine that a file defines, and name its mistakes (--check --help)")
    parser.add_argument("--keep", metavar="CLASS", action="append", default=[], help="leave the class CLASS as it is")
    parser.add_argument("--no-fuse", action="store_true",
                        help="leave loops over Values to Python (as FASTGRAD_FUSE=0 in the environment does)")
    parser.add_argument("--record-own", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--record-ours", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"fastgrad {fastgrad.__version__}")
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="a module, as for python -m")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="a .py file, a .ipynb file, or a folder")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.check:
        parser.error("--check goes with options of its own only: --check --help")
    if options.verify and options.steps_json:
        parser.error("--steps-json goes without --verify")
    if options.module:
        options.script, options.rest = options.module[0], options.module[1:]
    elif not options.script:
        parser.error("which SCRIPT, or -m MODULE?")
    return options


def main(arguments):
    if arguments and arguments[0] in ("--check", "--class", "--json", "--require", "--time-limit"):
        from fastgrad.grading.command import main as check
        return check(arguments)
    options = parse(arguments)
    if not options.module and not os.path.exists(options.script):
        print(f"fastgrad: there's no {options.script!r}", file=sys.stderr)
        return 2
    if options.verify:
        from fastgrad.script.verifying import verify
        arguments.remove("--verify")        # the first one is ours; a second one is the script's
        return verify(arguments, None if options.module else options.script)
    finish = []
    prepare(options, finish)
    status = run(options.script, options.rest, is_module=bool(options.module))
    for function in finish:
        function()
    return status


def prepare(options, finish):
    """Switch on what the options ask for. Functions to call after the run are appended to the list `finish`."""
    from fastgrad.loops import switch
    from fastgrad.script import fusing, replace
    from fastgrad.script.importing import Substitute
    from fastgrad.script.notebook import say_why
    replace.kept_by_user.update(options.keep)
    sys.meta_path.append(Substitute)
    if options.record_own or options.record_ours:
        import random
        from fastgrad.script.verifying import Recorder
        recorder = Recorder(options.record_own or options.record_ours)
        random.seed(0)
        recorder.watch_fastgrads()
    switch.is_off = bool(options.no_fuse or options.record_own)
    if options.record_own:
        recorder.watch_own()
        return
    replace.start()
    fusing.start()
    if options.record_ours:
        replace.when_considered.append(recorder.note)
    if not options.report:
        replace.when_considered.append(say_why)
    if fusing.is_on and (options.report or options.profile):
        from fastgrad.loops import report
        report.keep()
    if options.report:
        finish.append(lambda: print(*(replace.reports or ["fastgrad: no class looks like a scalar autograd engine"]),
                                    *(report.lines() if fusing.is_on else ()), sep="\n", file=sys.stderr))
    if (options.profile or options.steps_json) and fastgrad.backend != "c":
        print("fastgrad: without the compiled engine there's no profile", file=sys.stderr)
    elif options.profile or options.steps_json:
        from fastgrad.script.profiling import Profile
        profile = Profile()
        profile.watch(fastgrad.Value, "backward")
        replace.when_considered.append(
            lambda report: report.twin and profile.watch(report.result, report.twin.dialect.backward))
        if options.profile:
            from fastgrad.script.sampling import Samples
            samples = Samples(replace.is_teaching_code, profile)
            samples.start()
            finish.insert(0, samples.stop)
            finish.append(lambda: print(profile.table(), *samples.lines(report.kept if fusing.is_on else ()), sep="\n",
                                        file=sys.stderr))
        if options.steps_json:
            open(options.steps_json, "w").close()       # an error is better now than after the run
            finish.append(lambda: profile.save(options.steps_json))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
