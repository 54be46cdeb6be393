"""Promise: the pages of docs/ are true where a test can tell: their snippets run as they stand, the gallery's pictures
are pictures, the drawings are what their script draws, and the site builds strictly, without another machine."""
import importlib.util
import linecache
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import fastgrad

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
SNIPPETS = {page: re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) for page, text in PAGES.items()}

pytestmark = pytest.mark.skipif(not (ROOT / "mkdocs.yml").exists(), reason="needs a checkout")


@pytest.mark.parametrize("page", [page for page, snippets in SNIPPETS.items() if snippets])
def test_a_page_s_snippets_run_as_they_stand(page, tmp_path, monkeypatch):
    if page == "loops.md" and fastgrad.backend != "c":
        pytest.skip("loops are the C engine's")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for i, snippet in enumerate(SNIPPETS[page]):
        name = f"docs/{page}, snippet {i + 1}"
        linecache.cache[name] = len(snippet), None, snippet.splitlines(True), name      # where fuse() finds its source
        exec(compile(snippet, name, "exec"), namespace)
        if snippet.startswith("# picture: "):
            text = str(namespace.pop("picture"))
            if ".html" in snippet.splitlines()[0]:
                assert text.lower().startswith("<!doctype html>") and "</script>" in text
                continue
            svg = ElementTree.fromstring(text)
            assert svg.tag == "{http://www.w3.org/2000/svg}svg" and len(list(svg.iter())) > 20


def test_most_pages_have_snippets():
    assert {"index.md", "learner.md", "teacher.md", "experimenter.md", "recipes.md", "gallery.md", "loops.md"} <= {
        page for page, snippets in SNIPPETS.items() if snippets}


def test_the_drawings_are_what_their_script_draws():
    spec = importlib.util.spec_from_file_location("draw", DOCS / "assets" / "draw.py")
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    for make in (draw.node, draw.slab, draw.stack, draw.events):
        path = DOCS / "assets" / f"{make.__name__}.svg"
        assert path.read_text(encoding="utf-8") == "\n".join([*make().parts, "</svg>", ""])
        ElementTree.parse(path)


def test_the_page_of_the_steps_quotes_them():
    """What the page shows as a step's code is in one of the steps, line by line."""
    steps = [path for path in (DOCS / "steps").iterdir() if path.suffix in (".py", ".c")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in steps)
    lines = {" ".join(line.split("/*")[0].split()) for line in code.splitlines()}
    quoted = re.findall(r"^```(?:py|c)\n(.*?)^```", PAGES["from_micrograd_to_c.md"], re.M | re.S)
    assert len(quoted) >= 5
    for line in "\n".join(quoted).splitlines():
        words = " ".join(line.split())
        assert any(words.rstrip(";") in known for known in lines), line


def build(folder):
    """Build the site, strictly. Returns the process; the site is in folder."""
    return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
                          cwd=ROOT, capture_output=True, encoding="utf-8",
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"})


def test_the_site_builds_strictly_and_has_all_pages(tmp_path):
    for module in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        if importlib.util.find_spec(module.split(".")[0]) is None:
            pytest.skip("needs pip install -e '.[docs]'")
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in PAGES:
        assert (tmp_path / page).with_suffix(".html").exists(), page
    value = (tmp_path / "api" / "value.html").read_text(encoding="utf-8")
    assert 'id="backward"' in value and "the derivative at 0 is 0" in value
    api = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "api").iterdir())
    for module in (fastgrad, fastgrad.functional, fastgrad.nn, fastgrad.optim, fastgrad.optim.lr_scheduler,
                   fastgrad.viz):
        for name in set(module.__all__) - {"Value", "backend", "__version__", "NONLINEARITIES", "lr_scheduler"}:
            assert re.search(rf'id="fastgrad\.[\w.]*\b{name}"', api), f"the pages of the API are without {name}"
    assert (tmp_path / "source" / "csrc" / "arena.h.html").exists()
    assert "__builtin_prefetch" in (tmp_path / "source" / "docs" / "steps" / "core.c.html").read_text(encoding="utf-8")
    assert (tmp_path / "pictures" / "neuron.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_build_fails_where_it_should(tmp_path):
    if importlib.util.find_spec("material") is None:
        pytest.skip("needs pip install -e '.[docs]'")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    validation = re.search(r"^validation:.*?(?=^\S)", settings, re.M | re.S)[0]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\nhooks: ['{(DOCS / 'hooks.py').as_posix()}']\n"
                                         "theme: {name: material, font: false}\n" + validation, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(
        "# x\n\n[a](nowhere.md) [b](../csrc/nowhere.h) [c](#nowhere) [d](../csrc/arena.h)\n\n"
        '<script src="https://example.org/x.js"></script>\n\n```python\n[e](nowhere_either.md)\n```\n',
        encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict"], cwd=tmp_path, capture_output=True,
                          encoding="utf-8", env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode != 0
    warnings = "\n".join(line for line in done.stderr.splitlines() if line.startswith("WARNING"))
    for words in ("'nowhere.md'", "'../csrc/nowhere.h'", "'#nowhere'", "another machine for https://example.org/x.js"):
        assert words in done.stderr, done.stderr
    assert "either" not in warnings and "arena.h'" not in warnings
