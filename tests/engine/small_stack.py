"""Threads with little stack, for tests of what may not recurse."""
import threading


def on_a_small_stack(function):
    """Call function() on a thread with 256 KiB of stack."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)
    size = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
