"""What was probably meant by a name that is not known."""

from collections.abc import Iterable

from callmocks.contract.quoting import MAX_QUOTED_CHARS

_MAX_LISTED = 40


def find_similar_name(name: str, known: Iterable[str]) -> str | None:
    """In any case; of a path such as ``params.limit`` the last part alone may be given."""
    if len(name) > MAX_QUOTED_CHARS:
        return None  # no known name is as long, and difflib's time grows with both
    from difflib import get_close_matches  # for mistakes alone

    by_text = {each.lower(): each for each in known}
    text = name.lower()
    parent, dot, leaf = text.rpartition(".")
    if parent in by_text:
        return by_text[parent]
    siblings = [each for each in by_text if dot and each.rpartition(".")[0] == parent]
    by_leaf = {each.rpartition(".")[2]: each for each in reversed(siblings or [*by_text])}
    # A common parent would make all its members look alike.
    for candidates, wanted in ((by_leaf, leaf), ({} if siblings else by_text, text)):
        if near := get_close_matches(wanted, candidates, 1):
            return by_text[by_leaf.get(near[0], near[0])]
    leaves = {each.rpartition(".")[2]: each for each in reversed([*by_text])}
    return by_text[leaves[leaf]] if leaf in leaves else None


def suggest_name(name: str, known: Iterable[str]) -> str:
    """``did you mean NAME?``, or, where none is near, ``there are NAMES``."""
    names = list(known)
    near = find_similar_name(name, names)
    if near is not None:
        return f"did you mean {near}?"
    more = ", …" if len(names) > _MAX_LISTED else ""
    return f"there are {', '.join(names[:_MAX_LISTED])}{more}"
