"""Grade anybody's scalar autograd engine: `python -m fastgrad --check student.py`, `fastgrad.check(cls)`.

From below to above:
guard.py runs foreign code within limits, and interface.py finds out how a class is used;
expressions.py has what is tried, with the oracle's results, and trying.py tries it;
wrong.py has the mistakes that people make, and what they'd compute; naming.py names one, and sources.py finds its line;
examination.py holds what has been found; ground.py, methods.py (with operands.py, within.py, own.py), settling.py and
sweeps.py (with after.py) look for it; report.py is the result, as text and JSON;
check.py is the function; loading.py runs a student's file; command.py and worker.py are the command line.
gradients.py is for gradcheck.
"""
