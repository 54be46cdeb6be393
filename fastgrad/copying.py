"""What pickles of Values call. They have this module's name in them, so it stays; all else is in value/copying.py."""


def _rebuilt(below, cls, *fields):
    """A Value in a pickle; cls None: of the class of the engine in use, whichever wrote the pickle."""
    import fastgrad
    return (cls or fastgrad.Value)._rebuild(*fields)


def _unpickle(below, cls, *fields):
    """The same in pickles of fastgrad 0.1, where the engine in plain Python has a name of its own."""
    return _rebuilt(below, None if cls.__module__ == "fastgrad.reference" else cls, *fields)
