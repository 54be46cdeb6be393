"""Promise: the comparison of programs finds what a wrong rewriter does. Each fault here is a rewriter that changes one
thing which it must not, and random programs show the difference."""
import ast
import random
import re
import sys

import pytest

import fastgrad
import near_misses
import twins
from cast import with_cast
from corners import CORNERS
from loop_programs import with_setup

pytestmark = [pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine"),
              pytest.mark.filterwarnings("ignore::SyntaxWarning")]
PROGRAMS = 3000      # at most; most faults show in the first twenty


class Fault(ast.NodeTransformer):
    """A rewriter that changes nodes of one kind."""

    def __init__(self, kind, change):
        self.kind, self.change = kind, change

    def visit(self, node):
        self.generic_visit(node)
        if not isinstance(node, self.kind):
            return node
        new = self.change(node)
        for one in new if isinstance(new, list) else [new]:
            ast.copy_location(one, node)
            ast.fix_missing_locations(one)
        return new


def expression(text, **nodes):
    """The tree of an expression in which names stand for nodes."""
    class Put(ast.NodeTransformer):
        def visit_Name(self, node):
            return nodes.get(node.id, node)
    return Put().visit(ast.parse(text, mode="eval").body)


def changed(node, **fields):
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def is_call(node, name):
    return isinstance(node.func, ast.Name) and node.func.id == name


def without_conditions(node):
    return changed(node, ifs=[])


def iterable_twice(node):
    return changed(node, iter=expression("[x, x][0]", x=node.iter))


def with_a_start_of_zero(node):
    if is_call(node, "sum") and len(node.args) == 1:
        node.args.append(ast.Constant(0.0))
    return node


def with_another_order(node):
    if isinstance(node.op, ast.Add):
        node.left, node.right = node.right, node.left
    return node


def without_strict(node):
    return changed(node, keywords=[x for x in node.keywords if x.arg != "strict"])


def a_line_further(node):
    ast.increment_lineno(node)
    return node


def a_column_further(node):
    node.func.end_col_offset = node.end_col_offset = node.end_col_offset + 1
    return node


def zero_as_a_float(node):
    if isinstance(node.targets[0], ast.Attribute) and isinstance(node.value, ast.Constant) and node.value.value == 0:
        node.value = ast.Constant(0.0)
    return node


def backwards(node):
    return changed(node, iter=expression("list(x)[::-1]", x=node.iter))


def with_a_name_left(node):
    return [node, *ast.parse("_hidden = 1").body]


def with_a_context(node):
    loop = ast.parse("try:\n    [].pop()\nexcept IndexError:\n    pass").body[0]
    loop.handlers[0].body = [node]
    return loop


def with_the_variable_gone(node):
    if not isinstance(node.target, ast.Name):
        return node
    return [node, *ast.parse(f"try:\n    del {node.target.id}\nexcept NameError:\n    pass").body]


def of_new_values(node):
    return changed(node, elt=expression("x + 0 if isinstance(x, Value) else x", x=node.elt))


def with_an_early_assignment(node):
    if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return [*ast.parse(f"{node.targets[0].id} = None").body, node]
    return node


def of_a_copied_list(node):
    return changed(node, iter=expression("[*x]", x=node.iter))


def in_two_steps(node):
    """a -= b without the in-place operator."""
    if not isinstance(node.op, ast.Add):
        return node
    target = ast.parse(ast.unparse(node.target), mode="eval").body
    return ast.Assign(targets=[node.target], value=ast.BinOp(node.value, node.op, target))


def of_the_builtin(node):
    if not isinstance(node.ctx, ast.Load) or node.id not in ("sum", "zip", "range", "len", "max"):
        return node
    return expression(f"__builtins__.{node.id}")


def names_loaded(node):
    return [x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Load)]


