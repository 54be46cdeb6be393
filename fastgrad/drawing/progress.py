"""fastgrad.progress: a loop that shows how far it is, and a live loss.

    for step in (bar := fastgrad.progress(range(1000))):
        ...
        bar(loss)

A line of text in a terminal, the same with a curve in a notebook; tqdm's bar, with the losses beside it, where tqdm is
installed. The line is written again ten times a second at most, so it costs a fast loop little. What isn't a terminal
(a file, a pipe) gets one line at the end. Losses are kept as the means of at most 2 * CURVE stretches of steps.
"""
import math
import sys
import time
from contextlib import suppress
from html import escape
from operator import length_hint
from shutil import get_terminal_size

from fastgrad.drawing.picture import check_count
from fastgrad.drawing.plots import _float
from fastgrad.value.public import public

EVERY = 0.1                 # seconds between two looks
CURVE = 32                  # columns of the curve in a terminal
BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=*#@"          # where the terminal's encoding has no blocks


@public
def progress(iterable, *, total=None, label="loss", tqdm=None, file=None):
    """Iterate over iterable, and show how far that is. Called with a number or a Value, the result shows that too.

    total: how many there are; None: len(iterable), if it has one. label: what the number is called. tqdm: whether to
    use the package tqdm; None: if it's installed. file: where to write; None: sys.stderr, or the notebook's cell.

    Raises TypeError if iterable can't be iterated over, TypeError or ValueError for a total that's no count, and
    ImportError for tqdm=True without tqdm.
    """
    if isinstance(iterable, int):
        raise TypeError(f"progress() takes what a loop goes over, not 'int': write range({iterable})")
    return Progress(iterable, total, label, tqdm, file)


