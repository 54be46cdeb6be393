"""Drawings: what they show, of graphs of any size, on both engines; that boxes don't overlap; and plots."""
import math
import os
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import pytest

import fastgrad
from fastgrad import viz
from fastgrad.drawing import layout
from fastgrad.drawing import svg as svg_module

SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = [lambda v, **options: viz.draw_dot(v, **options).source,
            lambda v, **options: str(viz.draw_svg(v, **options)), viz.draw_text]


@pytest.fixture(params=DRAWINGS, ids=["dot", "svg", "text"])
def draw(request):
    """A function that draws in one of the three ways and gives the text of the drawing."""
    if request.param is DRAWINGS[0]:
        pytest.importorskip("graphviz")
    return request.param


def neuron(Value):
    """The lecture's."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1, x2w2 = x1 * w1, x2 * w2
    x1w1.label, x2w2.label = "x1w1", "x2w2"
    both = x1w1 + x2w2
    both.label = "x1w1 + x2w2"
    n = both + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    o.backward()
    return o


def chain(Value, length):
    v = Value(1.0)
    for _ in range(length):
        v = v.tanh()
    return v


def products(Value, n):
    return sum(Value(float(i)) * Value(2.0) for i in range(n))


def random_graph(Value, n, seed):
    rng = random.Random(seed)
    nodes = [Value(rng.uniform(-9, 9), label=rng.choice(["", "x", "weight"])) for _ in range(4)]
    while len(nodes) < n:
        kind = rng.randrange(5)
        if kind == 0:
            nodes.append(Value(rng.choice([1, -3.25, 1e30, math.nan]), label=rng.choice(["", "a rather long label"])))
        elif kind == 1:
            op = rng.choice(["", "op", "my own op"])
            nodes.append(Value(1.0, rng.choices(nodes[-8:], k=rng.randrange(1, 6)), op))
        else:
            nodes.append(rng.choice(nodes[-6:]) + rng.choice(nodes))
    return Value(0.0, nodes[-3:], "end")


# What they show

def test_trace_is_the_lecture_s(Value):
    a, b = Value(2.0), Value(3.0)
    c = a * b
    d = c + a
    assert viz.trace(d) == ({a, b, c, d}, {(a, c), (b, c), (c, d), (a, d)})
    assert viz.trace(a) == ({a}, set())
    nodes, edges = viz.trace(chain(Value, 20_000))
    assert (len(nodes), len(edges)) == (20_001, 20_000)


def test_draw_dot_of_the_lecture_s_neuron(Value):
    graphviz = pytest.importorskip("graphviz")
    dot = viz.draw_dot(neuron(Value))
    assert isinstance(dot, graphviz.Digraph) and dot.format == "svg"
    assert "rankdir=LR" in dot.source and viz.draw_dot(neuron(Value), "png", "TB").format == "png"
    labels = {name: label.strip('"') for name, label in re.findall(r'^\t(\w+) \[label=(".*?"|\S+) ', dot.source, re.M)}
    records = {name: label for name, label in labels.items() if label.startswith("{")}
    assert sorted(records.values()) == sorted(
        f"{{ {label} | data {data:.4f} | grad {grad:.4f} }}" for label, data, grad in [
            ("x1", 2, -1.5), ("w1", -3, 1), ("x2", 0, 0.5), ("w2", 1, 0), ("b", 6.8814, 0.5), ("x1w1", -6, 0.5),
            ("x2w2", 0, 0.5), ("x1w1 + x2w2", -6, 0.5), ("n", 0.8814, 0.5), ("o", 0.7071, 1)])
    assert sorted(label for name, label in labels.items() if name not in records) == ["*", "*", "+", "+", "tanh"]
    assert dot.source.count("shape=record style=filled]") == 5      # leaves; results are rounded
    assert dot.source.count('shape=record style="filled,rounded"]') == 5
    assert len(labels) == 15 and len(re.findall("->", dot.source)) == 14
    named = {name: label.split(" | ")[0][2:] for name, label in records.items()}
    edges = re.findall(r"^\t(\w+) -> (\w+)$", dot.source, re.M)
    op, = [a for a, b in edges if named.get(b) == "x1w1"]
    assert labels[op] == "*" and [named[a] for a, b in edges if b == op] == ["x1", "w1"]


def test_draw_text_of_the_lecture_s_neuron(Value):
    assert viz.draw_text(neuron(Value)) == """\
o | data 0.7071 | grad 1.0000 | tanh
└─ n | data 0.8814 | grad 0.5000 | +
   ├─ x1w1 + x2w2 | data -6.0000 | grad 0.5000 | +
   │  ├─ x1w1 | data -6.0000 | grad 0.5000 | *
   │  │  ├─ x1 | data 2.0000 | grad -1.5000
   │  │  └─ w1 | data -3.0000 | grad 1.0000
   │  └─ x2w2 | data 0.0000 | grad 0.5000 | *
   │     ├─ x2 | data 0.0000 | grad 0.5000
   │     └─ w2 | data 1.0000 | grad 0.0000
   └─ b | data 6.8814 | grad 0.5000"""


def test_draw_text_shows_shared_nodes_once(Value):
    a = Value(3.0, label="a")
    b = a + 1
    assert viz.draw_text(b * b * a) == """\
data 48.0000 | grad 0.0000 | *
├─ data 16.0000 | grad 0.0000 | *
│  ├─ #1 data 4.0000 | grad 0.0000 | +
│  │  ├─ #2 a | data 3.0000 | grad 0.0000
│  │  └─ data 1.0000 | grad 0.0000
│  └─ #1, as above
└─ #2 a, as above"""


def words(svg):
    return [text.text for text in ElementTree.fromstring(str(svg)).iter(SVG + "text")]


