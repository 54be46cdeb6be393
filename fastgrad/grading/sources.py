"""Where in the author's file a mistake stands: the line of a method in which a gradient is assigned.

What is wrong is found by running the class. The source only says where, and nothing if it can't be read.
"""
import ast
import inspect
import linecache
import textwrap

from fastgrad.script.sandbox import codes_of

AT_GRADIENT = ("assigned", "wrong-derivative", "wrong-grad-used", "chain-rule", "no-gradient")
AT_RESULT = ("missing-child", "wrong-value", "swapped-operands", "int-float", "number-operand")


def function_of(cls, name):
    """The Python function of a method, or None."""
    thing = inspect.getattr_static(cls, name, None)
    thing = getattr(thing, "__func__", thing)
    thing = inspect.unwrap(thing) if callable(thing) else thing
    return thing if hasattr(thing, "__code__") else None


def mentions(function, name):
    """Whether a function, or one within it, uses an attribute of this name. True if that can't be seen."""
    return function is None or any(name in code.co_names for code in codes_of(function.__code__))


def tree_of(function):
    """A function's syntax tree with the file's own line numbers; None if there's no source."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
    return ast.increment_lineno(tree, first - 1)


def class_line(cls, method):
    """The line of a class statement, from one of the class's methods."""
    file, line = method.__code__.co_filename, method.__code__.co_firstlineno
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return line
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    return max((x for x in lines if x <= line), default=line)


def place_of(function, code, cls_name, grad, operand):
    """(line, text) of a mistake in a function. code: the mistake's. operand: the index, 0 or 1, of the operand whose
    gradient it is; None for any. The text is None where the whole function is meant."""
    if function is None or (tree := tree_of(function)) is None:
        return None
    definition = next((node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))),
                      tree.body[0])
    if code in AT_GRADIENT:
        nodes = gradient_statements(tree, grad, operand, code == "assigned")
    elif code in AT_RESULT:
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Assign, ast.Return)) and any(
            isinstance(x, ast.Call) and getattr(x.func, "id", None) == cls_name for x in ast.walk(node))]
        nodes.sort(key=lambda node: getattr(getattr(node, "targets", [None])[0], "id", "") in ("other", "o", "y"))
    else:
        return definition.lineno, None
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
    line = (nodes or returns or [definition])[0].lineno
    lines, first = inspect.getsourcelines(function)
    return line, lines[line - first].strip()


def gradient_statements(tree, grad, operand, assigned):
    """The statements that change a gradient, the likeliest first."""
    names = [argument.arg for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))
             for argument in node.args.args]
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Assign, ast.AugAssign)) and of_grad(node, grad)]
    nodes = [node for node in nodes if not isinstance(node.value, ast.Constant)] or nodes
    if assigned:
        nodes.sort(key=lambda node: isinstance(node, ast.AugAssign))
    elif operand is not None and operand < len(names):
        nodes = [node for node in nodes if owner(node) == names[operand]] or nodes
    return nodes


def of_grad(node, grad):
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    target = target.value if isinstance(target, ast.Subscript) else target
    return isinstance(target, ast.Attribute) and target.attr == grad


def owner(node):
    """The variable whose gradient a statement changes: `self` in `self.grad += 1`."""
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    target = target.value if isinstance(target, ast.Subscript) else target
    return getattr(target.value, "id", None)


def text_of_line(file, line):
    return linecache.getline(file, line).strip() or None