@public
class Progress:
    """What progress() returns: an iterator that shows itself. Call it with the loss of a step."""

    def __init__(self, iterable, total, label, tqdm, file):
        self._items, self._begun = iter(iterable), 0
        known = length_hint(iterable, -1) if total is None else check_count("total", total, 0)
        self.total = None if known < 0 else known
        self.steps, self.label, self.last, self.losses = 0, str(label), None, Losses()
        self._start = time.perf_counter()
        self._screen, self._open = _screen(self, tqdm, file), True
        self._show()

    def __iter__(self):
        return self

    def __len__(self):
        if self.total is None:
            raise TypeError("it isn't known how many steps there are: give total")
        return self.total

    def __next__(self):
        self.steps = self._begun
        try:
            item = next(self._items)
        except BaseException:
            self.close()
            raise
        self._look()
        self._begun += 1
        return item

    def __call__(self, loss):
        """Show a loss, of the step that's on. loss: a number or a Value. Raises TypeError for anything else."""
        self.last = _float(self.label, loss)
        self.losses.add(self.last)
        self._look()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):      # of a loop that was left by break
        if getattr(self, "_open", False) and not sys.is_finalizing():
            with suppress(Exception):       # the file may be closed
                self.close()

    def close(self):
        """Show where it ended. A loop that comes to its end does so by itself; after break it's done at the latest when
        the Progress goes."""
        if self._open:
            self._open = False
            self._show()
            self._screen.close(self)

    def _look(self):
        if self._open and time.perf_counter() - self._shown >= EVERY:
            self._show()

    def _show(self):
        self._shown = time.perf_counter()
        self._screen.show(self)

    def text(self, blocks=BLOCKS):
        """The line as it is now: '340/1,000   34%  loss 2.314  85 steps/s  8 s left  ▇▅▃▂▂▁'."""
        done, seconds = self.steps, max(time.perf_counter() - self._start, 1e-9)
        parts = [f"{done:,}/{self.total:,}" if self.total is not None else f"{done:,}"]
        if self.total:
            parts.append(f"{100 * done / self.total:3.0f}%")
        loss, *shape = self.loss_text(blocks) or [""]
        parts += [loss] if loss else []
        if done:
            rate = done / seconds
            parts.append(f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s")
            left = (self.total - done) / rate if self.total is not None else 0
            parts.append(f"{_duration(left)} left" if self._open and left > 0 else _duration(seconds))
        return "  ".join(parts + shape)

    def loss_text(self, blocks=BLOCKS):
        """The last loss and the curve, as a list of texts; [] if there was none."""
        if self.last is None:
            return []
        return [f"{self.label} {self.last:.4g}", *filter(str.strip, [curve(self.losses.means(CURVE), blocks)])]


class Losses:
    """A run of numbers of any length, kept as the means of stretches, which get longer as it does."""

    def __init__(self):
        self._sums, self._length, self._in_last = [], 1, 0

    def add(self, x):
        if self._in_last == 0 or self._in_last == self._length:
            if len(self._sums) == 2 * CURVE:
                self._sums = [a + b for a, b in zip(self._sums[::2], self._sums[1::2])]
                self._length *= 2
            self._sums.append(0.0)
            self._in_last = 0
        self._sums[-1] += x
        self._in_last += 1

    def means(self, most):
        """At most so many means, for a curve; not finite where a number wasn't."""
        means = [total / self._length for total in self._sums]
        if means:
            means[-1] = self._sums[-1] / self._in_last
        step = max(1, math.ceil(len(means) / most))
        return [math.fsum(part) / len(part) if all(map(math.isfinite, part)) else math.nan
                for part in (means[i:i + step] for i in range(0, len(means), step))]


def curve(means, blocks=BLOCKS):
    """Numbers as a row of blocks: the lowest and the highest block stand for the least and the most; nan is a gap."""
    finite = [x for x in means if math.isfinite(x)]
    if len(means) < 2 or not finite:
        return ""
    low, high = min(finite), max(finite)
    span = (high - low) or math.inf
    return "".join(blocks[min(int((x - low) / span * len(blocks)), len(blocks) - 1)] if math.isfinite(x) else " "
                   for x in means)


def _duration(seconds):
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    return f"{minutes} min {int(seconds % 60):02} s" if not hours else f"{hours} h {minutes % 60:02} min"


# Where it's shown. None of these refers to the Progress, so that it goes as soon as a loop is left.

def _screen(bar, tqdm, file):
    """What shows a Progress: it has show(bar) and close(bar)."""
    if tqdm or tqdm is None:
        try:
            from tqdm.auto import tqdm as make
        except ImportError as error:
            if tqdm:
                raise ImportError("fastgrad.progress(tqdm=True) needs tqdm: pip install tqdm") from error
        else:
            return Tqdm(make(total=bar.total, file=file, mininterval=0, miniters=0))
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if file is None and getattr(shell, "kernel", None) is not None:
        return Cell()
    return Line(sys.stderr if file is None else file)


class Tqdm:
    """tqdm's own bar, with the losses behind it."""

    def __init__(self, tqdm):
        self.tqdm = tqdm

    def show(self, bar):
        self.tqdm.set_postfix_str("  ".join(bar.loss_text()), refresh=False)
        self.tqdm.update(bar.steps - self.tqdm.n)

    def close(self, bar):
        self.tqdm.refresh()
        self.tqdm.close()


class Line:
    """A line that's written over itself in a terminal; in a file, the last one only."""

    def __init__(self, file):
        self.file, self.width = file, 0
        self.live = bool(getattr(file, "isatty", bool)())
        try:
            BLOCKS.encode(getattr(file, "encoding", None) or "utf-8")
            self.blocks = BLOCKS
        except (UnicodeError, LookupError):
            self.blocks = ASCII

    def show(self, bar):
        if self.live:
            text = bar.text(self.blocks)[:get_terminal_size().columns - 1]
            self.file.write("\r" + text + " " * (self.width - len(text)))
            self.file.flush()
            self.width = len(text)

    def close(self, bar):
        self.file.write("\n" if self.live else bar.text(self.blocks) + "\n")
        self.file.flush()


class Cell:
    """A notebook's output, which the next replaces: the line, and the curve as a picture in the page's colours."""

    handle = None

    def show(self, bar):
        self.plain, self.html = bar.text(), _html(bar)
        if self.handle is None:
            from IPython.display import display
            self.handle = display(self, display_id=True)
        else:
            self.handle.update(self)

    def close(self, bar):
        pass

    def __repr__(self):
        return self.plain

    def _repr_html_(self):
        return self.html


def _html(bar):
    means = bar.losses.means(2 * CURVE)
    finite = [x for x in means if math.isfinite(x)]
    line = f'<code style="white-space:pre-wrap">{escape(bar.text(" " * 8)).rstrip()}</code>'
    if len(means) < 2 or not finite:
        return f"<div>{line}</div>"
    low, span = min(finite), max(finite) - min(finite) or 1.0
    places = [f"{480 * i / (len(means) - 1):.1f},{70 - 60 * (x - low) / span:.1f}" if math.isfinite(x) else ""
              for i, x in enumerate(means)]
    runs = " ".join(places).split("  ")     # between the gaps
    curves = "".join(f'<polyline points="{run.strip()} {run.split()[-1]}"/>' for run in runs if run.strip())
    return (f'<div>{line}<br><svg width="480" height="80" viewBox="-4 0 488 80" style="max-width:100%" fill="none" '
            f'stroke="currentColor" stroke-width="1.5" stroke-linecap="round" role="img" '
            f'aria-label="{escape(bar.label)}">{curves}</svg></div>')
