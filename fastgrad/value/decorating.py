"""Context managers as decorators, for functions of every kind.

A function or a coroutine runs in one block. A generator's block is open only while the generator's body runs: it's left
at each yield, and a new one is entered when the consumer asks for the next item. So the consumer runs outside of it.
"""
import functools


def decorated(function, new_block):
    """Wrap a function so that it runs in a block.

    function: a function or method of any kind. new_block: called for each block, returns the context manager. Raises
    TypeError if function is a class or can't be called.
    """
    import inspect      # only now: importing it takes longer than importing fastgrad
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(decorated(function.__func__, new_block))
    if isinstance(function, type) or not callable(function):
        what = f"the class {function.__qualname__}" if isinstance(function, type) else repr(type(function).__name__)
        raise TypeError(f"{new_block.__name__} decorates functions and methods, not {what}")
    if inspect.isasyncgenfunction(function):
        @functools.wraps(function)
        async def in_block(*args, **kwargs):
            generator = function(*args, **kwargs)
            step, sent = generator.asend, None
            while True:
                try:
                    with new_block():
                        item = await step(sent)
                except StopAsyncIteration:
                    return
                finally:
                    sent = None     # an exception's traceback refers to this frame, a cycle
                try:
                    sent = yield item
                    step = generator.asend
                except BaseException as error:      # also GeneratorExit, which the body may handle
                    step, sent = generator.athrow, error
    elif inspect.isgeneratorfunction(function):
        @functools.wraps(function)
        def in_block(*args, **kwargs):
            generator = function(*args, **kwargs)
            step, sent = generator.send, None
            while True:
                try:
                    with new_block():
                        item = step(sent)
                except StopIteration as stop:
                    return stop.value
                finally:
                    sent = None
                try:
                    sent = yield item
                    step = generator.send
                except BaseException as error:
                    step, sent = generator.throw, error
    elif inspect.iscoroutinefunction(function):
        @functools.wraps(function)
        async def in_block(*args, **kwargs):
            with new_block():
                return await function(*args, **kwargs)
    else:
        @functools.wraps(function)
        def in_block(*args, **kwargs):
            with new_block():
                return function(*args, **kwargs)
    return in_block
