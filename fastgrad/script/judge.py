"""Decide by trials which methods of an author's class our operations replace: those that a script can't tell from ours.

A closed method (closed.py) is compared with ours on small expressions (trials.py), to the last bit. If it differs, it
stays the author's, and must do on our nodes what it does on the author's own. A method that isn't closed stays the
author's without a trial. At the end the twin and the author's class are compared in random programs. If they differ,
the class isn't replaced.
"""
import contextlib
import random
from types import FunctionType

from fastgrad.script import closed
from fastgrad.script.probe import GRADIENTS, describe, observe, same
from fastgrad.script.reach import FINITE, Reach
from fastgrad.script.sandbox import TRIAL_ERRORS, NotReplaceable, Untried
from fastgrad.script.trials import GRAPHS, METHODS, MIXED, experiments, random_program
from fastgrad.script.verdict import OURS, ZEROING, Verdict, parameters


class Judge(Verdict):
    """A Verdict that is reached by trials. Its decide() raises NotReplaceable."""

    def __init__(self, author, dialect, twin, known):
        super().__init__(author, dialect, twin, known)
        self.sandbox, self.attributes, self.reaches = author.sandbox, {*dialect.names, *author.body}, {}

    @property
    def theirs(self):
        return self.author.theirs

    def decide(self):
        before = static_state(self.theirs)
        for name in ("__init__", "__add__", "__mul__"):
            if name not in self.known and (why := self.may_change(name)):
                raise NotReplaceable(f"{name} {why}")
        super().decide()
        self.check_whole()
        if static_state(self.theirs) != before or self.sandbox.has_kept_traces():
            raise NotReplaceable("it counts or collects its instances")

    def reach(self, name):
        """The code that a method runs, operations aside."""
        if name not in self.reaches:
            self.reaches[name] = Reach(self.author.body[name], self.author.body, self.author.reader.relied, own=METHODS)
        return self.reaches[name]

    def has_closure(self, name):
        """Whether a method may make a closure. Else its results have those of other methods."""
        return not isinstance(self.author.body[name], FunctionType) \
            or any(self.dialect.grad in code.co_names for code, _ in self.reach(name).codes)

    def may_change(self, name):
        """Why a method could differ from ours in a case that no trial covers, in words; None if it can't."""
        if why := self.author.why_not(name):
            return why
        function = self.author.body[name]
        if not isinstance(function, FunctionType):
            return "isn't a plain function"
        reach = self.reach(name)
        for each in reach.functions:
            if strange := closed.unknown_attribute(each, self.attributes):
                return f"uses {strange!r}, of which nothing is known"
        is_backward = name == self.dialect.backward
        numbers = reach.numbers({0, 1, -1}) if is_backward else reach.numbers()
        if numbers and (is_backward or reach.compares()):
            return f"compares, and has the number {min(numbers, key=repr)!r} in it"
        if name == "__init__":
            asks = reach.compares() or FINITE & {x for code, _ in reach.codes for x in code.co_names}
            if asks and reach.raises():
                return "raises for some numbers"
            read = reach.reads()[0] & {*self.dialect.names}
            return f"reads {min(read)!r} of its operands" if read else None
        if is_backward:
            if reach.raises():
                return "raises for some graphs"
            harmless = {*self.dialect.children, *self.dialect.local_grads, *self.dialect.closure}
            if self.dialect.local_grads:
                harmless.add(self.dialect.grad)
            read = {*reach.reads()[0], *reach.reads()[1]}
        else:
            if kind := reach.asks_for_kinds():
                return f"asks with {kind!r} for what isn't tried"
            if {self.dialect.data, self.dialect.grad} & reach.stores():
                return "sets numbers of nodes"
            harmless = {self.dialect.data}
            at_once, later = reach.reads()
            read = at_once | later - {self.dialect.grad}
        read &= {*self.dialect.names} - harmless
        return f"reads {min(read)!r}, which may change" if read else None

    # ---- Trials ----

    def differs(self, make, values, tolerance=0.0, **how):
        """The difference that a script could see between our class and the author's, in words; None if there's none.

        make, values, how: as for observe() in probe.py. tolerance: the relative difference of floats that is ignored.
        """
        self.sandbox.untried = None
        try:
            seen, wanted = self.both(make, values, **how)
            if same(seen, wanted, tolerance):
                return None
            if self.sandbox.untried is None:
                shown = {name: x for name, x in how.items() if name != "gradients"}
                if seen[0] != wanted[0]:        # it takes a look at operands
                    seen, wanted = self.both(make, values, whole=True, **how)
                return describe(seen, wanted, values, make, **shown)
        except Untried:
            pass
        return f"it uses {self.sandbox.untried}, which {self.author.why_not(self.sandbox.untried)}"

    def both(self, make, values, **how):
        """The observations of an expression with our class and with the author's."""
        with self.on_ours():
            seen = observe(make, self.twin.ours, self.dialect, values, **how)
        return seen, observe(make, self.theirs, self.dialect, values, **how)

    def on_ours(self):
        """A context manager in which the class's name means our class in the sandbox, so that it can be tried."""
        return bound(self.sandbox, self.twin.ours, self.theirs)

    def difference(self, name, but_complex=False):
        """The first difference between our method and the author's in the method's experiments, in words, or None.

        but_complex: ignore the difference that a Value can't hold a complex number. (Ours raises at once, the author's
        class only when it uses the number.)
        """
        gradients = GRADIENTS if self.has_closure(name) else ()
        for i, (make, values) in enumerate(experiments(name)):
            for change in (False, True) if i < 16 else (False,):        # the rest are extremes, and similar ones
                found = self.differs(make, values, change=change, gradients=gradients[:3] if change else gradients)
                if found and not (but_complex and " raises " in found and "is a complex number" in found):
                    return found
        return None

    def choose_untold(self, name):
        """Choose our method if it can't be told from the author's, else the author's. Raises NotReplaceable if that
        doesn't do on our nodes what it does on the author's own."""
        untried = self.author.why_not(name)
        found = self.may_change(name)
        if not found and parameters(self.author.body[name]) and not name.startswith("__"):
            found = "takes arguments"
        found = f"it {found}" if found else self.dialect.unlike.get(name) or self.difference(name)
        if found is None:
            self.twin.methods[name] = OURS
            return
        self.twin.keep(name)
        if not untried and not self.sandbox.untried and (still := self.difference(name, but_complex=True)) is not None \
                and not self.sandbox.untried:
            raise NotReplaceable(f"{name} doesn't do on our nodes what it does on its own: {still}")
        self.twin.methods[name] = f"the author's: {found}"

    def only_stores(self, constructor):
        return closed.only_stores(constructor)

    def choose_backward(self, name):
        if why := self.may_change(name):
            self.twin.keep(name)
            self.twin.methods[name] = f"the author's: it {why}"
            return
        found = None
        for how in (OURS, ZEROING):
            self.twin.use_backward(zeroing=how is ZEROING)
            differs = self.gradients_differ()
            found = found or differs
            if differs is None:
                takes_more = bool(parameters(self.author.body[name]))
                if takes_more:
                    self.twin.use_backward(zeroing=how is ZEROING, with_arguments=True)
                if not self.dialect.is_ordered or not self.programs_differ():
                    self.twin.methods[name] = how + (" when called without arguments" if takes_more else "")
                    return
        self.twin.keep(name)
        still = self.gradients_differ()
        if still is not None:
            raise NotReplaceable(f"{name}() doesn't do on our nodes what it does on its own: {still}")
        self.twin.methods[name] = f"the author's: {found or 'it adds gradients in another order than ours'}"

    def gradients_differ(self):
        for make, values in GRAPHS:
            for times in (1, 2):
                if found := self.differs(make, values, 1e-12, times=times):
                    return found
        return None

    def programs_differ(self, tolerance=0.0):
        """The first difference in random programs of all operations that may be tried, in words, or None."""
        chance = random.Random(1)
        names = {name for name in METHODS if self.author.may_try(name)}
        for _ in range(40):
            program = random_program(chance, names)
            values = [chance.choice([chance.uniform(-2, 2), chance.randint(-3, 3)]) for _ in range(3)]
            found = self.differs(program, values, tolerance)
            if found and not self.sandbox.untried:
                return found
        return None

    def check_whole(self):
        """Compare the classes of results of subclasses, and random programs. Raises NotReplaceable if they differ."""
        with self.on_ours():
            seen = self.kinds_of_results(self.twin.ours)
        if seen != self.kinds_of_results(self.theirs):
            raise NotReplaceable("its subclasses' results aren't understood")
        if found := self.programs_differ():
            if self.dialect.is_ordered or self.programs_differ(1e-9):
                raise NotReplaceable(f"in a random program {found}")

    def kinds_of_results(self, cls):
        """For each operation with an operand of a subclass: whether the result is of the subclass, or the error."""
        derived = type("Derived", (cls,), {})
        kinds = []
        for name in METHODS:
            for f in MIXED[name] if name not in self.author.body or self.author.may_try(name) else ():
                try:
                    kinds.append(type(f(cls(2.0), derived(3.0))) is derived)
                except Untried as untried:
                    kinds.append(str(untried))
                except TRIAL_ERRORS as error:
                    kinds.append(type(error))
        return kinds


@contextlib.contextmanager
def bound(sandbox, ours, theirs):
    sandbox.bind(ours)
    try:
        yield
    finally:
        sandbox.bind(theirs)


def static_state(cls):
    """The reprs of a class's own data, and other objects by their id, by name. They change if a method counts or
    collects something there, or stores its instance."""
    return {name: repr(x) if isinstance(x, (int, float, str, list, dict, set, tuple)) else id(x)
            for name, x in vars(cls).items() if not name.startswith("__")}