def test_draw_svg_of_the_lecture_s_neuron(Value):
    shown = words(viz.draw_svg(neuron(Value)))
    assert shown.count("+") == shown.count("*") == 2 and shown.count("tanh") == 1
    assert {"x1", "w1", "x2", "w2", "b", "x1w1", "x2w2", "x1w1 + x2w2", "n", "o", "data 0.7071", "grad -1.5000"} \
        <= set(shown)
    assert len(shown) == 10 * 3 + 5
    assert words(viz.draw_svg(Value(3))) == ["data 3.0000", "grad 0.0000"]


def test_a_drawing_displays_itself_and_can_be_saved(Value, tmp_path):
    drawing = viz.draw_svg(Value(1.0, label="größe 数"))
    drawing.save(tmp_path / "v.svg")
    assert (tmp_path / "v.svg").read_text(encoding="utf-8") == str(drawing) == drawing._repr_svg_()
    assert str(drawing).startswith("<svg ")
    assert " id=" not in str(drawing) and "<style" not in str(drawing)     # nothing that other pictures could mix with
    html = drawing._repr_html_()
    assert "overflow:auto" in html and str(drawing) not in html
    assert b64decode(re.search('<img src="data:image/svg[+]xml;base64,([^"]*)"', html)[1]).decode() == str(drawing)
    assert ".save('graph.svg')" in repr(drawing)


def test_a_drawing_fits_its_page_and_stays_legible(Value):
    svg = ElementTree.fromstring(str(viz.draw_svg(neuron(Value))))
    style = dict(item.split(":") for item in svg.get("style").split(";"))
    width = float(svg.get("width"))
    assert (style["max-width"], style["height"]) == ("100%", "auto") and svg.get("viewBox").startswith("0 0 ")
    assert style["min-width"].endswith("px") and 0.7 * width < float(style["min-width"][:-2]) < 0.8 * width


def test_the_script_reads_the_same_in_svg_and_in_html():
    script = (Path(svg_module.__file__).parent / "zoom.js").read_text(encoding="utf-8")
    code = script[script.index("(function"):].strip()
    assert not set("<&") & set(script) and f"<script>{code}</script>" in str(viz.draw_svg(fastgrad.Value(1.0)))


def test_the_direction_is_the_lecture_s_unless_that_is_too_wide(Value):
    flat, deep = Value(1.0, label="a") + Value(2.0, label="b"), neuron(Value)
    assert str(viz.draw_svg(flat)) == str(viz.draw_svg(flat, "LR"))
    assert str(viz.draw_svg(deep)) == str(viz.draw_svg(deep, "TB"))
    assert viz.mimebundle(deep)["image/svg+xml"] == str(viz.draw_svg(deep))
    wide = Value(0.0, [Value(1.0) for _ in range(40)], "wide")
    assert str(viz.draw_svg(wide)) == str(viz.draw_svg(wide, "LR"))


def test_wide_graphs_wrap(Value):
    wide = Value(0.0, [Value(float(i)) for i in range(40)], "wide")
    boxes, (width, height) = boxes_of(viz.draw_svg(wide, "TB"))
    assert len(boxes) == 42 and len({top for _, top, _, _ in boxes}) > 5 and width < 2400
    for top in {top for _, top, _, _ in boxes}:     # rows are no wider than a page
        row = [box for box in boxes if box[1] == top]
        assert sum(right - left for left, _, right, _ in row) <= 1000


def test_large_graphs_collapse(Value):
    small, large = products(Value, 20), products(Value, 40)
    assert "sum of" not in str(viz.draw_svg(small)) and "sum of 40 products" in str(viz.draw_svg(large))
    assert "sum of" not in str(viz.draw_svg(large, collapse=False))
    assert "sum of 20 products" in str(viz.draw_svg(small, max_nodes=9))
    assert "... 101 more nodes below" in str(viz.draw_svg(chain(Value, 200)))


