"""fastgrad.progress: a loop goes on as without it; what terminals, files, notebooks and tqdm show of it."""
import io
import math
import sys
import types

import pytest

import fastgrad
from fastgrad.drawing import progress as module


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: clock.now, in seconds."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock.now)
    return clock


def shown(file):
    """What a terminal showed, one after the other."""
    return [line.rstrip() for line in file.getvalue().replace("\n", "").split("\r")[1:]]


def test_a_loop_goes_on_as_without_it():
    for items in ([3, 1, 2], range(5), "abc", {}, {1: 2}):
        assert list(fastgrad.progress(items, tqdm=False, file=io.StringIO())) == list(items)
    assert list(fastgrad.progress((x for x in (4, 5)), tqdm=False, file=io.StringIO())) == [4, 5]
    assert len(fastgrad.progress([1, 2], tqdm=False, file=io.StringIO())) == 2
    with pytest.raises(TypeError, match="give total"):
        len(fastgrad.progress((x for x in [1]), tqdm=False, file=io.StringIO()))


def test_a_line_in_a_terminal(Value, clock):
    file = Terminal()
    bar = fastgrad.progress(range(4), tqdm=False, file=file)
    for step in bar:
        clock.now += 0.5
        bar(Value(4.0 - step))
    assert shown(file) == [
        "0/4    0%", "0/4    0%  loss 4", "1/4   25%  loss 3  1 steps/s  3.0 s left  █▁",
        "2/4   50%  loss 2  1.3 steps/s  1.5 s left  █▅▁", "3/4   75%  loss 1  1.5 steps/s  0.7 s left  █▆▃▁",
        "4/4  100%  loss 1  2 steps/s  2.0 s  █▆▃▁"]
    assert file.getvalue().endswith("\n") and file.getvalue().count("\n") == 1
    bar.close()
    assert file.getvalue().count("\n") == 1


def test_a_line_covers_the_one_before(clock, monkeypatch):
    file = Terminal()
    for step in (bar := fastgrad.progress(range(30), tqdm=False, file=file)):
        clock.now += 0.5
        bar(123456.0 if step < 20 else 1)
    lines = file.getvalue().rstrip("\n").split("\r")[1:]
    assert all(len(line) >= len(before.rstrip()) for before, line in zip(lines, lines[1:]))
    monkeypatch.setenv("COLUMNS", "20")
    assert all(len(line) < 20 for line in narrow_lines())


def narrow_lines():
    file = Terminal()
    for _ in (bar := fastgrad.progress(range(100), tqdm=False, file=file)):
        bar(1.0)
    return shown(file)


def test_it_is_not_written_at_each_step(clock):
    file = Terminal()
    for _ in (bar := fastgrad.progress(range(1000), tqdm=False, file=file)):
        clock.now += 0.001
        bar(1.0)
    assert 10 <= len(shown(file)) <= 13


def test_a_file_gets_one_line(clock):
    file = io.StringIO()
    for _ in (bar := fastgrad.progress(range(2000), tqdm=False, label="error", file=file)):
        clock.now += 3
        bar(math.nan)
    assert file.getvalue() == "2,000/2,000  100%  error nan  0.33 steps/s  1 h 40 min\n"


def test_a_length_that_is_not_known():
    file = io.StringIO()
    for _ in fastgrad.progress((x for x in range(3)), tqdm=False, file=file):
        pass
    assert file.getvalue().startswith("3  ") and "%" not in file.getvalue()
    assert "3/6" in finished(iter(range(3)), total=6)
    assert finished([]).startswith("0/0")


def finished(items, **options):
    file = io.StringIO()
    list(fastgrad.progress(items, tqdm=False, file=file, **options))
    return file.getvalue()


def test_after_break_and_errors_the_line_ends():
    for leave in (lambda bar: None, lambda bar: bar.close(), lambda bar: bar.__exit__(None, None, None)):
        file = io.StringIO()
        bar = fastgrad.progress(range(5), tqdm=False, file=file)
        for step in bar:
            if step == 2:
                break
        leave(bar)
        del bar
        assert file.getvalue().startswith("2/5   40%") and file.getvalue().count("\n") == 1

    def broken():
        yield 1
        raise RuntimeError("mine")
    file = io.StringIO()
    with pytest.raises(RuntimeError, match="mine"):
        list(fastgrad.progress(broken(), tqdm=False, file=file))
    assert file.getvalue().startswith("1  ")