def with_names_looked_up_first(node):
    """The names that the element takes from outside are looked up before the loop."""
    inside = {x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
    outside = [name for name in names_loaded(node.elt) if name not in inside and "lambda" not in ast.unparse(node)]
    return expression(f"({', '.join(outside)}, x)[-1]", x=node) if outside else node


def with_attributes_looked_up_once(node):
    """c's attributes in an element are looked up before the loop."""
    found = re.search(r"\bc\.\w+", ast.unparse(node.elt))
    if not found or any(isinstance(x, ast.NamedExpr) for x in ast.walk(node)):
        return node
    return expression(f"(lambda _b: {ast.unparse(node).replace(found[0], '_b')})({found[0]})")


def column_by_column(node):
    """Each assignment of a loop is made for all elements before the next one."""
    if len(node.body) < 2 or not all(isinstance(x, (ast.Assign, ast.AugAssign)) for x in node.body):
        return node
    if any(isinstance(x, ast.Name) for y in node.body for x in getattr(y, "targets", [getattr(y, "target", None)])):
        return node
    return [ast.For(node.target, node.iter, [x], [], None) for x in node.body] + node.orelse


FAULTS = {
    "a condition is left out": (ast.comprehension, without_conditions),
    "an iterable is evaluated twice": (ast.comprehension, iterable_twice),
    "a for loop's iterable is evaluated twice": (ast.For, iterable_twice),
    "a sum starts from 0.0": (ast.Call, with_a_start_of_zero),
    "operands change places": (ast.BinOp, with_another_order),
    "zip isn't strict any more": (ast.Call, without_strict),
    "a line is wrong": (ast.ListComp, a_line_further),
    "a column is wrong": (ast.Call, a_column_further),
    "gradients are 0.0 for 0": (ast.Assign, zero_as_a_float),
    "a comprehension goes backwards": (ast.comprehension, backwards),
    "a for loop goes backwards": (ast.For, backwards),
    "a name is left": (ast.For, with_a_name_left),
    "errors have a context": (ast.For, with_a_context),
    "a loop's variable isn't left": (ast.For, with_the_variable_gone),
    "a list has other Values": (ast.ListComp, of_new_values),
    "a name is bound too early": (ast.Assign, with_an_early_assignment),
    "a list is copied before a for loop": (ast.For, of_a_copied_list),
    "a sum is accumulated the other way": (ast.AugAssign, in_two_steps),
    "names are always the builtin ones": (ast.Name, of_the_builtin),
    "names from outside are looked up first": (ast.ListComp, with_names_looked_up_first),
    "attributes are looked up once": ((ast.GeneratorExp, ast.ListComp), with_attributes_looked_up_once),
    "loops go column by column": (ast.For, column_by_column),
}


def all_programs():
    yield from (near_misses.program(random.Random(seed)) for seed in range(PROGRAMS))
    yield from (with_cast(with_setup(text.split("\n"), random.Random(0), 4))
                for texts in CORNERS.values() for text in texts.values())


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rewriter_is_found(name, monkeypatch):
    if name == "a column is wrong" and sys.version_info < (3, 11):
        pytest.skip("tracebacks have no columns")

    def compile_wrongly(source, filename, mode="exec"):
        return compile(Fault(*FAULTS[name]).visit(ast.parse(source)), filename, mode)

    monkeypatch.setattr(twins, "compile_source", compile_wrongly)
    monkeypatch.setattr(twins, "loops", lambda code: [])
    for i, source in enumerate(all_programs()):
        try:
            result = twins.both(source, backward=i % 2 == 1)
        except twins.TooLong:
            continue
        if result.plain != result.rewritten:
            return
    pytest.fail("no program shows it")


def test_no_fault_is_seen_where_there_is_none(monkeypatch):
    monkeypatch.setattr(twins, "compile_source", lambda source, filename, mode="exec": compile(source, filename, mode))
    monkeypatch.setattr(twins, "loops", lambda code: [])
    for seed in range(50):
        result = twins.both(near_misses.program(random.Random(seed)), backward=seed % 2 == 1)
        assert result.plain == result.rewritten


def test_a_program_shrinks():
    source = "a = 1\nb = 2\nfor i in range(3):\n    a += i\n    b += i\nc = [a, b, 7]\n"
    assert twins.shrink(source, lambda text: "7" in text and "for" in text).split("\n") == [
        "for i in range(3):", "    pass", "c = [7]"]
