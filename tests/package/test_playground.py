"""Promise: docs/playground is a page on which a reader changes a snippet and runs it, in a browser, with nothing but
what its build.py puts into a folder.

The snippets run here, too. The rest needs Pyodide, in the folder that FASTGRAD_PYODIDE names (`npm install pyodide`
makes node_modules/pyodide), and for the page a Chromium:

    FASTGRAD_PYODIDE=node_modules/pyodide pytest -m long tests/package/test_playground.py

FASTGRAD_PICTURES names a folder for pictures of the page.
"""
import contextlib
import html
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from chromium import PATH, Chromium

from fastgrad import viz

PLAYGROUND = Path(__file__).resolve().parents[2] / "docs" / "playground"
RUNTIME = os.environ.get("FASTGRAD_PYODIDE")

pytestmark = pytest.mark.skipif(not PLAYGROUND.exists(), reason="needs a checkout")
has_runtime = pytest.mark.skipif(not RUNTIME, reason="FASTGRAD_PYODIDE doesn't name a folder with Pyodide")
has_browser = pytest.mark.skipif(PATH is None, reason="there is no Chromium")


def script(attribute):
    """The text of the scripts of the page that have an attribute, by its value."""
    text = (PLAYGROUND / "index.html").read_text(encoding="utf-8")
    found = re.findall(rf'<script[^>]*\b{attribute}="([^"]*)"[^>]*>\n(.*?)</script>', text, re.S)
    return {html.unescape(name): body for name, body in found}


def run_as_the_page_does(source):
    """(whether it went well, [(kind, content)]) of a snippet in the Python that is around it on the page."""
    shown, printed = [], io.StringIO()
    names = {"show": lambda kind, content: shown.append((kind, content))}
    exec(script("id")["around"], names)
    with contextlib.redirect_stdout(printed):
        went_well = names["run"](source)
    return went_well, shown, printed.getvalue()


def test_the_snippets_run():
    snippets = script("data-title")
    assert len(snippets) == 5
    for title, source in snippets.items():
        if "viz.play" in source and not hasattr(viz, "play"):
            continue
        went_well, shown, printed = run_as_the_page_does(source)
        assert went_well == (title != "A nan, and the line that made it"), shown
        assert printed or shown


