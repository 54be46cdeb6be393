"""Examine what comes before any method: new instances, and that backward() starts from 1."""
from fastgrad.grading import sources
from fastgrad.grading.examination import call
from fastgrad.grading.expressions import is_same, number, right
from fastgrad.grading.naming import Name


def examine_ground(exam):
    """Whether instances can be in sets, start without gradients of their own, and backward() starts from 1."""
    cls, it = exam.cls, exam.interface
    if cls.__hash__ is None:
        exam.add("__eq__", "eq-without-hash", "`__eq__` without `__hash__`: Python takes `__hash__` away from a class "
                 "that defines `__eq__`, so that its instances can't be in sets or be keys of dicts, as `_prev` and "
                 "`visited` need it. Leave `__eq__` out, or write `__hash__ = object.__hash__`")
    if it.backward is None:
        exam.add("backward", "no-backward", "there's no method backward(), nor a function of that name")
        exam.backward_is_wrong = True
    elif it.grad is None:
        exam.add("backward", "no-gradient", "no attribute holds a gradient after backward(), such as `grad`")
        exam.backward_is_wrong = True
    else:
        for examine in (examine_fresh, examine_number, examine_sharing, examine_seed):
            if not exam.backward_is_wrong:
                examine(exam)


def init_place(exam, attribute):
    return sources.place_of(sources.function_of(exam.cls, "__init__"), "assigned", exam.cls.__name__, attribute, None)


def examine_fresh(exam):
    it = exam.interface
    gradient = call(exam, lambda: it.gradient(it.leaf(2.0)))
    if gradient:
        exam.add("__init__", "gradient-starts", f"a new instance's gradient is {number(gradient)}, it should be 0",
                 place=init_place(exam, it.grad))
        exam.backward_is_wrong = True


def examine_number(exam):
    """The constructor keeps the number as it is."""
    it = exam.interface
    for x in (2.5, -1.5):
        found = call(exam, lambda x=x: it.number(it.leaf(x)))
        if found is not None and not is_same(found, x):
            exam.add("__init__", "int-float", f"`{exam.cls.__name__}({number(x)}).{it.data}` is {number(found)}, it "
                     f"should be {number(x)}: a float is cut to a whole number", place=init_place(exam, it.data))
            exam.cuts_numbers = True
            return


def examine_sharing(exam):
    """Gradients belong to one instance."""
    it = exam.interface
    bystanders = call(exam, lambda: [it.leaf(2.0), it.leaf(7.0)])
    for text in ("a * b", "a + b"):
        exam.tester.see(text, {"a": 2.0, "b": 3.0})
    later = call(exam, lambda: [it.leaf(2.0), it.leaf(9.0)])
    for v in (bystanders or []) + (later or []):
        gradient = call(exam, lambda v=v: it.gradient(v))
        if gradient:
            exam.add("__init__", "shared-gradient", f"after backward() of `a * b` an instance that isn't part of it "
                     f"has the gradient {number(gradient)}, it should be 0: gradients are shared between instances (an "
                     "attribute of the class, or a default such as `grad=[]` that's made once, instead of "
                     "`self.grad = 0` in `__init__`)", place=init_place(exam, it.grad))
            exam.backward_is_wrong = True
            return


def examine_seed(exam):
    """backward() starts with the gradient 1 at the root, and there only."""
    it, tester = exam.interface, exam.tester
    trials = [(text, point, seen, right(text, point)) for text, point in (
        ("a + b", {"a": 2.0, "b": 3.0}), ("a * b", {"a": 2.0, "b": 3.0}), ("a * b", {"a": -1.5, "b": 4.0}))
        if not (seen := tester.see(text, point)).error]
    if not trials:
        return
    if all(not any(seen.grads.values()) for *_, seen, _ in trials):
        tester.seeds_by_hand = True
        if any(any(tester.see(text, point).grads.values()) for text, point, *_ in trials) \
                and not call(exam, lambda: it.gradient(trials[0][2].root)):
            exam.find("backward", Name("not-seeded", "the root's own gradient has to be 1 before the sweep: "
                                       "`self.grad = 1`", trials[0], "a"))
            return              # the rest is tried with the gradient set by hand
        tester.seeds_by_hand = False
        if call(exam, lambda: it.gradient(trials[0][2].root)) == 0:
            exam.find("backward", Name("not-seeded", "backward() has to start with the gradient 1 at the root",
                                       trials[0], "a"))
            exam.backward_is_wrong = True
        return
    if all(set(seen.grads.values()) == {1.0} for *_, seen, _ in trials) and len(trials) == 3:
        exam.find("backward", Name("seeds-every-node", "every node's gradient becomes 1: set it at the root alone, "
                                   "before the sweep; backward() mustn't call backward()", trials[1], "a"))
        exam.backward_is_wrong = True
        return
    for text, point, seen, wanted in trials:
        root = call(exam, lambda seen=seen: it.gradient(seen.root))
        if root and not is_same(root, 1.0) and all(is_same(x, root * wanted.grads[name])
                                                   for name, x in seen.grads.items()):
            exam.find("backward", Name("not-seeded", f"backward() starts from {number(root)} at the root, it should be "
                                       "1: `self.grad = 1`", (text, point, seen, wanted), "a"))
            exam.backward_is_wrong = True
            return
