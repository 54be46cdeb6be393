"""Examine the order in which backward() goes through a graph."""
from fastgrad.grading import wrong
from fastgrad.grading.after import examine_depth, examine_paths, examine_state
from fastgrad.grading.expressions import EQUALS, GRAPH_POINTS, SHARED, TREE_POINTS, TREES, right
from fastgrad.grading.naming import Name, name_equals, wrong_operand


def examine_backward(exam):
    """The order of backward(), and what is left of it when it's called again."""
    if exam.backward_is_wrong or not exam.is_right("__add__") or not exam.is_right("__mul__"):
        if exam.interface.backward and exam.interface.grad:
            exam.remark("not all could be tried: first put right what is wrong with "
                        + ("backward()" if exam.backward_is_wrong else "+ and *"))
        return
    if examine_order(exam) and examine_equals(exam):
        examine_state(exam)
        examine_depth(exam)
        examine_paths(exam)


def run_all(exam, pairs):
    """(trial, the leaf whose gradient is wrong) for those that go wrong; the first error is a finding by itself."""
    failing = []
    for text, point in pairs:
        trial = text, point, exam.tester.see(text, point), right(text, point)
        if trial[2].error:
            exam.find_error("backward", trial)
            return None
        operand = wrong_operand([trial])[1]
        if operand is not None:
            failing.append((trial, operand))
    return failing


def examine_order(exam):
    """Each node passes its gradient on once, when it has all of it. Returns whether that is so."""
    pairs = [(text, point) for text in TREES for point in TREE_POINTS] \
        + [(text, point) for text in SHARED for point in GRAPH_POINTS]
    failing = run_all(exam, pairs)
    if not failing:
        return failing is not None
    votes = [wrong.codes_of(seen.grads, wanted.root, wanted.leaves) for (_, _, seen, wanted), _ in failing]
    code = max(("visits-twice", "no-topological-order"), key=lambda code: sum(code in found for found in votes))
    if not any(votes):
        text, point, seen, wanted = failing[0][0]
        operand = failing[0][1]
        code = "visits-twice" if abs(seen.grads[operand]) > abs(wanted.grads[operand]) else "no-topological-order"
    trial, operand = next((x for x, found in zip(failing, votes) if code in found), failing[0])
    words = {"visits-twice": "a node that is used by two others passes its gradient on twice: remember which nodes "
                             "have been visited",
             "no-topological-order": "a node passes its gradient on before it has all of it: a chain that two others "
                                     "share needs a topological order, a node after all that use it"}
    exam.find("backward", Name(code, words[code], trial, operand))
    return False


def examine_equals(exam):
    """Nodes with equal numbers are different nodes."""
    failing = run_all(exam, EQUALS)
    if failing and not exam.merges_equals:
        exam.find(*name_equals(exam.cls, *failing[0]))
    return not failing
