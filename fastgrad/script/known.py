"""Recognise methods by their text, names aside. A method with a known text needs no trial.

Most scripts have one of a few engines. `canonical` writes a method's canonical form: its text with the names of
variables, of the class and of the fields replaced. Two methods with the same canonical form do the same. known_texts.py
has the digests of known canonical forms, with what trials found of these methods.

The constructor tells which attribute holds which field, if it's one of the usual ones, which only store their
arguments.
"""
import ast
import builtins
import math
from types import FunctionType, MemberDescriptorType
from zlib import crc32

from fastgrad.script.dialect import Dialect
from fastgrad.script.known_texts import KNOWN
from fastgrad.script.sandbox import is_itself, is_pythons_own
from fastgrad.script.trials import METHODS
from fastgrad.value.operations import OPERATIONS

NAMES = {x.method: x.shown for x in OPERATIONS if x.derivatives}        # of operations that are one node


class Unknown(Exception):
    """The text isn't a known one."""


def recognise(author):
    """An author's dialect, and the facts that are known of methods, by name. None unless the constructor, `+`, `*` and
    backward() are known."""
    try:
        return _recognise(author)
    except Unknown:
        return None


def _recognise(author):
    node = author.text.class_at(author.cls.__name__, author.line)
    if node is None or author.has_bases:
        raise Unknown
    texts = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Name) and item.value.id in texts:
            texts.update((target.id, texts[item.value.id]) for target in item.targets if isinstance(target, ast.Name))
    dialect, arguments = read_constructor(texts.get("__init__"), author)
    dialect.backward = author.backward
    verdicts = {}
    for name in (*author.body,):
        if name in texts and is_that(author.body[name], texts[name]):
            form = canonical(texts[name], author.cls.__name__, dialect, arguments)
            facts = KNOWN.get((role(name, author), digest(form.text)))
            if facts is not None and are_builtin(form.globals, author) \
                    and not form.globals & {*author.body[name].__code__.co_freevars}:
                verdicts[name] = {**facts, "op": form.op, "relied": form.globals}
    if not {"__add__", "__mul__", author.backward} <= verdicts.keys():
        raise Unknown
    if {"__eq__", "__hash__"} & author.body.keys() or any(map(is_odd_field, map(author.body.get, dialect.names))):
        raise Unknown
    complete(dialect, verdicts)
    return dialect, verdicts


def is_odd_field(thing):
    """Whether the class's body uses a field's name for something else than a slot. thing: its value there, or None."""
    return thing is not None and not isinstance(thing, MemberDescriptorType)


def role(name, author):
    return "backward" if name == author.backward else name


def digest(text):
    """A digest of a text: 64 bits as 16 hexadecimal digits."""
    data = text.encode()
    return f"{crc32(data):08x}{crc32(data[::-1], 1):08x}"


def is_that(function, node):
    """Whether a function was made by this definition in the text, which has no decorators."""
    return isinstance(function, FunctionType) and not node.decorator_list \
        and function.__code__.co_firstlineno == node.lineno and function.__code__.co_name == node.name


def are_builtin(names, author):
    """Whether names, of builtins or `math`, have Python's own meanings in the author's module, now and later."""
    for name in names:
        if name == "math":
            if author.module_globals.get(name) is not math or author.text.bindings[name] or not is_itself(math):
                return False
        elif name in author.module_globals or author.text.bindings[name] or not hasattr(builtins, name) \
                or not is_pythons_own(vars(builtins)[name]):
            return False
    return not author.text.binds_anything and not author.is_rebound


# ---- The constructor ----

def read_constructor(node, author):
    """The dialect, as far as the constructor shows it, and the roles of the constructor's arguments by name.

    node: the constructor's definition. Raises Unknown if it does anything but store its arguments.
    """
    if node is None or not is_that(author.body["__init__"], node) or node.args.kwonlyargs or node.args.vararg \
            or node.args.kwarg or node.args.posonlyargs:
        raise Unknown
    self, *parameters = [argument.arg for argument in node.args.args]
    defaults = dict(zip(reversed(parameters), reversed(node.args.defaults)))
    dialect, roles = Dialect(), {self: "self"}
    for statement in body_of(node):
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            raise Unknown
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        if isinstance(statement, ast.Assign) and len(statement.targets) != 1 or not isinstance(target, ast.Attribute) \
                or not isinstance(target.value, ast.Name) or target.value.id != self or target.attr in dialect.names \
                or target.attr.startswith("__"):
            raise Unknown
        read_field(target.attr, statement.value, parameters, defaults, dialect, roles)
        dialect.names.append(target.attr)
    if not dialect.data or not dialect.grad or len(dialect.children) != 1 or set(parameters) - roles.keys() \
            or not are_builtin({"set", "tuple", "float", "list"}, author):
        raise Unknown
    return dialect, roles


