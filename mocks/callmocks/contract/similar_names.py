"""What was probably meant by a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_MAX_LISTED = 40


def find_similar_name(name: str, known: Iterable[str]) -> str | None:
    """In any case; of a path such as ``params.limit`` the last part alone may be given."""
    by_text = {each.lower(): each for each in known}
    text = name.lower()
    by_leaf = {each.rpartition(".")[2]: each for each in reversed(by_text)}
    leaf = text.rpartition(".")[2]
    if leaf in by_leaf:
        return by_text[by_leaf[leaf]]
    if near := get_close_matches(text, by_text, 1):
        return by_text[near[0]]
    if near := get_close_matches(leaf, by_leaf, 1):
        return by_text[by_leaf[near[0]]]
    return None


def suggest_name(name: str, known: Iterable[str]) -> str:
    """``did you mean NAME?``, or, where none is near, ``there are NAMES``."""
    names = list(known)
    near = find_similar_name(name, names)
    if near is not None:
        return f"did you mean {near}?"
    more = ", …" if len(names) > _MAX_LISTED else ""
    return f"there are {', '.join(names[:_MAX_LISTED])}{more}"