@pytest.mark.parametrize("name", ["v.svgz", "v.gif", "v.txt", "v.html", "v.png.bak"])
def test_a_drawing_is_saved_as_nothing_else(Value, tmp_path, name):
    drawing = viz.draw_svg(Value(1.0))
    for path in (tmp_path / name, str(tmp_path / name), os.fsencode(tmp_path / name)):
        with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf or \.jpg, not \.\w+; draw_dot\(v, format="):
            drawing.save(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name, begins", [("v.png", b"\x89PNG"), ("v.PDF", b"%PDF"), ("v.svg.jpg", b"\xff\xd8")])
def test_a_drawing_is_saved_as_pixels(tmp_path, name, begins):
    pytest.importorskip("matplotlib")
    for path in (tmp_path / name, os.fsencode(tmp_path / name)):
        viz.draw_svg(neuron(fastgrad.Value), max_nodes=6).save(path)
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_pixels_show_what_svg_shows():
    pytest.importorskip("matplotlib")
    from fastgrad.drawing.pixels import figure
    svg = viz.draw_svg(graph_of_all_kinds(), collapse=True, max_nodes=5)
    root, page = ElementTree.fromstring(str(svg)), figure(str(svg))
    axes, = page.axes
    assert sorted(text.get_text() for text in axes.texts) == sorted(words(svg))
    assert len(axes.lines) == len(list(root.iter(SVG + "line")))
    patches = [kind for kind in ("rect", "path", "polygon") for _ in root.iter(SVG + kind)]
    assert len(axes.patches) == len(patches) - 1        # the page itself is the figure's
    page.canvas.draw()      # every text within its box, in the font that the box was measured for
    boxes = [patch.get_window_extent() for patch in axes.patches if type(patch).__name__ == "FancyBboxPatch"]
    for text in axes.texts:
        extent = text.get_window_extent()
        assert any(box.x0 < extent.x0 and extent.x1 < box.x1 and box.y0 < extent.y0 and extent.y1 < box.y1
                   for box in boxes), text


def graph_of_all_kinds():
    """A graph whose picture has all kinds of items, and text that matplotlib could misread."""
    Value = fastgrad.Value
    x = Value(1.0, label="$x_1$")
    return Value(0.0, (products(Value, 4) * x, chain(Value, 9), x), "$\\alpha$ <b>")


def test_a_huge_drawing_is_saved_in_fewer_dots(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from fastgrad.drawing import pixels
    monkeypatch.setattr(pixels, "MOST", 500)
    viz.draw_svg(neuron(fastgrad.Value), "TB").save(tmp_path / "v.png")
    width, height = (int.from_bytes((tmp_path / "v.png").read_bytes()[at:at + 4], "big") for at in (16, 20))
    assert width < height and 495 <= height <= 500


@pytest.mark.parametrize("name", ["v.svg", "V.SVG", "v", ".hidden", "v.1.svg"])
def test_names_that_svg_can_have(Value, tmp_path, name):
    drawing = viz.draw_svg(Value(1.0))
    drawing.save(str(tmp_path / name))
    assert (tmp_path / name).read_text(encoding="utf-8") == str(drawing)


def test_the_readme_s_picture_is_of_its_first_lines():
    docs = Path(__file__).parents[2] / "docs"
    if not docs.exists():
        pytest.skip("needs a checkout")
    a, b = fastgrad.Value(2.0, label="a"), fastgrad.Value(-3.0, label="b")
    c = a * b + a
    c.label = "c"
    c.backward()
    assert (docs / "graph.svg").read_text(encoding="utf-8") == str(viz.draw_svg(c))


def test_both_operands_of_a_plus_a_have_an_edge(Value):
    a = Value(1.0)
    paths = re.findall(r'<path d="([^"]+)"', str(viz.draw_svg(a + a)))
    assert len(paths) == len(set(paths)) == 3
    assert viz.draw_text(a + a).count("#1") == 2
    pytest.importorskip("graphviz")
    assert viz.draw_dot(a + a).source.count("n1 -> n0op") == 2


def test_operations_without_a_name_and_names_without_children(Value, draw):
    a = Value(1.0, label="leaf")
    assert "leaf" in draw(Value(2.0, (a,), (3.0,)))
    assert "input" in draw(Value(2.0, (), "input"))


AWKWARD = ["<b>&amp;</b>", 'a"b', "{x|y}", "a\\nb\\", "<i>", "grösse 数据 ∂", "]]>", "\\N"]


@pytest.mark.parametrize("label", AWKWARD)
def test_special_characters_are_shown_as_they_are(Value, label, tmp_path):
    v = Value(1.0, (Value(2.0, label=label),), label)
    assert words(viz.draw_svg(v)).count(label) == 2
    assert viz.draw_text(v).count(label) == 2
    pytest.importorskip("graphviz")
    dot = viz.draw_dot(v)
    if not shutil.which("dot"):
        pytest.skip("Graphviz's program isn't installed")
    shown = words(dot.pipe(encoding="utf-8"))
    assert [text.replace("\xa0", " ") for text in shown].count(label) == 2


@pytest.mark.parametrize("label, shown", [("a\nb", "a\\nb"), ("\x00\x1b", "\\x00\\x1b"), ("\ud800", "\\ud800"),
                                          ("x" * 1000, "x" * 31 + "…")])
def test_what_cannot_be_printed_is_shown_as_python_writes_it(Value, label, shown):
    v = Value(1.0, label=label)
    assert words(viz.draw_svg(v))[0] == shown
    assert viz.draw_text(v) == shown + " | data 1.0000 | grad 0.0000"


@pytest.mark.parametrize("data, shown", [(2, "2.0000"), (math.nan, "nan"), (-math.inf, "-inf"), (1.234e20, "1.234e+20"),
                                         (-1e-7, "-1.000e-07"), (0.0, "0.0000"), (123456.789, "123456.7890")])
def test_numbers(Value, draw, data, shown):
    assert f"data {shown}" in draw(Value(data))


def test_labels_and_names_that_are_not_str(Value, draw):
    v = Value(1.0, (Value(2.0),), "op")
    v.label, v._op = 17, None
    assert "17" in draw(v)
    v.label = None
    assert "None" not in draw(v)


def test_subclasses(Value, draw):
    class Named(Value):
        label = "unnamed"

        def __eq__(self, other):
            return self.data == other.data
        __hash__ = None

        def __init__(self, wrong, arguments=None):
            super().__init__(1.0)
    text = draw(Named(1, 2) + Named(3, 4))
    assert text.count("unnamed") == 3       # equal or not, they're two leaves


def test_a_tooltip_is_the_repr(Value):
    class Odd(Value):
        def __repr__(self):
            return "<mine & yours>"
    titles = ElementTree.fromstring(str(viz.draw_svg(Odd(1.0) + Value(0.1)))).iter(SVG + "title")
    assert sorted(title.text for title in titles) == ["<mine & yours>", "<mine & yours>", "Value(data=0.1, grad=0)"]


def test_drawing_leaves_the_graph_as_it_was(engine, draw):
    v = neuron(engine.Value)
    before, live = [(u, u.data, u.grad, u._op) for u in v._topological()], engine.arena_stats()["live"]
    draw(v, collapse=True, max_nodes=4)
    draw(v)
    assert [(u, u.data, u.grad, u._op) for u in v._topological()] == before
    assert engine.arena_stats()["live"] == live


def test_a_drawing_is_the_same_each_time(Value, draw):
    assert draw(random_graph(Value, 60, 1)) == draw(random_graph(Value, 60, 1))


# What they leave out

def test_max_nodes_keeps_the_nearest_and_marks_the_rest(Value, draw):
    near = chain(Value, 2)
    near.label = "near"
    text = draw(near + chain(Value, 50), max_nodes=6)
    assert text.count("grad") - text.count("grad=") == 6 and "near" in text     # a tooltip has grad=
    assert "... 49 more nodes below" in text and text.count("...") == 1
    assert "..." not in draw(near, max_nodes=3)
    assert "... 1 more node below" in draw(near, max_nodes=2)


def test_depth_counts_levels_from_the_root(Value, draw):
    v = neuron(Value)
    assert draw(v, depth=0).count("data ") == 1
    assert "... 9 more nodes below" in draw(v, depth=0)
    text = draw(v, depth=2)
    assert "x1w1 + x2w2" in text and ">w1<" not in text and "... 6 more nodes below" in text
    assert "..." not in draw(v, depth=4)


def test_a_node_shown_elsewhere_is_not_counted_as_hidden(Value):
    a = Value(1.0, label="a")
    hidden = (a * 2.0).tanh()
    assert viz.draw_text(hidden.tanh() + a, depth=2).splitlines()[-2:] == [
        "│     └─ ... 2 more nodes below", "└─ a | data 1.0000 | grad 0.0000"]


def test_what_is_hidden_is_counted_up_to_a_limit(Value, draw):
    assert "... more than 100,000 more nodes below" in draw(chain(Value, 100_010), max_nodes=3)


def test_no_limit(Value, draw):
    text = draw(chain(Value, 1200), max_nodes=None)
    assert "..." not in text and text.count("tanh") == 1200
    assert "... 701 more nodes below" in draw(chain(Value, 1200), max_nodes=500)


def test_deep_trees_of_text_stay_narrow(Value):
    lines = viz.draw_text(chain(Value, 3000), max_nodes=None).splitlines()
    assert len(lines) == 3001 and max(map(len, lines)) < 150
    assert lines[-1].startswith("(level 3000) ")


def test_collapse_makes_one_operation_of_a_sum_of_products(Value, draw):
    text = draw(products(Value, 64), collapse=True)
    assert "sum of 64 products" in text and "sum of 20,000 products" in draw(products(Value, 20_000), collapse=True)
    assert text.count("grad") - text.count("grad=") == 1        # its 257 other nodes are gone
    assert "sum of" not in draw(products(Value, 64), collapse=False)


def test_collapse_counts_other_terms_and_keeps_shared_nodes(Value):
    x, b = Value(3.0, label="x"), Value(1.0, label="b")
    act = sum([Value(2.0) * x, Value(4.0) * x, b.tanh()], Value(0.5))
    assert viz.draw_text(act * x, collapse=True) == """\
data 66.2848 | grad 0.0000 | *
├─ data 22.0949 - | grad""".replace("66.2848", f"{act.data * 3:.4f}").replace("22.0949 - | grad", f"""\
{act.data:.4f} | grad 0.0000 | sum of 4 terms, 2 products
│  ├─ #1 x | data 3.0000 | grad 0.0000
│  └─ data 0.7616 | grad 0.0000 | tanh
│     └─ b | data 1.0000 | grad 0.0000
└─ #1 x, as above""")


def test_collapse_leaves_what_is_used_elsewhere_or_labelled(Value):
    partial = Value(1.0) + Value(2.0) + Value(3.0)
    total = partial + Value(4.0) + Value(5.0)
    assert "sum of 5 terms" in viz.draw_text(total, collapse=True)
    both = viz.draw_text(total * partial, collapse=True)
    assert "sum of 3 terms\n" in both and both.count("#1") == 2
    partial.label = "partial"
    labelled = viz.draw_text(total, collapse=True)
    assert labelled.count("sum of 3 terms") == 2 and "partial" in labelled
    assert "sum" not in viz.draw_text(Value(1.0) + Value(2.0), collapse=True)
    assert "sum of 3 terms" in viz.draw_text(Value(1.0) + Value(0.0) + Value(2.0), collapse=True)   # not sum()'s int


def test_collapse_of_a_network_shows_its_neurons(Value):
    rng = random.Random(1)
    x = [Value(1.0, label=f"x{i}") for i in range(3)]
    for width in (4, 4):
        x = [sum((Value(rng.random()) * xi for xi in x), Value(0.0)).tanh() for _ in range(width)]
    text = viz.draw_text(Value(0.0, x, "out"), collapse=True)
    assert text.count("sum of 4 terms, 3 products") == 4 and text.count("sum of 5 terms, 4 products") == 4
    assert "sum of" not in viz.draw_text(Value(0.0, x, "out"))


def test_a_graph_too_large_to_look_at_is_drawn_all_the_same(Value, draw):
    v = chain(Value, 300_000)
    assert "tanh" in draw(v, max_nodes=5) and "tanh" in draw(v, max_nodes=5, collapse=True)
    wide = Value(0.0, [Value(1.0) for _ in range(200_000)], "wide")
    assert "more than 100,000 more nodes" in draw(wide, max_nodes=5)


@pytest.mark.parametrize("root", [1.0, None, "v", [], fastgrad.Value, object()])
def test_only_values_are_drawn(root, draw):
    for function in (draw, viz.trace, viz.mimebundle):
        with pytest.raises(TypeError, match=f"root must be a Value, not '{type(root).__name__}'"):
            function(root)


@pytest.mark.parametrize("options, error", [
    ({"max_nodes": 0}, "max_nodes must be at least 1, not 0"), ({"max_nodes": -3}, "at least 1, not -3"),
    ({"depth": -1}, "depth must be at least 0, not -1"), ({"max_nodes": True}, "max_nodes must be an int or None, not"),
    ({"depth": "3"}, "depth must be an int or None, not 'str'"), ({"max_nodes": 2.0}, "an int or None, not 'float'"),
])
def test_wrong_options(Value, draw, options, error):
    with pytest.raises((TypeError, ValueError), match=error) as raised:
        draw(Value(1.0), **options)
    assert raised.type is (TypeError if "an int" in error else ValueError)


@pytest.mark.parametrize("rankdir", ["lr", "", 0, 3, ["LR"], "LRTB"])
def test_wrong_directions(Value, rankdir):
    for function in (viz.draw_dot, viz.draw_svg):
        with pytest.raises(ValueError, match="rankdir must be one of 'LR', 'RL', 'TB', 'BT', not "):
            function(Value(1.0), rankdir=rankdir)


@pytest.mark.parametrize("name, function", [
    ("graphviz", lambda v: viz.draw_dot(v)), ("networkx", lambda v: viz.to_networkx(v)),
    ("matplotlib", lambda v: viz.plot_loss([v])), ("matplotlib", lambda v: viz.grad_histogram([v])),
    ("matplotlib", lambda v: viz.grad_flow([v])), ("matplotlib", lambda v: viz.draw_svg(v).save("v.png"))])
def test_a_missing_package_is_named(Value, monkeypatch, name, function):
    for module in [name, *(module for module in sys.modules if module.startswith(name + "."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {name}.*: pip install fastgrad\[viz\]"):
        function(Value(1.0))


def test_viz_is_imported_when_asked_for_and_needs_no_package(tmp_path):
    program = ("import sys, fastgrad; assert not [m for m in sys.modules if m.startswith('fastgrad.viz')]; "
               "v = fastgrad.Value(1.0) + 2; viz = fastgrad.viz; "
               "viz.draw_svg(v), viz.draw_text(v), v._repr_mimebundle_(); "
               "print([m for m in ('graphviz', 'matplotlib', 'networkx', 'numpy') if m in sys.modules])")
    environment = {"PYTHONPATH": str(Path(fastgrad.__file__).parents[1]), "FASTGRAD_PURE": "1"}
    assert subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, check=True, text=True,
                          stdout=subprocess.PIPE).stdout == "[]\n"


# The layout

def boxes_of(svg):
    """Every box, but the page, as (left, top, right, bottom); and the sides of the viewBox."""
    root = ElementTree.fromstring(str(svg))
    boxes = []
    for rect in list(root.iter(SVG + "rect"))[1:]:
        x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    return boxes, [float(side) for side in root.get("viewBox").split()[2:]]


@pytest.mark.parametrize("rankdir", viz.DIRECTIONS)
@pytest.mark.parametrize("options", [{}, {"max_nodes": 20}, {"collapse": True}], ids=str)
def test_no_two_boxes_overlap_and_all_lie_on_the_page(rankdir, options):
    for seed in range(8):
        svg = viz.draw_svg(random_graph(fastgrad.Value, 5 + 12 * seed, seed), rankdir, **options)
        boxes, (width, height) = boxes_of(svg)
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            for other in boxes[:i]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        points = [tuple(map(float, point)) for path in re.findall(r'(?:d|points)="([^"]+)"', str(svg))
                  for point in re.findall(r"([-\d.]+),([-\d.]+)", path)]
        assert points and all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_edges_keep_out_of_boxes():
    """Straight lines pass between boxes, and curves are only where there are none."""
    for seed in range(30):
        rng = random.Random(seed)
        n = rng.randrange(2, 60)
        sizes = [(rng.uniform(10, 300), rng.uniform(10, 80)) for _ in range(n)]
        edges = [(a, rng.randrange(max(0, a - 12), a)) for a in range(1, n) for _ in range(rng.randrange(1, 4))]
        centres, ways, (width, height) = layout.layered(sizes, edges)
        assert len(centres) == n and len(ways) == len(edges)
        boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(centres, sizes)]
        assert min(box[1] for box in boxes) >= -1e-6 and max(box[3] for box in boxes) <= height + 1e-6
        assert min(box[0] for box in boxes) >= -1e-6 and max(box[2] for box in boxes) == pytest.approx(width)
        for (a, b), way in zip(edges, ways):
            assert way[0] == pytest.approx((boxes[a][2], centres[a][1]))
            assert way[-1] == pytest.approx((boxes[b][0], centres[b][1]))
            for i, ((x0, y0), (x1, y1)) in enumerate(zip(way, way[1:])):
                assert x0 <= x1 + 1e-6 and (i % 2 or y0 == y1)
                for left, top, right, bottom in boxes:
                    beside = right <= x0 + 1e-6 or left >= x1 - 1e-6
                    assert beside or (i % 2 == 0 and (y0 >= bottom or y0 <= top))


def test_edges_lead_one_way_and_a_tree_has_no_crossings():
    Value = fastgrad.Value
    leaves = [Value(float(i), label=f"v{i}") for i in range(8)]
    layer = leaves
    while len(layer) > 1:
        layer = [a + b for a, b in zip(layer[::2], layer[1::2])]
    svg = ElementTree.fromstring(str(viz.draw_svg(layer[0])))
    heights = {text.text: float(text.get("y")) for text in svg.iter(SVG + "text")}
    assert sorted(heights, key=heights.get) and [heights[f"v{i}"] for i in range(8)] == sorted(
        heights[f"v{i}"] for i in range(8))     # in operand order, from the top
    tops = {rankdir: boxes_of(viz.draw_svg(Value(1.0, label="leaf").tanh(), rankdir))[0] for rankdir in viz.DIRECTIONS}
    assert tops["LR"][0][0] > tops["LR"][2][0] and tops["RL"][0][0] < tops["RL"][2][0]
    assert tops["TB"][0][1] > tops["TB"][2][1] and tops["BT"][0][1] < tops["BT"][2][1]


def test_crossings_are_counted_and_reduced():
    edges = [(0, 3), (1, 4), (2, 5), (0, 6), (1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]
    columns = layout._Columns(layout._ranks([1.0] * 7, edges), edges)
    columns.columns[1].sort(reverse=True)
    columns.columns[2].sort()
    columns.number()

    def crossings():
        count = 0
        for column in columns.columns[:-1]:
            links = [(columns.position[a], columns.position[b]) for b in column for a in columns.inputs[b]]
            count += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(links) for c, d in links[:i])
        return count
    before = crossings()
    assert columns.crossings() == before > 0
    columns.swap()
    assert columns.crossings() == crossings() < before
    columns.order()
    assert columns.crossings() == crossings() == 0


def test_a_chain_is_straight():
    boxes, (width, height) = boxes_of(viz.draw_svg(chain(fastgrad.Value, 30), "LR"))
    assert height < 70 and len(boxes) == 61
    boxes, (width, height) = boxes_of(viz.draw_svg(products(fastgrad.Value, 40), "LR", max_nodes=500))
    assert height < 400      # and a sum isn't drawn as stairs


# Notebooks

def test_a_notebook_shows_a_small_graph_as_a_picture(Value):
    v = neuron(Value)
    assert v._repr_mimebundle_() == {"text/plain": repr(v), "text/html": viz.draw_svg(v)._repr_html_(),
                                     "image/svg+xml": str(viz.draw_svg(v))}
    assert v._repr_mimebundle_(include=None, exclude=None) == viz.mimebundle(v)
    assert "image/svg+xml" in viz.mimebundle(Value(1))
    deep = chain(Value, 20)
    assert viz.mimebundle(deep)["image/svg+xml"] == str(viz.draw_svg(deep, "TB")) == str(viz.draw_svg(deep))


def test_a_notebook_shows_a_large_graph_as_a_summary(Value):
    x = Value(2.0)
    v = Value(1.0, (products(Value, 50), x.tanh(), x), "<op>")
    shown = viz.mimebundle(v)
    assert set(shown) == {"text/plain", "text/html"} and shown["text/plain"] == repr(v)
    html = shown["text/html"]
    assert "204 nodes, 102 leaves, depth 52" in html
    assert re.findall(r"<th>(.*?)</th><td>(\d+)</td>", html) == [("+", "50"), ("*", "50"), ("&lt;op&gt;", "1"),
                                                                 ("tanh", "1")]
    ElementTree.fromstring(html)


def test_a_summary_shows_markup_as_it_is_written(Value):
    class Odd(Value):
        def __repr__(self):
            return "<script>alert('&')</script>"
    v = Odd(1.0)
    for _ in range(50):
        v = Value(1.0, (v,), "<b>&")
    html = viz.mimebundle(Odd(1.0, (v,), "<b>&"))["text/html"]
    assert not re.search("<script|<b>", html)
    root = ElementTree.fromstring(html)
    assert root.find("code").text == "<script>alert('&')</script>" and root.find("table/tr/th").text == "<b>&"


def test_a_huge_graph_is_not_walked(Value):
    html = viz.mimebundle(chain(Value, 250_000))["text/html"]
    assert "more than 100,000 nodes; of the 100,000 nearest, 0 leaves" in html
    assert "depth " not in html
    wide = viz.mimebundle(Value(0.0, [Value(1.0) for _ in range(150_000)], "wide"))["text/html"]
    assert "more than 100,000 nodes" in wide
    a = Value(1.0)
    assert "2 nodes, 1 leaf, depth 1" in viz.mimebundle(Value(0.0, (a,) * 10_000, "twice"))["text/html"]


def test_a_summary_names_only_the_commonest_operations(Value):
    v = Value(1.0)
    for i in range(60):
        v = Value(1.0, (v,), f"op{i}" if i < 58 else "")
    html = viz.mimebundle(v)["text/html"]
    assert html.count("<tr>") == 21 and "<th>others</th><td>39</td>" in html and "<th>no name</th><td>2</td>" in html


def test_a_subclass_keeps_its_own_display(Value):
    class Shown(Value):
        def __repr__(self):
            return "mine"
    assert viz.mimebundle(Shown(1.0))["text/plain"] == "mine"

    class Html(Value):
        def _repr_html_(self):
            return "<b>mine</b>"
    assert viz.mimebundle(Html(1.0) + 1) == {}

    class Bundle(Value):
        def _repr_mimebundle_(self, include=None, exclude=None):
            return {"text/plain": "mine"}
    assert Bundle(1.0)._repr_mimebundle_() == {"text/plain": "mine"}


def test_what_ipython_makes_of_it(Value):
    formatters = pytest.importorskip("IPython.core.formatters")
    formatter = formatters.DisplayFormatter()
    v = neuron(Value)
    data, _ = formatter.format(v)
    assert data == viz.mimebundle(v) and data["text/html"] == viz.Drawing(data["image/svg+xml"])._repr_html_()

    class Html(Value):
        def _repr_html_(self):
            return "<b>mine</b>"
    data, _ = formatter.format(Html(1.0))
    assert data == {"text/plain": "Value(data=1.0, grad=0)", "text/html": "<b>mine</b>"}


# networkx

def test_to_networkx(Value):
    networkx = pytest.importorskip("networkx")
    a, b = Value(2.0, label="a"), Value(3.0)
    square = a * a
    c = square + b
    c.backward()
    graph = viz.to_networkx(c)
    assert isinstance(graph, networkx.MultiDiGraph) and networkx.is_directed_acyclic_graph(graph)
    assert set(graph) == {a, b, square, c}
    assert graph.nodes[a] == {"data": 2.0, "grad": 4.0, "op": "", "label": "a"}
    assert graph.nodes[square] == {"data": 4.0, "grad": 1.0, "op": "*", "label": ""}
    assert sorted(graph.edges(keys=True, data="local_grad"), key=lambda edge: (edge[1].data, edge[2])) == [
        (a, square, 0, 2.0), (a, square, 1, 2.0), (square, c, 0, 1), (b, c, 1, 1)]
    assert list(networkx.topological_sort(graph))[-1] is c
    assert len(viz.to_networkx(chain(Value, 5000))) == 5001
    closure = Value(1.0, (a,), "mine")
    assert viz.to_networkx(closure).edges[a, closure, 0] == {}
    with pytest.raises(TypeError, match="root must be a Value, not 'list'"):
        viz.to_networkx([a])


# Plots

@pytest.fixture
def figure():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    yield pyplot.figure
    pyplot.close("all")


def test_plot_loss(Value, figure, tmp_path):
    ax = viz.plot_loss([Value(3.0), 2, 1.5])
    assert list(ax.lines[0].get_ydata()) == [3.0, 2.0, 1.5] and ax.get_yscale() == "linear"
    ax = viz.plot_loss((10.0 ** -i for i in range(4)), smooth=0.5, path=tmp_path / "loss.png")
    assert ax.get_yscale() == "log" and (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    mean = ax.lines[1].get_ydata()
    assert mean[0] == 1.0 and mean[1] == pytest.approx((0.5 * 0.1 + 0.25 * 1.0) / 0.75)
    assert viz.plot_loss([1, 100], log=False).get_yscale() == "linear"
    own = figure().add_subplot()
    assert viz.plot_loss([1.0, -100.0], ax=own) is own and own.get_yscale() == "linear"


def test_several_losses(Value, figure):
    ax = viz.plot_loss({"train": [3.0, 2.0, Value(1.5)], "test": {0: 3.5, 2: 1.75}})
    assert [(line.get_label(), list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines
            if not line.get_label().startswith("_")] == [
        ("train", [0, 1, 2], [3.0, 2.0, 1.5]), ("test", [0, 2], [3.5, 1.75])]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test"]
    assert len({line.get_color() for line in ax.lines}) == 2
    smooth = viz.plot_loss({"a": [1.0, 2.0], "b": [2.0, 1.0]}, smooth=0.5)
    assert [text.get_text() for text in smooth.get_legend().get_texts()] == [
        "a", "a, running mean, 0.5", "b", "b, running mean, 0.5"]
    assert list(viz.plot_loss({10: 1.0, 30: 0.5}).lines[0].get_xdata()) == [10, 30]     # one, by step


def test_gaps(figure):
    y = [1.0, math.nan, 3.0, math.inf, 5.0, 6.0] + [1.0] * 60       # so many that points have no dots
    ax = viz.plot_loss(y, smooth=0.5)
    line, mean, alone, crosses = ax.lines
    for curve in (line, mean):
        assert [math.isnan(x) for x in curve.get_ydata()] == [not math.isfinite(x) for x in y]
    assert list(alone.get_xdata()) == [0, 2] and list(alone.get_ydata()) == [1.0, 3.0] and alone.get_marker() == "."
    assert list(crosses.get_xdata()) == [1, 3] and crosses.get_marker() == "x"


def test_losses_that_are_not_finite_are_left_out_and_mentioned(figure):
    ax = viz.plot_loss([1.0, math.nan, 3.0, math.inf], smooth=0.5)
    assert ax.get_title() == "Loss (2 nan or inf left out)"
    shown = ax.lines[0].get_ydata()
    assert shown[0] == 1.0 and math.isnan(shown[1]) and math.isnan(shown[3])
    assert ax.lines[1].get_ydata()[2] == pytest.approx((0.5 * 3 + 0.25 * 1) / 0.75)     # over the two steps that count
    assert "left out" not in viz.plot_loss([1.0]).get_title()


def with_grads(Value, *grads):
    values = [Value(1.0) for _ in grads]
    for v, grad in zip(values, grads):
        v.grad = grad
    return values


def test_grad_histogram(Value, figure):
    values = with_grads(Value, 0.5, -0.5, 0.5, math.nan, math.inf)
    ax = viz.grad_histogram({"w": [values[:2], [values[2:]]], "again": values}, bins=4)
    assert [patch.get_height() for patch in ax.patches] == [1, 0, 0, 2]
    assert ax.get_title() == "Gradients of 5 parameters (2 nan or inf left out)" and ax.get_yscale() == "linear"
    assert viz.grad_histogram(with_grads(Value, *[0.0] * 100, 1.0)).get_yscale() == "log"
    viz.grad_histogram(with_grads(Value, math.nan))


def test_grad_flow(Value, figure):
    state = {"wte": [with_grads(Value, 1.0, -3.0), with_grads(Value, 2.0)], "dead": with_grads(Value, 0.0, 0),
             "mixed": with_grads(Value, -1e-6, math.nan), "lost": with_grads(Value, math.inf), "none": []}
    ax = viz.grad_flow(state)
    assert [bar.get_height() for bar in ax.patches[:3]] == [3.0, 0.0, 1e-6]
    assert list(ax.lines[0].get_ydata()[:3]) == pytest.approx([2.0, math.nan, 1e-6], nan_ok=True)     # log has no 0
    assert [label.get_text() for label in ax.get_xticklabels()] == ["wte", "dead (all 0)", "mixed", "lost (nan or inf)"]
    assert ax.get_title() == "Gradient flow by layer (2 nan or inf left out)" and ax.get_yscale() == "log"
    assert len(viz.grad_flow(with_grads(Value, 1.0, 2.0)).patches) == 2


def test_gradients_of_modules(figure):
    from fastgrad.nn import MLP
    model = MLP(2, [3, 3, 1])
    model([1.0, 2.0]).backward()
    assert sum(patch.get_height() for patch in viz.grad_histogram(model).patches) == len(model.parameters())
    assert bars(viz.grad_flow(model.layers)) == ["0", "1", "2"]
    assert bars(viz.grad_flow(model)) == ["layers.0", "layers.1", "layers.2"]
    assert bars(viz.grad_flow({"first": model.layers[0], "rest": model.layers[1:]})) == ["first", "rest"]
    assert bars(viz.grad_flow(model.layers[0])) == [f"neurons.{i}" for i in range(3)]
    assert bars(viz.grad_flow(model, by="name"))[:3] == ["layers.0.neurons.0.w", "layers.0.neurons.0.b",
                                                         "layers.0.neurons.1.w"]
    assert viz.grad_flow(model, by="name").get_title() == "Gradient flow by name"


def bars(ax):
    return [label.get_text().split(" (")[0] for label in ax.get_xticklabels()]


class Model:
    """What somebody's own model may look like."""

    def __init__(self, Value):
        self.model, self.losses = self, [1.0, 2.0]
        self.wte = [with_grads(Value, 1.0, 2.0), with_grads(Value, 3.0, 4.0)]
        self.blocks = [{"attn.wq": [with_grads(Value, 5.0)], "b": with_grads(Value, 6.0)} for _ in range(2)]
        self.scale, = with_grads(Value, 7.0)
        self.seen, = with_grads(Value, 100.0)       # no parameter
        self.hidden = {id(self): None}, iter(with_grads(Value, 8.0))
        self.rest = list(self.hidden[1])

    def parameters(self):
        return [*self.wte[0], *self.wte[1], *(p for block in self.blocks for p in (*block["attn.wq"][0], *block["b"])),
                self.scale, *vars(self).get("rest", ())]


def test_gradients_of_a_model_of_one_s_own(Value, figure):
    model = Model(Value)
    ax = viz.grad_flow(model)
    assert bars(ax) == ["wte", "blocks.0", "blocks.1", "scale", "rest"]
    assert [patch.get_height() for patch in ax.patches] == [4.0, 6.0, 6.0, 7.0, 8.0]
    assert bars(viz.grad_flow(model, by="name")) == ["wte", "blocks.0.attn.wq", "blocks.0.b", "blocks.1.attn.wq",
                                                     "blocks.1.b", "scale", "rest"]
    weights = model.rest
    del model.rest      # what no attribute leads to
    model.parameters = lambda: weights
    assert bars(viz.grad_flow(model)) == ["Model"]
    assert bars(viz.grad_flow({"layer0.wq": model.wte, "layer0.wk": weights})) == ["layer0.wq", "layer0.wk"]


def test_a_model_that_names_its_parameters(Value, figure):
    class Named:
        def named_parameters(self):
            for name, grad in [("fc1.weight.0", 1.0), ("fc1.weight.1", 3.0), ("fc1.bias", 2.0), ("head", 5.0)]:
                yield name, with_grads(Value, grad)[0]
    ax = viz.grad_flow(Named())
    assert bars(ax) == ["fc1", "head"] and [patch.get_height() for patch in ax.patches] == [3.0, 5.0]
    assert bars(viz.grad_flow(Named(), by="name")) == ["fc1.weight", "fc1.bias", "head"]
    assert bars(viz.grad_flow({"a": Named(), "b": Named()})) == ["a", "b"]


@pytest.mark.parametrize("call, kind, error", [
    (lambda: viz.plot_loss([]), ValueError, "losses is empty"), (lambda: viz.plot_loss(3), TypeError, "not 'int'"),
    (lambda: viz.plot_loss([1, "2"]), TypeError, "loss 1 must be a number, not 'str'"),
    (lambda: viz.plot_loss({}), ValueError, "losses is empty"), (lambda: viz.plot_loss("12"), TypeError, "not 'str'"),
    (lambda: viz.plot_loss({"a": [1.0], "b": []}), ValueError, "losses of 'b' is empty"),
    (lambda: viz.plot_loss({"a": [1.0], "b": 2.0}), TypeError, "losses of 'b' must be an iterable of numbers, not 'f"),
    (lambda: viz.plot_loss({"a": [1.0, "x"]}), TypeError, "loss 1 of 'a' must be a number, not 'str'"),
    (lambda: viz.plot_loss({"a": 1.0}), TypeError, "step 'a' must be a number, not 'str'"),
    (lambda: viz.grad_flow([1], by="x"), ValueError, "by must be 'layer' or 'name', not 'x'"),
    (lambda: viz.plot_loss([None]), TypeError, "loss 0 must be a number, not 'NoneType'"),
    (lambda: viz.plot_loss([1], smooth=1), ValueError, "smooth must be at least 0 and less than 1, not 1"),
    (lambda: viz.plot_loss([1], smooth=math.nan), ValueError, "smooth must"),
    (lambda: viz.plot_loss([1], smooth="x"), TypeError, "smooth must be a number, not 'str'"),
    (lambda: viz.plot_loss([1], ax=3), TypeError, "ax must be matplotlib's Axes, not 'int'"),
    (lambda: viz.grad_histogram([]), ValueError, "parameters is empty"),
    (lambda: viz.grad_histogram({"w": []}), ValueError, "parameters is empty"),
    (lambda: viz.grad_histogram([1.0]), TypeError, "parameters must be Values, in lists or dicts, not 'float'"),
    (lambda: viz.grad_flow({}), ValueError, "parameters is empty"), (lambda: viz.grad_flow(1), TypeError, "not 'int'"),
    (lambda: viz.grad_flow("w"), TypeError, "not 'str'"),
    (lambda: viz.grad_flow({"w": [["x"]]}), TypeError, "layer w must be Values, in lists or dicts, not 'str'"),
])
def test_plots_refuse_what_they_cannot_show(figure, call, kind, error):
    with pytest.raises(kind, match=error):
        call()
