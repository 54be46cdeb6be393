"""viz.play: the steps that a page shows, and the page in a browser: keys, buttons, and an end that is backward()'s.

The browser is Chromium (tests/chromium.py); those tests are skipped where there's none.
"""
import json
import math
import os
import random
import re
import shutil
import subprocess
from html import unescape
from importlib import resources

import chromium
import pytest

import fastgrad
from fastgrad import viz


def diamond(Value):
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a
    c.label = "c"
    return c


def random_graph(Value, seed, n=40):
    rng = random.Random(seed)
    nodes = [Value(rng.choice([rng.uniform(-2, 2), rng.randrange(-3, 4)]), label=label) for label in ("", "x", "", "y")]
    for _ in range(n):
        a, b = rng.choice(nodes[-6:]), rng.choice(nodes)
        nodes.append(rng.choice([lambda: a + b, lambda: a * b, lambda: a - b, lambda: (a * 0.1).tanh(),
                                 lambda: a.relu(), lambda: a ** 2, lambda: a * 0.5 + a * 0.25])())
    return nodes[-1]


def end_of(page):
    """What the boxes show at the end, by item: {(item, 'data' or 'grad'): number as text}."""
    return {(item, what): exact for step in page.steps for item, what, exact, _ in step["set"]}


def grads_after_backward(root):
    """The grads that backward() leaves, in the order of the nodes' data, on grads of 0."""
    root.zero_grad()
    root.backward()
    return sorted((repr(v.data), repr(v.grad)) for v in root._topological())


# The steps

def test_the_diamond_in_slow_motion(Value):
    steps = viz.play(diamond(Value)).steps
    assert [(step["phase"], *step["lines"]) for step in steps] == [
        ("forward", "The leaves have their numbers.", "Each operation makes a new node of them."),
        ("forward", "v1 = a * b", "   = 2.0 * -3.0", "   = -6.0"),
        ("forward", "c = v1 + a", "  = -6.0 + 2.0", "  = -4.0"),
        ("backward", "c.grad = 1", "c changes with itself, 1 to 1. All other grads start as 0."),
        ("backward", "v1.grad += dc/dv1 * c.grad", "dc/dv1 = 1", "v1.grad = 0 + 1 * 1 = 1"),
        ("backward", "a.grad += dc/da * c.grad", "dc/da = 1", "a.grad = 0 + 1 * 1 = 1"),
        ("backward", "a.grad += dv1/da * v1.grad", "dv1/da = b = -3.0", "a.grad = 1 + -3.0 * 1 = -2.0"),
        ("backward", "b.grad += dv1/db * v1.grad", "dv1/db = a = 2.0", "b.grad = 0 + 2.0 * 1 = 2.0"),
        ("backward", "Done.",
         "Each grad says how fast c changes with that node: if it grew by a little h, c would grow by grad * h.")]
    assert steps[6]["adds"] == [[2, "v1", "-3.0", "-2.0"]] and steps[6]["set"] == [[2, "grad", "-2.0", "-2.0000"]]
    assert (steps[6]["at"], steps[6]["to"], steps[6]["edges"]) == (1, 2, [["2-1", 0], ["1", -1]])


def test_the_end_is_backward_s_to_the_bit(Value):
    for seed in range(30):
        root = random_graph(Value, seed)
        page = viz.play(root)
        end = end_of(page)
        shown = sorted((end[item, "data"], end.get((item, "grad"), "0")) for item, what in end if what == "data")
        assert shown == grads_after_backward(root), seed


def test_each_addition_has_its_own_step(Value):
    a = Value(3.0, label="a")
    page = viz.play(a * a * a)
    adds = [add for step in page.steps for add in step["adds"] if add[0] == page_item(page, "a")]
    assert [term for _, _, term, _ in adds] == ["9.0", "9.0", "9.0"] and adds[-1][3] == "27.0"
    copies = [step["edges"][0] for step in page.steps if step["lines"][0].startswith("a.grad += dv1")]
    assert [copy for _, copy in copies] == [0, 1] and copies[0][0] == copies[1][0]


