"""A full collection of garbage stops all threads: what makes many objects at once pauses it.

To free many at once keeps all others waiting, too.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)

# Objects that are freed at once: some milliseconds.
_MANY = 500
_empty_list: Callable[[list[Any]], object] = list.clear


def set_list_emptier(empty: Callable[[list[Any]], object]) -> None:
    """``empty`` lets go of the objects of a list without keeping anybody waiting."""
    global _empty_list
    _empty_list = empty


def empty_dict(objects: dict[Any, Any]) -> None:
    """The values are freed later when they are many."""
    values = [*objects.values()] if len(objects) > _MANY else []
    objects.clear()
    if values:
        _empty_list(values)


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