def read_field(name, value, parameters, defaults, dialect, roles):
    """Add what one statement `self.name = value` of a constructor shows to dialect and roles. Raises Unknown."""
    convert, given = None, value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and len(value.args) == 1 and not value.keywords:
        convert, given = value.func.id, value.args[0]
    default = getattr(defaults.get(given.id), "value", defaults.get(given.id)) if isinstance(given, ast.Name) else None
    if isinstance(given, ast.Name) and given.id in parameters and given.id not in roles:
        if given.id not in defaults and convert is None:
            roles[given.id], dialect.data = "data", name
        elif isinstance(default, ast.Tuple) and not default.elts and convert in ("set", "tuple", None):
            is_derivatives = convert is None and bool(dialect.children)
            roles[given.id] = "local_grads" if is_derivatives else "children"
            if is_derivatives:
                dialect.local_grads.append(name)
            else:
                dialect.children[name] = {"set": set}.get(convert, tuple)
                dialect.on_leaf[name] = dialect.children[name]()
        elif default == "" and convert is None and isinstance(defaults[given.id], ast.Constant):
            is_label = name == "label"
            roles[given.id] = "label" if is_label else "op"
            if is_label:
                dialect.extras[name] = ""
            elif dialect.op or "op" not in name:
                raise Unknown
            else:
                dialect.op.append(name)
                dialect.on_leaf[name] = ""
        else:
            raise Unknown
    elif isinstance(value, ast.Constant) and type(value.value) in (int, float) and value.value == 0 \
            and not dialect.grad:
        dialect.grad, dialect.float_grad = name, type(value.value) is float
    elif dialect.closure:
        raise Unknown
    elif isinstance(value, ast.Lambda) and isinstance(value.body, ast.Constant) and value.body.value is None:
        dialect.closure.append(name)
        dialect.on_leaf[name] = lambda: None
    elif isinstance(value, ast.Constant) and value.value is None and "backward" in name:
        dialect.closure.append(name)
        dialect.on_leaf[name] = None
    else:
        raise Unknown


def complete(dialect, verdicts):
    """Add what the other methods show to the dialect. Raises Unknown if constructor, `+`, `*` and backward() don't fit
    each other; removes other methods that don't fit from the verdicts."""
    plus, times, back = verdicts["__add__"], verdicts["__mul__"], verdicts[dialect.backward]
    if len({facts["deferred"] for facts in (plus, times, back)}) > 1 or plus["results"] != times["results"] \
            or bool(dialect.closure) != plus["deferred"] or bool(dialect.local_grads) == plus["deferred"]:
        raise Unknown
    dialect.is_deferred, dialect.results, dialect.float_seed = plus["deferred"], plus["results"], back["float_seed"]
    for name, facts in list(verdicts.items()):
        if facts.get("deferred", dialect.is_deferred) != dialect.is_deferred:
            del verdicts[name]
            continue
        ours = NAMES.get(name, name)
        if dialect.op and facts["op"] not in (None, ours, POWER):
            dialect.op_names[ours] = facts["op"]
    dialect.micrograd_relu = verdicts.get("relu", {}).get("micrograd_relu", False)
    dialect.tanh_by_power = verdicts.get("tanh", {}).get("tanh_by_power", False)


# ---- The canonical form ----

POWER = object()        # stands for the operation's name f"**{exponent}", which is ours too


class Form:
    """A method's canonical form. text: the form. op: the name of its operation, POWER, or None. globals: the names that
    the method uses but doesn't bind."""

    def __init__(self):
        self.text, self.op, self.globals = "", None, set()


