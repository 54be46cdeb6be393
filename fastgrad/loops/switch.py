"""Whether loops are rewritten at all. They aren't if FASTGRAD_FUSE=0 is in the environment, nor without the compiled
engine, nor after `python -m fastgrad --no-fuse`.
"""
import os

import fastgrad

is_off = False


def is_on():
    return not is_off and fastgrad.backend == "c" and os.environ.get("FASTGRAD_FUSE") != "0"