def page_item(page, name):
    box = rf'data-(?:leaf|result)="(\d+)"><title>[^<]*</title>(?:<(?:rect|line)[^>]*>)+<text[^>]*>{name}<'
    return int(re.search(box, str(page))[1])


def test_playing_leaves_the_graph_as_it_was(engine):
    root = random_graph(engine.Value, 1)
    root.backward()
    root.backward()     # so that all grads are others than those of the steps
    before, live = [(v, v.data, v.grad) for v in root._topological()], engine.arena_stats()["live"]
    page = viz.play(root, max_nodes=7)
    assert [(v, v.data, v.grad) for v in root._topological()] == before
    assert all(type(v.grad) is type(grad) for v, _, grad in before)
    assert page.steps == viz.play(random_graph(engine.Value, 1), max_nodes=7).steps     # of one without grads
    del page
    assert engine.arena_stats()["live"] == live


def test_a_backward_of_the_user_s_own(Value):
    x, calls = Value(2.0, label="x"), []
    out = Value(8.0, (x,), "cube")
    out.label = "out"

    def _backward():
        calls.append(1)
        x.grad += 3 * x.data ** 2 * out.grad
    out._backward = _backward
    page = viz.play(out * x)
    own, = [step for step in page.steps if "calls its own _backward()" in step["lines"][0]]
    assert own["lines"] == ["out calls its own _backward()", "x.grad: 8.0, then 32.0"] and calls == [1]
    assert own["adds"] == [[own["to"], "out", "24.0", "32.0"]] and (x.grad, out.grad) == (0, 0)


def test_a_backward_that_adds_elsewhere(Value):
    x, hidden = Value(2.0, label="x"), Value(1.0, label="y")
    out = Value(8.0, (x,), "odd") + hidden

    def _backward():
        hidden.grad += 5.0
    out._operands[0]._backward = _backward
    end = end_of(viz.play(out))
    assert "6.0" in end.values() and hidden.grad == 0


def test_a_backward_that_raises_loses_nothing(Value):
    x = Value(2.0)
    out = Value(1.0, (x,), "bad")
    x.grad, out.grad = 7.0, 5.0

    def _backward():
        raise RuntimeError("mine")
    out._backward = _backward
    with pytest.raises(RuntimeError, match="mine"):
        viz.play(out)
    assert (x.grad, out.grad) == (7.0, 5.0)


def test_numbers_that_json_does_not_have(Value):
    page = viz.play(Value(math.inf) * 0.0 + math.nan)
    steps = json.loads(re.search(r'id="steps">(.*?)</script>', str(page), re.S)[1])
    assert steps == page.steps and {"inf", "nan", "1"} <= {exact for step in steps for *_, exact, _ in step["set"]}


def test_data_that_was_assigned_since_is_mentioned(Value):
    a = Value(2.0, label="a")
    out = a * 3.0
    a.data = 5.0
    step = viz.play(out).steps[1]
    assert step["lines"][-1].endswith("assigned to .data since: of the numbers as they are now it would be 15.0.)")


def test_names(Value):
    x, y = Value(1.0, label="v1"), Value(2.0, label="x + y")
    lines = [line for step in viz.play(x * y + 1.0).steps for line in step["lines"]]
    assert "v2 = v1 * (x + y)" in lines       # v1 is taken
    assert "dv2/dv1 = (x + y) = 2.0" in lines
    assert "(x + y).grad += dv2/d(x + y) * v2.grad" in lines


# Large graphs