def canonical(node, class_name, dialect, arguments):
    """The canonical form of a method. arguments: the roles of the constructor's arguments, by name."""
    form, names = Form(), {}
    attributes = {dialect.data: ".data", dialect.grad: ".grad", **dict.fromkeys(dialect.children, ".children"),
                  **dict.fromkeys(dialect.op, ".op"), **dict.fromkeys(dialect.local_grads, ".local_grads"),
                  **dict.fromkeys(dialect.closure, ".closure")}
    own = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)} \
        | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} \
        | {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node}
    out = []

    def write_name(name):
        if name in own:
            out.append(names.setdefault(name, f"v{len(names)}"))
        elif name == class_name:
            out.append("CLASS")
        else:
            form.globals.add(name)
            out.append(name)

    def write(x):
        if isinstance(x, ast.Name):
            write_name(x.id)
        elif isinstance(x, ast.arg):
            write_name(x.arg)
        elif isinstance(x, ast.Attribute):
            write(x.value)
            out.append(attributes.get(x.attr, "." + x.attr + "!"))
        elif isinstance(x, ast.Constant):
            out.append(repr(x.value))
        elif isinstance(x, ast.FunctionDef):
            for decorator in x.decorator_list:
                out.append("@")
                write(decorator)
            out.append("def ")
            write_name(x.name)
            write(x.args)
            write(body_of(x))
        elif isinstance(x, ast.Call) and is_node_made(x):
            write_node(x)
        elif isinstance(x, ast.Assert):
            out.append("assert ")
            write(x.test)
        elif isinstance(x, ast.AnnAssign) and x.value is not None:
            out.append("Assign([")
            write(x.target)
            out.append("],")
            write(x.value)
            out.append(")")
        elif isinstance(x, ast.Assign):
            out.append("Assign(")
            write(x.targets)
            out.append(",")
            write(x.value)
            out.append(")")
        elif isinstance(x, ast.AST):
            out.append(type(x).__name__ + "(")
            for name in x._fields:
                if name not in ("ctx", "type_comment", "kind"):
                    write(getattr(x, name, None))
                    out.append(",")
            out.append(")")
        elif isinstance(x, list):
            out.append("[")
            for each in x:
                write(each)
                out.append(",")
            out.append("]")
        else:
            out.append(repr(x))

    def is_node_made(call):
        return isinstance(call.func, ast.Name) and call.func.id == class_name

    def note_op(given):
        """Move the operation's name from a node's arguments to the form."""
        op = given.pop("op", ast.Constant(""))
        if isinstance(op, ast.JoinedStr) and is_power_name(op):
            found, given["exponent"] = POWER, op.values[1].value
        elif isinstance(op, ast.Constant) and type(op.value) is str:
            found = op.value
        else:
            found, given["op"] = None, op
        if form.op not in (None, found):
            given["second op"] = op
        form.op = found

    def write_node(call):
        """Write a call `Value(data, (a, b), '+')`, with its arguments by role and without the operation's name."""
        given = dict(zip(list(arguments.values())[1:], call.args))
        for keyword in call.keywords:
            given[arguments.get(keyword.arg, keyword.arg)] = keyword.value
        if len(call.args) >= len(arguments) or len(given) != len(call.args) + len(call.keywords):
            given["odd"] = call.args + call.keywords
        if "children" in given:
            note_op(given)
        out.append("CLASS(")
        for role in sorted(given):
            out.append(role + "=")
            write(given[role])
            out.append(",")
        out.append(")")

    write(node.args)
    write(body_of(node))
    form.text = "".join(out)
    return form


def found_texts(author, dialect, methods):
    """The entries for known_texts.py of a class that has been tried: {(method, digest): facts}. Empty if the
    constructor isn't a usual one.

    methods: the judge's verdicts by name, in words.
    """
    node = author.text.class_at(author.cls.__name__, author.line)
    try:
        texts = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        read, arguments = read_constructor(texts.get("__init__"), author)
    except Unknown:
        return {}
    found = {}
    for name, how in methods.items():
        if name in texts and is_that(author.body[name], texts[name]) and (name in METHODS or name == author.backward) \
                and (how == "ours" or how.startswith("the author's: at ")):
            form = canonical(texts[name], author.cls.__name__, read, arguments)
            if not are_builtin(form.globals, author):
                continue
            facts = {"why": how.partition(": ")[2]} if how != "ours" else {}
            if name in ("__add__", "__mul__"):
                facts["results"] = dialect.results
            if name == author.backward:
                facts["float_seed"] = dialect.float_seed
            if name == author.backward or ".closure" in form.text or "local_grads=" in form.text:
                facts["deferred"] = dialect.is_deferred
            if name == "relu" and how == "ours":
                facts["micrograd_relu"] = dialect.micrograd_relu
            if name == "tanh" and how == "ours":
                facts["tanh_by_power"] = dialect.tanh_by_power
            found[role(name, author), digest(form.text)] = facts
    return found


def is_power_name(op):
    """Whether an f-string is f'**{exponent}'."""
    return len(op.values) == 2 and isinstance(op.values[0], ast.Constant) and op.values[0].value == "**" \
        and isinstance(op.values[1], ast.FormattedValue) and isinstance(op.values[1].value, ast.Name) \
        and op.values[1].conversion == -1 and op.values[1].format_spec is None


def body_of(function):
    """A function's statements without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) \
        and isinstance(first.value.value, str)
    return function.body[1:] if is_docstring else function.body
