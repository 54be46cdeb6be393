"""--profile: which lines the time goes to, by samples.

A timer interrupts the script each few milliseconds of the processor's time, and what has passed since the last sample
counts for the line that runs. Python notices where it calls something or jumps back. So what C does within one call, a
whole loop say, is one sample of as long as that took; and what an assignment takes to free a graph counts for the next
line. No trace function is set: loops would decline, and all would be slower.
"""
import signal
import time
from collections import Counter

from fastgrad.value.base import shown_file

EVERY = 0.002       # seconds of the processor's time; many systems' clocks are slower
LINES = 8           # that are shown, if they take
LEAST = 0.01        # of the time
now = time.process_time


class Samples:
    """Collects samples from start() to stop(). Without a timer (Windows has none) there are none.

    is_own: a function that says of a file whether it's the user's own. profile: the Profile, which says whether
    backward() runs.
    """

    def __init__(self, is_own, profile):
        self.is_own, self.profile = is_own, profile
        self.files = {}             # file: whether it's the user's own
        self.seconds = Counter()    # by (file, line); by None for backward()
        self.last = 0.0

    def start(self):
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGPROF, self.note)
            self.last = now()
            signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def stop(self):
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)

    def note(self, number, frame):
        """Called by the timer's signal."""
        at = now()
        while frame is not None and not self.owns(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None and self.profile.doing != "profile":
            where = frame.f_code.co_filename, frame.f_lineno
            self.seconds[None if self.profile.doing == "backward" else where] += at - self.last
        self.last = at

    def owns(self, file):
        if file not in self.files:
            self.files[file] = self.is_own(file)
        return self.files[file]

    def lines(self, found):
        """The table's lines. found: those of fastgrad.loops.report.kept."""
        whole = sum(self.seconds.values())
        if not whole:
            return []
        loops, left = {}, {}
        for each in found:
            for loop in each.loops:
                loops.setdefault((loop.file, loop.line), []).append(loop)
            for line, why in each.left:
                left.setdefault((each.file, line), why)
        in_c = sum(seconds for at, seconds in self.seconds.items() if any(loop.runs for loop in loops.get(at, ())))
        python = whole - in_c - self.seconds[None]
        rows = [f"fastgrad: of the processor's time {share(in_c, whole)} went to lines with loops that C ran, "
                f"{share(self.seconds[None], whole)} to backward(), {share(python, whole)} to Python's other lines"]
        for at, seconds in self.seconds.most_common(LINES + 1):
            if at is not None and seconds >= LEAST * whole:
                where = f"{shown_file(at[0])}:{at[1]}"
                what = what_is_at(loops.get(at), left.get(at))
                rows.append(f"    {share(seconds, whole):>6}  {where:<20} {what}".rstrip())
        return rows


def what_is_at(loops, why):
    """What there is to say of a line's loops."""
    from fastgrad.loops.report import told
    if loops:
        return "; ".join(map(told, loops))
    return f"Python's: {why}" if why else ""


def share(part, whole):
    return f"{100 * part / whole:.1f}%"
