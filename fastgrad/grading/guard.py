"""Run foreign code within limits: of time, of recursion, without its output, and without its exit.

A thread watches the time and raises TimeUp in the thread that runs the code. That works on any system and in any
thread, but only between two of Python's instructions: what hangs in C, as `time.sleep(1e9)`, is for the process that
waits for the worker (command.py).
"""
import contextlib
import os
import threading
import time
import warnings

from fastgrad.script.sandbox import limited_recursion

PERIOD = 0.02       # seconds between two looks at the clock


class TimeUp(BaseException):
    """The code took too long. (No Exception, so that `except Exception` in it doesn't keep it going.)"""


def raise_in(thread, error):
    """Have a thread raise an exception at its next instruction. (None would take that back, and then profiling under
    Python 3.11 may hang.)"""
    try:
        from ctypes import c_ulong, py_object, pythonapi
    except ImportError:         # nothing is limited then
        return
    pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread), py_object(error))


@contextlib.contextmanager
def quiet():
    """Drop what is printed, and warnings."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, warnings.catch_warnings(), \
            contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        yield


class Guard:
    """A context manager with a method that runs functions within a time limit."""

    def __enter__(self):
        self._lock, self._over = threading.Lock(), threading.Event()
        self._deadline, self._runner = None, threading.get_ident()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._watcher.join()

    def call(self, seconds, function, *args, patient=False):
        """The function's result. Raises TimeUp, or what the function raises.

        patient: the seconds are the processor's, so that other programs don't count; by the clock it's five times that.
        """
        try:
            with self._lock:
                self._deadline = (time.process_time() + seconds if patient else float("inf"),
                                  time.monotonic() + (5 * seconds if patient else seconds))
            with limited_recursion():
                return function(*args)
        finally:
            self._stop_watching()

    def _watch(self):
        while not self._over.wait(PERIOD):
            with self._lock:
                if self._deadline is not None and (time.process_time() > self._deadline[0]
                                                   or time.monotonic() > self._deadline[1]):
                    raise_in(self._runner, TimeUp)      # again and again, in case that it's caught

    def _stop_watching(self):
        while True:
            try:
                with self._lock:
                    self._deadline = None
                for _ in range(10):         # a jump back is where one that's on its way arrives
                    pass
                return
            except TimeUp:
                continue