def test_large_graphs_are_collapsed_and_cut(Value):
    x = [Value(float(i), label=f"x{i}") for i in range(3)]
    out = sum((Value(0.01) * xi for _ in range(50) for xi in x), Value(0.0)).tanh()
    page = viz.play(out)
    assert "sum of 151 terms, 150 products" in str(page)
    end = end_of(page)
    out.backward()
    assert end[page_item(page, "x1"), "grad"] == repr(x[1].grad) and x[1].grad != 0
    steps = [step for step in page.steps if step["to"] == page_item(page, "x1")]
    assert len(steps) == 50 and {step["at"] for step in steps} == {1}       # the sum's item
    assert all(re.fullmatch(r"\(v\d+ is within v\d+ = sum of 151 terms, 150 products.\)", step["lines"][-1])
               for step in steps)
    cut = viz.play(random_graph(Value, 3, 600), max_nodes=50)
    assert "more nodes below" in str(cut) and "isn't shown is computed too" in cut.steps[0]["lines"][2]


def test_what_many_hidden_nodes_add_is_summed_up(Value):
    x = Value(1.5, label="x")
    out = x.tanh()
    for _ in range(3000):
        out = out + (x * 0.5).tanh()
    page = viz.play(out + x, max_nodes=4, collapse=False)
    assert len(page.steps) < 20 and "Nodes that aren't shown add " in str(page)
    end = end_of(page)
    (out + x).backward()
    assert end[page_item(page, "x"), "grad"] == repr(x.grad)


def test_deep_graphs(Value):
    v = Value(0.5)
    for _ in range(20_000):
        v = v.tanh()
    assert len(viz.play(v, max_nodes=10).steps) < 40


@pytest.mark.parametrize("options, error", [({"max_nodes": 0}, ValueError), ({"depth": "x"}, TypeError)])
def test_wrong_options(Value, options, error):
    with pytest.raises(error):
        viz.play(Value(1.0), **options)
    with pytest.raises(TypeError, match="root must be a Value"):
        viz.play(3.0)


# The page