def test_the_curve():
    assert module.curve([1.0, 2.0, 3.0, math.nan, math.inf, 8.0]) == "▁▂▃  █"
    assert module.curve([1.0, 1.0]) == "▁▁" and module.curve([1.0]) == module.curve([math.nan] * 3) == ""
    assert module.curve([0.0, 1.0], module.ASCII) == "_@"


def test_losses_are_kept_as_means():
    losses = module.Losses()
    for i in range(1000):
        losses.add(float(i))
    means = losses.means(32)
    assert len(means) <= 32 and means == sorted(means) and len(losses._sums) <= 64
    assert means[0] == pytest.approx(15.5) and means[-1] > 970
    few = module.Losses()
    for x in (1.0, math.nan, 3.0):
        few.add(x)
    assert [repr(x) for x in few.means(32)] == ["1.0", "nan", "3.0"]


def test_an_old_terminal_gets_ascii(clock):
    file = Terminal()
    file.encoding = "ascii"
    for step in (bar := fastgrad.progress(range(3), tqdm=False, file=file)):
        clock.now += 1
        bar(step)
    assert file.getvalue().isascii() and "_=@" in file.getvalue()


@pytest.mark.parametrize("call, kind, error", [
    (lambda: fastgrad.progress(3), TypeError, r"not 'int': write range\(3\)"),
    (lambda: fastgrad.progress([1], total=-1), ValueError, "total must be at least 0, not -1"),
    (lambda: fastgrad.progress([1], total="x"), TypeError, "total must be an int"),
    (lambda: fastgrad.progress([1], tqdm=False, file=io.StringIO())("x"), TypeError, "loss must be a number, not 's"),
    (lambda: fastgrad.progress([1], tqdm=False, file=io.StringIO())(None), TypeError, "loss must be a number, not"),
])
def test_what_it_refuses(call, kind, error):
    with pytest.raises(kind, match=error):
        call()


# Notebooks

def test_a_notebook_s_cell(monkeypatch, clock):
    pytest.importorskip("IPython")
    import IPython
    import IPython.display
    updates, handle = [], types.SimpleNamespace()
    handle.update = lambda cell: updates.append((repr(cell), cell._repr_html_()))
    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", lambda cell, display_id: handle)
    for step in (bar := fastgrad.progress(range(5), tqdm=False, label="<loss>")):
        clock.now += 1
        bar(math.nan if step == 2 else step)
    text, html = updates[-1]
    assert text == "5/5  100%  <loss> 4  1 steps/s  5.0 s  ▁▃ ▇█"
    assert "&lt;loss&gt; 4" in html and "<loss>" not in html
    assert html.count("<polyline") == 2 and "currentColor" in html and " id=" not in html and len(updates) < 15
    assert "▁" not in html      # the curve is a picture there


# tqdm

def test_tqdm_shows_it_where_it_is_installed(monkeypatch, clock):
    calls = []

    class Bar:
        def __init__(self, **options):
            self.n = 0
            calls.append(options)

        def set_postfix_str(self, text, refresh):
            calls.append(text)

        def update(self, n):
            self.n += n

        def refresh(self):
            pass

        def close(self):
            calls.append(self.n)
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    file = io.StringIO()
    for step in (bar := fastgrad.progress(range(3), file=file)):
        clock.now += 1
        bar(step)
    assert calls[0]["total"] == 3 and calls[0]["file"] is file
    assert calls[-2:] == ["loss 2  ▁▅█", 3] and file.getvalue() == ""


def test_the_real_tqdm():
    pytest.importorskip("tqdm")
    file = io.StringIO()
    for step in (bar := fastgrad.progress(range(3), tqdm=True, file=file)):
        bar(step / 2)
    last = file.getvalue().split("\r")[-1]
    assert "100%" in last and "3/3" in last and "loss 1  ▁▅█" in last


def test_tqdm_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="needs tqdm: pip install tqdm"):
        fastgrad.progress([1], tqdm=True)
    file = io.StringIO()
    list(fastgrad.progress([1], file=file))
    assert file.getvalue().startswith("1/1")
