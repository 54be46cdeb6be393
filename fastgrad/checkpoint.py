"""Checkpoints: save(path, ...) and load(path), in JSON, exact to the bit, and never half a file.

    save("model.json", model=model, optimizer=optimizer, random=random, step=100)
    step = load("model.json", model=model, optimizer=optimizer, random=random)["step"]

What has a state_dict() is saved by it, and Python's random numbers by getstate(), so that a run that goes on computes
what it would have computed. Everything else is what JSON has: numbers, text, bools, None, lists, dicts with names that
are texts; and tuples. No pickle: nothing in a file is executed.

The file is one line of JSON: {"fastgrad": 1, "digest": ..., "content": ...}. Python writes a float so that it reads
back the same double, and an int as an int. JSON has neither inf nor nan nor tuples: they are {"float": "-inf"} and
{"tuple": [...]}, and a dict that could be taken for one of these is {"dict": {...}}. The digest is of the content's
text as Python writes it. A file is written beside its place, forced to the disk, and renamed.
"""
import hashlib
import json
import math
import operator
import os
import struct
import tempfile
from collections.abc import Mapping

from fastgrad.value.public import public

__all__ = ["save", "load"]

VERSION = 1
MARKS = ("float", "tuple", "dict")


@public
def save(path, content=None, /, **named):
    """Write a checkpoint.

    path: a file's name. content: what is to be saved; or named: several things by name, which are saved as a dict. Each
    is a Module, an optimiser, a schedule, whatever else has a state_dict(), Python's module `random` or a
    random.Random, or a number, text, bool, None, or a list, tuple or dict of all these.

    The file is there as a whole or, after an error or a crash, as it was before. (A pipe or a device is written to.)
    Raises TypeError for what can't be saved, saying where it is; ValueError for a list or dict within itself;
    RecursionError if lists are thousands deep; OSError if the file can't be written.
    """
    if named and content is not None:
        raise TypeError("save() takes one content, or several by name, not both")
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"the file's name comes first, save('model.json', model), and isn't {type(path).__name__!r}")
    text = _text(_encoded(named or content, "", ()))
    _write(path, f"{_head(text)}{text}}}\n")


@public
def load(path, /, **targets):
    """Read a checkpoint, and give what it holds to those that it was saved of.

    path: a file's name. targets: by the names with which they were saved, what has a load_state_dict(), or `random` or
    a random.Random. All of them get their state, or, after an error, none.

    Returns what was saved: states as dicts, a state of random numbers as a tuple for random.setstate().

    Raises OSError if the file can't be read; ValueError if it isn't a whole checkpoint, or has nothing of a target's
    name; and what a target's load_state_dict() raises.
    """
    content = _read(path)
    for name, target in targets.items():
        if not isinstance(content, dict) or name not in content:
            raise ValueError(f"{os.fspath(path)!r} has nothing called {name!r}")
        if not callable(getattr(target, "load_state_dict", None) or getattr(target, "setstate", None)):
            raise TypeError(f"{name} can't be given a state: it is {type(target).__name__!r}")
    before = []
    try:
        for i, (name, target) in enumerate(targets.items(), 1):
            if i < len(targets):        # the last one keeps its own state if it raises
                before.append((target, _state(target)))
            _set_state(target, content[name])
    except BaseException:
        for target, state in before:
            _set_state(target, state)
        raise
    return content


def _state(x):
    return x.state_dict() if hasattr(x, "state_dict") else x.getstate()


def _set_state(x, state):
    if hasattr(x, "load_state_dict"):
        x.load_state_dict(state)
    else:
        x.setstate(state)


# ---- Content as JSON ----

