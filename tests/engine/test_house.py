"""The source is laid out so that it can be read in order: each part of the engine uses only what comes before it.

The parts are the .pxi files, in the order in which engine.pyx includes them, and engine.pyx itself, the last. The test
reads their text: which names a part defines at its outermost level, and which names it uses.
"""
import io
import re
import tokenize
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "fastgrad" / "engine" / "engine.pyx"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="needs the sources")
# What a part may use of a later one: (part, name): why.
EXCEPTIONS = {
    ("dialects.pxi", "Value"): "it makes classes that derive from Value, which engine.pyx makes of all the parts",
}
# The functions of later parts that earlier ones call, by pointers in state.pxi, and who sets them.
POINTERS = {"own_dealloc": "handle.pxi", "watch_cycles": "cycles.pxi", "open_small_cycles": "cycles.pxi"}


def parts():
    """{name: text} of the parts in their order. What engine.pyx has before its includes comes first."""
    before, _, after = ENGINE.read_text().partition('include "')
    names = re.findall(r'^include "(.*)"$', 'include "' + after, re.M)
    texts = {"engine.pyx, before": before}
    texts.update((name, (ENGINE.parent / name).read_text()) for name in names)
    texts["engine.pyx"] = re.sub(r'^(include )?"?\w+\.pxi"$', "", after, flags=re.M)
    return texts


def lines(text):
    """The tokens of a text, a list for each logical line: (indent, [(kind, string)]), without comments."""
    found, indent, line = [], 0, []
    for kind, string, *_ in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == tokenize.INDENT:
            indent += 1
        elif kind == tokenize.DEDENT:
            indent -= 1
        elif kind == tokenize.NEWLINE:
            found.append((indent, line))
            line = []
        elif kind in (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER):
            line.append((kind, string))
    return found


def defined(text):
    """The names that a part defines at its outermost level."""
    names, in_enum = set(), False
    for indent, line in lines(text):
        strings = [string for _, string in line]
        if indent > 0:
            if in_enum and indent == 1:
                names.add(strings[0])
            continue
        in_enum = strings[:2] == ["cdef", "enum"]
        if strings[0] in ("def", "class"):
            names.add(strings[1])
        elif strings[:2] in (["cdef", "class"], ["cdef", "struct"], ["cdef", "enum"]):
            names.update(re.findall(r"^\w+$", strings[2]))
        elif strings[0] == "cdef" and strings[1] != "extern":
            names.update(declared(line))
        elif len(strings) > 1 and strings[1] == "=":
            names.add(strings[0])
    return names - {"Node"}         # state.pxi declares it, and engine.pyx says what it is


def declared(line):
    """The names in a declaration like `cdef int f(int x)`, `cdef void (*f)()` or `cdef int a = 1, *b`."""
    strings = [string for _, string in line]
    if strings[-1] == ":" or "(" in strings[:strings.index("=")] if "=" in strings else "(" in strings:
        at = strings.index("(")
        if strings[at + 1] == "*":
            return {strings[at + 2]}
        return {[string for kind, string in line[:at] if kind == tokenize.NAME][-1]}
    names, depth, last, open_ = set(), 0, None, True
    for kind, string in [*line[1:], (tokenize.OP, ",")]:
        depth += (string in "([{") - (string in ")]}") if kind == tokenize.OP else 0
        if depth == 0 and string in ("=", ","):
            if open_:
                names.add(last)
            open_ = string == ","
        elif kind == tokenize.NAME and depth == 0 and open_:
            last = string
    return names


def used(text):
    """The names that a part uses, but for attributes: what follows a dot."""
    names = set()
    for _, line in lines(text):
        for (_, before), (kind, string) in zip([(0, "")] + line, line):
            if kind == tokenize.NAME and before != ".":
                names.add(string)
    return names


def test_what_the_test_reads():
    text = ("cdef int f(int x, g y) except -1:\n    return h(x.k)\ncdef void (*p)(int) noexcept\ncdef int a = 1, *b\n"
            'cdef object s "c_s"(t):\n    pass\ncdef enum:\n    ONE = 1\n    TWO\ncdef struct S:\n    int field\n')
    assert defined(text) == {"f", "p", "a", "b", "s", "ONE", "TWO", "S"}
    assert {"g", "h", "x"} <= used(text) and not {"k", "c_s"} & used(text)


def test_errors_are_caught_only_where_they_have_a_traceback():
    """Where a handler comes to its end, the code that Cython makes drops the error's traceback, and crashes if there's
    none. Only MemoryErrors are sure to have one: face.h leaves out the frames of others."""
    handlers = []
    for name, text in parts().items():
        lines = text.split("\n")
        for i, line in enumerate(lines):
            assert not re.match(r" +with ", line), f"{name} has a `with`, which is such a handler"
            found = re.match(r"( +)except\b *(.*?):", line)
            if found:
                inner = found[1] + "    "
                end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() and not lines[j].startswith(inner))
                block = [x for x in lines[i + 1:end] if x.strip()]
                last = [x for x in block if x[len(inner)] != " "][-1].split()[0]
                handlers.append(found[2])
                assert found[2] == "MemoryError" or last == "raise" or [x.split()[0] for x in block] == ["pass"], \
                    (name, line)
    assert len(handlers) > 9


def test_the_parts_of_the_engine():
    assert {path.name for path in ENGINE.parent.glob("*.pxi")} == {name for name in parts() if name.endswith(".pxi")}
    assert len({name for text in parts().values() for name in defined(text)}) > 250


@pytest.mark.parametrize("part", parts() if ENGINE.exists() else ())
def test_a_part_of_the_engine_uses_only_what_comes_before_it(part):
    texts, later = parts(), set()
    for other in reversed(texts):
        if other == part:
            break
        later |= defined(texts[other])
    for other in texts:
        later -= defined(texts[other])
        if other == part:
            break
    assert {(part, name) for name in used(texts[part]) & later} == {key for key in EXCEPTIONS if key[0] == part}


def test_calls_to_later_parts_go_by_a_few_pointers():
    texts = parts()
    pointers = {part: re.findall(r"^cdef \w+ \(\*(\w+)\)", text, re.M) for part, text in texts.items()}
    assert set(pointers["state.pxi"]) == {*POINTERS} and sum(map(len, pointers.values())) == len(POINTERS)
    for pointer, part in POINTERS.items():
        assert re.findall(rf"^{pointer} = \w+$", texts[part], re.M), f"{part} doesn't set {pointer}"