def test_what_is_shown():
    assert run_as_the_page_does("1 + 1") == (True, [("text", "2\n")], "")
    assert run_as_the_page_does("x = 1; None; print(x)")[1:] == ([], "1\n")
    assert run_as_the_page_does("raise SystemExit") == (True, [], "")
    went_well, [(kind, content)], _ = run_as_the_page_does(
        "from fastgrad import Value, viz\nviz.draw_svg(Value(1.0, label='here') * 2)")
    assert went_well and kind == "picture" and content.startswith("<svg") and "here" in content
    went_well, [(kind, content)], _ = run_as_the_page_does("def f():\n    return 1 / 0\n\nf()")
    assert (went_well, kind) == (False, "error")
    assert content.splitlines()[1:3] == ['  File "your program", line 4, in <module>', "    f()"]
    assert content.endswith("ZeroDivisionError: division by zero\n")
    went_well, [(kind, content)], _ = run_as_the_page_does("a = (1,\nb = 2")
    assert not went_well and 'File "your program", line' in content and "SyntaxError" in content


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that build.py makes, and its module."""
    spec = importlib.util.spec_from_file_location("playground_build", PLAYGROUND / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("site")
    module.build(folder, Path(RUNTIME))
    return module, folder


IN_NODE = """
import { readFileSync } from "node:fs";
const site = process.argv[2];
const { loadPyodide } = await import(site + "/pyodide/pyodide.mjs");
const pyodide = await loadPyodide();
pyodide.unpackArchive(new Uint8Array(readFileSync(site + "/fastgrad.whl")), "wheel");
try {
  for (const program of JSON.parse(readFileSync(0, "utf8"))) pyodide.runPython(program);
  console.log(pyodide.runPython("import fastgrad; fastgrad.backend"));
} catch (error) {
  console.log(error.message);
  process.exit(1);
}
"""


@pytest.mark.long
@has_runtime
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_pure_wheel_in_pyodide(site, tmp_path):
    """The README's examples, and micrograd's numbers, in the Python that browsers have."""
    (tmp_path / "run.mjs").write_text(IN_NODE)
    readme = (PLAYGROUND.parents[1] / "README.md").read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S))
    examples = ("import linecache\nsource = " + repr(examples) +
                "\nlinecache.cache['README.md'] = len(source), None, source.splitlines(True), 'README.md'"
                "\nexec(compile(source, 'README.md', 'exec'), {'__name__': '__main__'})")
    lesson = ("from fastgrad import Value\na, b = Value(-4.0), Value(2.0)\nc = a + b\nd = a * b + b**3\n"
              "c += c + 1\nc += 1 + c + (-a)\nd += d * 2 + (b + a).relu()\nd += 3 * d + (b - a).relu()\n"
              "e = c - d\nf = e**2\ng = f / 2.0\ng += 10.0 / f\ng.backward()\n"
              "assert (f'{g.data:.4f}', f'{a.grad:.4f}', f'{b.grad:.4f}') == ('24.7041', '138.8338', '645.5773')")
    done = subprocess.run(["node", tmp_path / "run.mjs", site[1]], input=json.dumps([lesson, examples]),
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-1000:]
    assert done.stdout.splitlines()[-1] == "python"


@pytest.fixture
def page(site, tmp_path):
    """The page in a browser, ready to run."""
    module, folder = site
    with module.server(folder, 0) as web, Chromium(str(tmp_path)) as browser:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{web.server_port}/")
        browser.wait("document.body && document.body.dataset.state === 'ready'", 120)
        yield browser
        web.shutdown()
        assert not browser.errors


def run_on_the_page(browser, source=None):
    """Type a program, unless there is one, and run it by a click; returns what the page shows."""
    if source is not None:
        browser.click("#code")
        browser.type(source)
    browser.click("#run")
    browser.wait("document.body.dataset.state === 'ready'", 120)
    return browser.value("document.querySelector('#output').innerText")


@pytest.mark.long
@has_runtime
@has_browser
def test_the_page_in_a_browser(page):
    assert "o = 0.7071;  by w1 it changes by 1.00, by x1 by -1.50" in run_on_the_page(page)
    labels = page.value("[...document.querySelectorAll('#output svg text')].map(t => t.textContent)")
    assert {"x1", "w1", "b", "tanh", "o"} <= {word for label in labels for word in label.split()}
    if folder := os.environ.get("FASTGRAD_PICTURES"):
        page.picture(os.path.join(folder, "playground.png"))

    changed = page.value("document.querySelector('#code').value").replace("Value(2.0, label='x1')",
                                                                          "Value(3.0, label='x1')")
    assert "o = -0.9715" in run_on_the_page(page, changed)

    assert "ZeroDivisionError" in run_on_the_page(page, "from fastgrad import Value\nprint('before')\nValue(0.0) ** -1")
    assert page.value("document.querySelector('#output .error').textContent").count("your program\", line 3")
    assert page.value("document.querySelector('#status').textContent").startswith("Ended by an error")

    page.click("#code")
    page.type("print('no end of line', end='')")
    page.key("Enter", 13, modifiers=2)
    page.wait("document.querySelector('#output').innerText === 'no end of line'")

    page.wait("document.body.dataset.state === 'ready'")
    page.click("#code")
    page.type("for i in range(2):\n")
    page.key("Tab", 9)
    assert page.value("document.querySelector('#code').value") == "for i in range(2):\n    "


@pytest.mark.long
@has_runtime
@has_browser
def test_stop_ends_a_program_that_doesn_t(page):
    page.click("#code")
    page.type("print('on')\nwhile True:\n    pass")
    page.click("#run")
    page.wait("document.querySelector('#output').innerText.includes('on')")
    page.click("#stop")
    page.wait("document.body.dataset.state === 'ready'", 120)
    assert "2" in run_on_the_page(page, "1 + 1")


@pytest.mark.long
@has_runtime
@has_browser
@pytest.mark.skipif(not hasattr(viz, "play"), reason="viz.play isn't there")
def test_stepping_through_backward_on_the_page(page):
    page.value("document.querySelector('#example').value = 'Step by step through backward()'; "
               "document.querySelector('#example').onchange()")
    run_on_the_page(page)
    assert page.value("document.querySelectorAll('#output iframe').length") == 1
    if folder := os.environ.get("FASTGRAD_PICTURES"):
        page.picture(os.path.join(folder, "play.png"))