def _encoded(x, where, within):
    """x as what JSON has. where: its place, for errors; within: the ids of what it's in."""
    kind = type(x)
    if kind is float:
        return x if math.isfinite(x) else {"float": _name(x)}
    if x is None or kind in (int, bool, str):
        return x
    if id(x) in within:
        raise ValueError(f"{where or 'the content'} is within itself")
    if isinstance(x, (list, tuple)):
        if _are_plain(x):
            encoded = list(x)
        else:
            encoded = [_encoded(part, f"{where}[{i}]", (*within, id(x))) for i, part in enumerate(x)]
        return {"tuple": encoded} if isinstance(x, tuple) else encoded
    if isinstance(x, Mapping):
        for name in x:
            if type(name) is not str:
                raise TypeError(f"{where or 'the content'} has the name {name!r}, and names in a checkpoint are text")
        encoded = {name: _encoded(part, f"{where}[{name!r}]" if where else name, (*within, id(x)))
                   for name, part in x.items()}
        return {"dict": encoded} if len(x) == 1 and next(iter(x)) in MARKS else encoded
    if callable(getattr(x, "state_dict", None)) or callable(getattr(x, "getstate", None)):
        if not isinstance(x, type):
            return _encoded(_state(x), where, (*within, id(x)))
    if hasattr(kind, "dtype") and hasattr(kind, "tolist"):     # NumPy's
        plain = x.tolist()
        if type(plain) in (int, float, bool, str, list):
            return _encoded(plain, where, within)
    if isinstance(x, float):
        return _encoded(float(x), where, within)
    if isinstance(x, int):
        return operator.index(x)
    if isinstance(x, str):
        return str.__str__(x)
    raise TypeError(f"{where or 'the content'} can't be saved: it is {kind.__name__!r}")


def _are_plain(xs):
    """Whether all in a list are numbers that stand for themselves in JSON. (Of these a model has many.)"""
    kinds = set(map(type, xs))
    return kinds <= {float, int} and all(map(math.isfinite, xs if kinds == {float} else
                                             [x for x in xs if type(x) is float]))


def _name(x):
    """inf, -inf, nan, or the 16 hexadecimal digits of another nan."""
    bits = struct.pack(">d", x).hex()
    return "nan" if bits == "7ff8000000000000" else bits if x != x else repr(x)


def _decoded(x):
    if type(x) is list:
        return x if _are_plain(x) else list(map(_decoded, x))
    if type(x) is not dict:
        return x
    if len(x) == 1:
        (mark, content), = x.items()
        if mark == "float":
            return float(content) if len(content) != 16 else struct.unpack(">d", bytes.fromhex(content))[0]
        if mark == "tuple":
            return tuple(_decoded(content))
        if mark == "dict":
            return {name: _decoded(part) for name, part in content.items()}
    return {name: _decoded(part) for name, part in x.items()}


def _text(encoded):
    return json.dumps(encoded, allow_nan=False, separators=(",", ":"))


def _head(text):
    """What stands in a file before the text of its content."""
    return f'{{"fastgrad":{VERSION},"digest":"{_digest(text)}","content":'


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _is_whole(page, written):
    """Whether a page that was read has the content whose digest it has. written: the file's text, which may have been
    laid out in another way since."""
    if "content" not in page:
        return False
    text = written.rstrip().removesuffix("}").partition('"content":')[2]
    return written.startswith(_head(text)) or page.get("digest") == _digest(_text(page["content"]))


# ---- Files ----

def _read(path):
    with open(path, "rb") as file:
        raw = file.read()
    name = os.fspath(path)
    try:
        written = raw.decode("utf-8")
        page = json.loads(written)
    except (ValueError, RecursionError) as error:
        begins = raw.lstrip()[:11] == b'{"fastgrad"'
        what = "is damaged: it ends or breaks off too soon" if begins else "isn't a checkpoint of fastgrad's"
        raise ValueError(f"{name!r} {what} ({error})") from None
    if not isinstance(page, dict) or "fastgrad" not in page:
        raise ValueError(f"{name!r} isn't a checkpoint of fastgrad's")
    if page["fastgrad"] != VERSION:
        raise ValueError(f"{name!r} is a checkpoint of version {page['fastgrad']!r}, and this fastgrad reads {VERSION}")
    if not _is_whole(page, written):
        raise ValueError(f"{name!r} is damaged: its content isn't what its digest says")
    return _decoded(page["content"])


def _write(path, text):
    path = os.fsdecode(path)
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)            # to a pipe or a device, whose place a file mustn't take
        return
    path = os.path.realpath(path)       # of a link, what it leads to
    folder = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=folder)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":      # the name too, not only what is in the file
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _mode(path):
    """Who may read and write the file: as before, or if it's new as open() would make it."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask
