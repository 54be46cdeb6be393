"""Context managers as decorators, for functions of every kind.

A function, or a coroutine, runs in a block as a whole. A generator's block is open while its body runs: it's left at
each yield and entered again when the consumer, for whom it isn't meant, asks for more.
"""
import functools


def decorated(function, new_block):
    """A function that does the same in a block: new_block() makes the context manager. Raises TypeError for a class,
    and for what can't be called."""
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
                    sent = None     # an exception refers to this frame, which would keep it alive
                try:
                    sent = yield item
                    step = generator.asend
                except BaseException as error:      # GeneratorExit as well: the body may answer that, too
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
