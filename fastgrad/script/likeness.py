"""Compare the output of two runs number by number, without what differs each time that a script runs.

What differs are times, dates, addresses and names of temporary files. They are left out where the text around a number
shows what it is (`0.31 s`, `time: 0.31`, `12:34:56`). A number that could be something else, such as a loss, is
compared. The elements of a printed set are sorted before they are compared. So are lines, if operands are in sets.
"""
import math
import re
import tempfile
import time

TOLERANCE = 1e-9
SMALLEST = 5e-324       # stands for the relative difference of 0.0 and -0.0
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)", re.IGNORECASE)
BAR = re.compile(r"\[\d\d:\d\d(?::\d\d)?[<,]")         # in a progress bar of tqdm

_N = r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?"
_S = r"(?:(?:nano|micro|milli)seconds?|[num\u00b5\u03bc]s(?:ecs?)?|s|secs?|seconds?)"
_UNIT = rf"(?:{_S}|mins?|minutes?|hrs?|hours?)"
_THINGS = (r"(?:it|its|iters?|iterations?|steps?|epochs?|samples?|examples?|batch(?:es)?|toks?|tokens?|words?|chars?"
           r"|docs?|nodes?|ops?|[kmgt]?flops?|[kmgt]?i?b|bytes|calls?|passes|updates?|lines?|images?|games?)")
_NO_NUMBER_AFTER = r"(?!\s*[:=]?\s*[-+.]?\d)"           # `max 0.5 min 0.3` has no time
_NO_COUNT = rf"(?!\d|\.\d|\s*(?:{_THINGS}|times|rounds?|tries|attempts)\b)"       # `it took 5 steps` has no time
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
TIMES = [re.compile(pattern, re.IGNORECASE) for pattern in (
    # dates and clocks
    r"\b\d{4}-\d\d-\d\d(?:[T_ ]\d\d[-:]\d\d(?:[-:]\d\d(?:[.,]\d+)?)?(?:Z|[-+]\d\d:?\d\d)?)?\b",
    r"\b\d{8}[-_T]\d{6}\b",
    rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? )?{_MONTH}\s+\d+,? (?:\d\d:\d\d:\d\d )?(?:[A-Z]+ )?\d{{4}}\b",
    r"(?<![\d:.])\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?![\d:])", r"(?<=[\[<])\d\d:\d\d(?=[<,\]])",
    # rates: 9.7it/s, 12 ms/step, tokens/sec: 120, 3.1x faster
    rf"(?:{_N}|\?)\s*{_THINGS}\s?(?:/\s?(?:s|secs?|seconds?|min|ms)|per (?:sec|second|minute|hour))\b",
    rf"{_N}\s*{_S}\s?(?:/|per)\s?{_THINGS}\b", rf"\b{_THINGS}\s?(?:/|per)\s?(?:s|secs?|seconds?)\s*[:=]\s*{_N}",
    rf"{_N}\s*[x\u00d7] (?:faster|slower|speed-?up)\b", rf"\bspeed-?up\s*[:=]?\s*{_N}", rf"{_N} loops? each\b",
    # spans: 1h 2m 3.4s, 5 min 3 s, 0.31 s, time: 0.31
    r"(?<![\w.])(?:\d+\s?[dhm]\s*)+\d+(?:\.\d+)?\s?s\b",
    rf"{_N}\s*{_UNIT}(?:,?\s+(?:and\s+)?{_N}\s*{_UNIT})*(?!\w){_NO_NUMBER_AFTER}",
    rf"\b(?:(?:\w*_|run|wall|cpu)?time|elapsed|took|duration|(?-i:ETA)|seconds|secs?|ms)"
    rf"(?:[ _](?:taken|elapsed|spent|used|(?:per|for) [a-z]+))?(?:\s*[\[(][^\])\d]*[\])])?\s*(?:[:=]+|is|was)?\s*"
    rf"{_N}{_NO_COUNT}",
    # files and processes
    rf"(?:/tmp|/var/tmp|/var/folders/\w+/\w+/T|{re.escape(tempfile.gettempdir())})"
    r"[/\\][\w.+-]*?[a-z0-9_]{8}(?![a-z0-9_])",
    r"\btmp[a-z0-9_]{8}\b", r"0x[0-9a-f]{6,}", r"\bpid\b\W{0,3}\d+", r"\bid\b\W{0,3}\d{7,}")]
POINTER = re.compile(r"(?<![\w.])(?:9[345]\d{12}|1(?:3[89]|40)\d{12})(?![\w.])")       # id(x), as a number
SECONDS = re.compile(r"(?<![\w.])1\d{9}(?:\.\d+)?(?!\w)")                               # time.time()