def test_a_page_needs_nothing_else(Value, tmp_path):
    page = viz.play(diamond(Value))
    page.save(tmp_path / "play.html")
    text = (tmp_path / "play.html").read_text(encoding="utf-8")
    assert text == str(page) and text.startswith("<!doctype html>")
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|fetch\(|import\s*\(""", text)
    links = re.findall(r"https?://[^\s\"'<]+", text)
    assert set(links) == {"http://www.w3.org/2000/svg"}     # a name, not a place
    assert "Page of 9 steps" in repr(page)
    for name in ("play.gif", "play.html.png"):
        with pytest.raises(ValueError, match=r"a page's file is \.html, not \.(gif|png)"):
            page.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["play.html"]


def test_a_notebook_shows_it_in_a_frame(Value):
    page = viz.play(diamond(Value))
    html = page._repr_html_()
    assert unescape(re.search('<iframe srcdoc="([^"]*)"', html)[1]) == str(page)
    assert re.search('<img src="(.*?)"', html)[1] in viz.draw_svg(diamond(Value))._repr_html_()   # if it isn't trusted


def test_labels_are_shown_as_they_are(Value):
    label = "</script><b>&"
    page = viz.play(Value(1.0, label=label) * 2.0)
    assert label not in str(page) and str(page).count("</script>") == 3
    steps = json.loads(re.search(r'id="steps">(.*?)</script>', str(page), re.S)[1])
    assert any(label in line for step in steps for line in step["lines"])


def test_the_page_s_logic_without_a_browser(Value, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node isn't installed")
    script = resources.files("fastgrad.drawing").joinpath("play.js").read_text(encoding="utf-8")
    (tmp_path / "play.cjs").write_text(script, encoding="utf-8")
    page = viz.play(random_graph(Value, 5))
    (tmp_path / "steps.json").write_text(json.dumps(page.steps))
    program = ("const {numbersAt, flowsInto} = require('./play.cjs'), steps = require('./steps.json');"
               "console.log(JSON.stringify(steps.map((_, i) => [numbersAt(steps, i), flowsInto(steps, i, 3)])))")
    shown = json.loads(subprocess.run(["node", "-e", program], cwd=tmp_path, check=True, text=True,
                                      stdout=subprocess.PIPE).stdout)
    numbers, flows = {}, []
    for step, (at, into) in zip(page.steps, shown):
        numbers.update({f"{item} {what}": [exact, text] for item, what, exact, text in step["set"]})
        flows += [add[1:] for add in step["adds"] if add[0] == 3]
        assert at == numbers and into == flows


# In a browser

@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.PATH is None or os.name != "posix":
        pytest.skip("Chromium isn't installed")
    try:
        browser = chromium.Chromium(tmp_path_factory.mktemp("profile"))
    except (RuntimeError, OSError) as error:        # such as a stand-in that asks to install it
        pytest.skip(f"{chromium.PATH} doesn't start: {error}")
    with browser:
        yield browser


def press(browser, key, times=1):
    for _ in range(times):
        browser.key(key, text=" " if key == " " else "")


SHOWN = """[...document.querySelectorAll('[data-grad-is]')].map(box => [box.getAttribute('data-data-is'),
box.getAttribute('data-grad-is'), ...[...box.querySelectorAll('text')].slice(-2).map(text => text.textContent)])"""


def at(browser):
    return int(browser.value("document.body.getAttribute('data-step')"))


def test_keys_lead_to_the_end_of_backward(browser, tmp_path):
    root = random_graph(fastgrad.Value, 7, 12)
    page = viz.play(root)
    page.save(tmp_path / "play.html")
    browser.open((tmp_path / "play.html").as_uri())
    assert at(browser) == 0 and "..." in browser.value(SHOWN)[0][2]
    press(browser, "ArrowRight", len(page.steps) + 3)
    assert at(browser) == len(page.steps) - 1
    shown = browser.value(SHOWN)
    assert sorted((data, grad) for data, grad, *_ in shown) == grads_after_backward(root)
    assert all(texts == [f"data {viz.number(float(data))}", f"grad {viz.number(float(grad))}"]
               for data, grad, *texts in shown)
    press(browser, "Home")
    assert at(browser) == 0 and {grad for _, grad, *_ in browser.value(SHOWN)} == {"0"}
    press(browser, "End")
    assert at(browser) == len(page.steps) - 1
    press(browser, "ArrowLeft", 2)
    assert at(browser) == len(page.steps) - 3
    assert browser.value("document.getElementById('head').textContent") == page.steps[-3]["lines"][0]


def test_buttons_slider_and_play(browser, tmp_path):
    page = viz.play(diamond(fastgrad.Value))
    page.save(tmp_path / "play.html")
    browser.open((tmp_path / "play.html").as_uri())
    for name, step in [("next", 1), ("next", 2), ("back", 1), ("last", 8), ("first", 0)]:
        browser.value(f"document.getElementById('{name}').click()")
        assert at(browser) == step
    browser.value("const slider = document.getElementById('slider'); slider.value = 6; "
               "slider.dispatchEvent(new Event('input'))")
    assert at(browser) == 6
    assert browser.value("document.getElementById('flows').innerText").split() == \
        "+= 1 from c = 1 += -3.0 from v1 = -2.0".split()
    assert browser.value("document.querySelector('.pill text').textContent") == "-3.0"
    assert browser.value("document.querySelectorAll('path[data-mark]').length") == 2
    press(browser, "Home")
    press(browser, " ")
    assert browser.value("document.getElementById('play').textContent") == "Pause"
    browser.value("new Promise(done => setTimeout(done, 1500))")
    assert at(browser) == 1
    press(browser, " ")
    assert browser.value("document.getElementById('play').textContent") == "Play"


def test_a_page_without_scripts_shows_an_image(browser, tmp_path):
    """As notebooks do that aren't trusted: they leave out scripts, frames, and pictures as SVG."""
    v = diamond(fastgrad.Value)
    (tmp_path / "drawing.html").write_text(f"<body>{viz.draw_svg(v)._repr_html_()}")
    browser.open((tmp_path / "drawing.html").as_uri())
    assert browser.value("[document.images.length, document.querySelectorAll('svg').length]") == [0, 1]
    size = "(e => [e.getBoundingClientRect().width, e.getBoundingClientRect().height])(document.querySelector({}))"
    drawn = browser.value(size.format("'svg'"))
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.ask("Page.reload")
        browser.wait("document.readyState === 'complete' && document.images.length === 1")
        browser.wait("document.images[0].complete")
        assert browser.value(size.format("'img'")) == drawn and drawn[0] > 100
        assert browser.value("document.querySelectorAll('svg').length") == 0
        if folder := os.environ.get("FASTGRAD_PICTURES"):
            browser.picture(os.path.join(folder, "image.png"))
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("run", ["old.replaceWith(made)", "box.appendChild(made).remove()"])
def test_front_ends_that_run_scripts_themselves(browser, tmp_path, run):
    """Jupyter puts a new script in the place of an output's; VS Code appends it to the output, and removes it."""
    (tmp_path / "page.html").write_text("<body><div></div>")
    browser.open((tmp_path / "page.html").as_uri())
    browser.value(f"""(box => {{
        box.innerHTML = {json.dumps(viz.draw_svg(diamond(fastgrad.Value))._repr_html_())};
        for (const old of Array.from(box.querySelectorAll("script"))) {{
            const made = document.createElement("script");
            made.textContent = old.textContent;
            {run};
        }} }})(document.querySelector("div"))""")
    assert browser.value("[document.images.length, document.querySelectorAll('svg').length]") == [0, 1]
    whole = browser.value("document.querySelector('svg').getAttribute('viewBox')")
    browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=60, y=60, deltaX=0, deltaY=-200, modifiers=2)
    browser.wait(f"document.querySelector('svg').getAttribute('viewBox') !== '{whole}'", 5)


def test_a_drawing_zooms_and_comes_back(browser, tmp_path):
    viz.draw_svg(diamond(fastgrad.Value)).save(tmp_path / "drawing.svg")
    (tmp_path / "drawing.html").write_text(f"<body>{viz.draw_svg(diamond(fastgrad.Value))._repr_html_()}")
    for name, alone in [("drawing.svg", True), ("drawing.html", False)]:
        browser.open((tmp_path / name).as_uri())
        whole = browser.value("document.querySelector('svg').getAttribute('viewBox')")
        browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=60, y=60, deltaX=0, deltaY=-200)
        browser.value("new Promise(done => setTimeout(done, 100))")
        assert (browser.value("document.querySelector('svg').getAttribute('viewBox')") != whole) == alone
        browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=60, y=60, deltaX=0, deltaY=-200, modifiers=2)
        browser.value("new Promise(done => setTimeout(done, 100))")
        shown = browser.value("document.querySelector('svg').getAttribute('viewBox')")
        left, top, width, height = map(float, shown.split())
        assert width < float(whole.split()[2]) and left > 0 and width / height == pytest.approx(
            float(whole.split()[2]) / float(whole.split()[3]))
        browser.value("document.querySelector('svg').dispatchEvent(new MouseEvent('dblclick'))")
        browser.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": 50, "y": 50}, {"x": 70, "y": 50}])
        browser.ask("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": 40, "y": 50}, {"x": 80, "y": 50}])
        browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        browser.value("new Promise(done => setTimeout(done, 100))")
        pinched = browser.value("document.querySelector('svg').getAttribute('viewBox')").split()
        assert float(pinched[2]) == pytest.approx(float(whole.split()[2]) / 2)
        browser.value("document.querySelector('svg').dispatchEvent(new MouseEvent('dblclick'))")
        shown = browser.value("document.querySelector('svg').getAttribute('viewBox')")
        assert list(map(float, shown.split())) == list(map(float, whole.split()))
