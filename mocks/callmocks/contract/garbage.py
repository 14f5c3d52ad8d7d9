"""A full collection of garbage stops all threads: what makes many objects at once pauses it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


@contextmanager
def paused_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def drop_frames(error: E) -> E:
    """Of an error that a variable keeps.

    Its frames refer to their callers' too, and if one of them knows the error, all that they refer
    to stays until a full collection.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