class Likeness:
    """The result of comparing two texts.

    difference: the first difference, in words, or None. worst: the largest relative difference of two numbers. masked:
    how many lines are the same except for times and the like. moved: how many lines are in another place.
    """

    def __init__(self, own, ours, any_order):
        """own, ours: the output with the author's class, and with ours. any_order: whether lines may come in another
        order."""
        self.difference, self.worst, self.masked, self.moved, self.any_order = None, 0.0, 0, 0, any_order
        own, ours = rows(own), rows(ours)
        differing = [i for i, (x, y) in enumerate(zip(own, ours)) if not self.is_same(x, y)]
        if any_order and len(own) == len(ours) and self.is_permuted([own[i] for i in differing],
                                                                    [ours[i] for i in differing]):
            self.moved = len(differing)
        elif differing:
            i = differing[0]
            self.difference = f"line {i + 1} of the output is {own[i]!r} with its own class, {ours[i]!r} with ours"
        elif len(own) != len(ours):
            self.difference = f"its own class prints {len(own)} lines, ours {len(ours)}"

    def is_same(self, x, y):
        if x == y or self.is_close(x, y):
            return True
        if self.is_close(masked(x), masked(y)):
            self.masked += 1
            return True
        return False

    def is_close(self, x, y):
        if NUMBER.sub("#", x) != NUMBER.sub("#", y):
            return False
        error = max(map(self.error, NUMBER.findall(x), NUMBER.findall(y)), default=0.0)
        if error > TOLERANCE:
            return False
        self.worst = max(self.worst, error)
        return True

    def error(self, one, other):
        """The relative difference of two numbers' texts. It's infinite between 4 and 4.0, and between 0.0 and -0.0
        except where sums have no order."""
        x, y = float(one), float(other)
        if x != y or one == other:
            return relative(x, y)
        if one.lstrip("+-").isdigit() != other.lstrip("+-").isdigit():
            return math.inf
        return 0.0 if repr(x) == repr(y) else SMALLEST if self.any_order else math.inf

    def is_permuted(self, own, ours):
        """Whether lines are the same in another order. False if several lines have the same words and one number each,
        since only the order of these shows which number is which."""
        if not own:
            return False
        own, ours = (sorted(map(masked, lines), key=in_order) for lines in (own, ours))
        kinds = [NUMBER.sub("#", line) for line in own]
        return all(kinds.count(kind) == 1 or kind.count("#") > 1 or "#" not in kind for kind in set(kinds)) \
            and all(map(self.is_close, own, ours))


def rows(text):
    """The lines of a text. What \\r overwrites is a line of its own, but of a progress bar only the last state counts.
    """
    found = []
    for line in text.replace("\r\n", "\n").splitlines() if "\r" not in text else text.split("\n"):
        written = [part for part in line.split("\r") if part.strip()] or [""]
        found += written[-1:] if any(map(BAR.search, written)) else written
    return found


def masked(line):
    """A line with <time> for what changes from run to run, and with the elements of sets sorted."""
    for pattern in TIMES:
        line = pattern.sub("<time>", line)
    line = POINTER.sub(lambda found: "<time>" if int(found[0]) % 8 == 0 else found[0], line)
    line = SECONDS.sub(lambda found: "<time>" if abs(float(found[0]) - time.time()) < 86400 else found[0], line)
    if "<time>" in line:
        line = re.sub(r"\s+", " ", re.sub(r"\s*<time>", " <time>", line)).strip()
    return sets_in_order(line)


def sets_in_order(line):
    """A line in which the elements of each set, a {...} without a colon, are sorted."""
    stack = [["", [""], False]]         # for each open bracket: the bracket, its elements, whether it has a colon
    for char in line if "{" in line else "":
        if char in "{[(":
            stack.append([char, [""], False])
        elif char in "}])":
            bracket, elements, is_dict = stack.pop()
            if bracket + char not in ("{}", "[]", "()"):
                return line
            if bracket == "{" and not is_dict:
                elements = sorted((element.strip() for element in elements), key=in_order)
            stack[-1][1][-1] += bracket + ", ".join(element.strip() for element in elements) + char
        elif char == "," and len(stack) > 1:
            stack[-1][1].append("")
        else:
            stack[-1][2] |= char == ":"
            stack[-1][1][-1] += char
    return line if len(stack) > 1 or "{" not in line else stack[0][1][0]


def in_order(text):
    """The key by which texts are sorted: the words first, then the numbers."""
    return NUMBER.sub("#", text), numbers(text)


def numbers(text):
    return [float(x) for x in NUMBER.findall(text)]


def relative(x, y):
    """The relative difference of two numbers."""
    if x == y or x != x and y != y:
        return 0.0
    difference = abs(x - y) / max(abs(x), abs(y), 1e-300)
    return difference if difference == difference else 1.0
