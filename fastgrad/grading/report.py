"""The result of a check: for a reader as text, for an autograder as JSON. docs/check.md describes both.

All is kept as the plain data that the JSON shows, since the command line gets a report from another process.
"""
import html
import json

import fastgrad

SCHEMA = 1
WORDS = {"right": "right", "rounding": "right to rounding", "wrong": "wrong", "missing": "missing", "raises": "raises",
         "untried": "not tried", "unknown": "-"}


class Report:
    """What check() returns. It's true if all is right.

    class_name, file, line: of the class. methods: a list of dicts, one for each method. findings: the mistakes, each a
    dict. remarks: texts about what is no mistake. data: all of it, as JSON has it.
    """

    def __init__(self, data):
        self.data = data
        self.class_name, self.file, self.line = data["class"], data["file"], data["line"]
        self.methods, self.findings, self.remarks = data["methods"], data["findings"], data["remarks"]

    def __bool__(self):
        return self.data["right"]

    @property
    def codes(self):
        """The names of the mistakes, sorted, each once: {"assigned", "no-topological-order"} as a list."""
        return sorted({finding["code"] for finding in self.findings})

    def json(self):
        """The report as JSON text."""
        return json.dumps(self.data, indent=2, ensure_ascii=False)

    def __str__(self):
        return "\n".join(self.lines())

    __repr__ = __str__

    def _repr_html_(self):
        # JupyterLab would break lines within words.
        return f'<pre style="white-space:pre-wrap;word-break:normal">{html.escape(str(self))}</pre>'

    def lines(self):
        n = len(self.findings)
        where = "".join(f" ({self.file}{f', line {self.line}' if self.line else ''})" if self.file else "")
        yield f"class {self.class_name}{where}: " + ("all that it has is right" if self else
                                                     f"{n} mistake{'s' * (n != 1)}")
        yield from (f"  {text}" for text in self.data["loading"])
        shown = [x for x in self.methods if x["value"] != "missing" or x["failed"]]
        width = max([len(x["shown"]) for x in shown], default=0)
        if shown:
            yield f"  {'':<{width}}  {'value':<17}  derivative"
        for x in shown:
            yield (f"  {x['shown']:<{width}}  {WORDS[x['value']]:<17}  {WORDS[x['gradient']]}"
                   + (f"  ({x['note']})" if x["note"] else "")).rstrip()
        if missing := [x["shown"] for x in self.methods if x["value"] == "missing" and not x["failed"]]:
            yield f"  It doesn't have, and needn't: {', '.join(missing)}"
        for i, finding in enumerate(self.findings, 1):
            yield f"{i}. {finding['method']}{f', line {finding_line}' if (finding_line := finding['line']) else ''}: " \
                  f"{finding['message']}"
            if finding["source"]:
                yield f"       {finding['source']}"
        for text in self.remarks:
            yield f"No mistake, but good to know: {text}"


def new(cls, file, line):
    """An empty report's data."""
    return {"schema": SCHEMA, "fastgrad": fastgrad.__version__, "file": file, "class": cls.__name__, "line": line,
            "right": True, "loading": [], "methods": [], "findings": [], "remarks": []}
