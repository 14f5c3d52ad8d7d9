"""Patterns of clients: PostgreSQL's ``like`` and POSIX regular expressions.

Both become expressions for a linear-time engine (Rust's ``regex``). What that engine lacks or
means otherwise is refused, never silently reinterpreted: back-references, look-around, word
constraints, collating elements.
"""

import re

import polars as pl

MAX_PATTERN_CHARS = 1000
MAX_REPEATS = 255  # PostgreSQL's

_BOUND = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_OPTIONS = re.compile(r"\(\?([a-z]*)\)")
_CLASSES = "alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit"
_CLASS = re.compile(rf"\[:(?:{_CLASSES}):\]")
_LETTERS = {"A": r"\A", "Z": r"\z", "d": r"\d", "D": r"\D", "s": r"\s", "S": r"\S"}
_LETTERS |= {"w": r"\w", "W": r"\W", "n": r"\n", "t": r"\t", "r": r"\r", "f": r"\f", "v": r"\v"}
_IN_BRACKETS = {letter: _LETTERS[letter] for letter in "dswntrfv"}


class PatternError(ValueError):
    pass


def translate_like(pattern: str, *, underscore: bool = True, case: bool = True) -> str:
    """``underscore``: ``_`` is any one character, as in PostgreSQL; ``case``: case matters."""
    _check_length(pattern)
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            parts.append(".*")
        elif character == "_" and underscore:
            parts.append(".")
        elif character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise PatternError("a like pattern must not end with its escape character")
            parts.append(_escape_literal(escaped))
        else:
            parts.append(_escape_literal(character))
    return _check_regex(f"^(?s{'' if case else 'i'}:{''.join(parts)})$")


def translate_posix(pattern: str) -> str:
    """PostgreSQL's advanced flavour, unanchored."""
    _check_length(pattern)
    options, position = _parse_options(pattern)
    parts: list[str] = []
    while position < len(pattern):
        part, position = _translate_part(pattern, position)
        if part in ("*", "+") and parts and parts[-1] in ("*", "+", "?", "}"):
            raise PatternError("a repetition of a repetition")
        parts.append(part)
    return _check_regex(f"(?{options}){''.join(parts)}")


def _check_length(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternError(f"longer than {MAX_PATTERN_CHARS} characters")


def _check_regex(pattern: str) -> str:
    try:
        pl.Series([""]).str.contains(pattern, strict=True)
    except pl.exceptions.ComputeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("error: ")), lines[0])
        raise PatternError(reason) from None
    return pattern


def _translate_part(pattern: str, position: int) -> tuple[str, int]:
    character = pattern[position]
    if character == "\\":
        return _translate_escape(pattern, position, _LETTERS), position + 2
    if character == "[":
        return _translate_brackets(pattern, position)
    if pattern.startswith("(?", position) and not pattern.startswith("(?:", position):
        raise PatternError("look-around and groups with options are not supported")
    bound = _BOUND.match(pattern, position)
    if bound and any(int(number) > MAX_REPEATS for number in bound.groups() if number):
        raise PatternError(f"a repetition is bounded by {MAX_REPEATS}")
    return character, position + 1


def _parse_options(pattern: str) -> tuple[str, int]:
    found = _OPTIONS.match(pattern)
    if not found:
        return "s", 0
    letters = set(found[1])
    if letters - set("cis"):
        raise PatternError(f"embedded options ({found[1]}) are not supported")
    return ("is" if "i" in letters else "s"), found.end()


def _translate_escape(pattern: str, position: int, letters: dict[str, str]) -> str:
    escaped = pattern[position + 1 : position + 2]
    if not escaped:
        raise PatternError("it ends with a backslash")
    if escaped in letters:
        return letters[escaped]
    if escaped.isalnum():
        raise PatternError(f"\\{escaped} is not supported")
    return _escape_literal(escaped)


def _translate_brackets(pattern: str, position: int) -> tuple[str, int]:
    """A bracket expression: in POSIX ``[``, ``&&``, ``--`` and ``~~`` are ordinary inside it."""
    parts = ["["]
    position += 1
    for first, translated in (("^", "^"), ("]", r"\]")):
        if pattern.startswith(first, position):
            parts.append(translated)
            position += 1
    while position < len(pattern):
        character = pattern[position]
        if character == "]":
            return "".join(parts) + "]", position + 1
        part, position = _translate_bracket_part(pattern, position)
        parts.append(part)
    raise PatternError("a bracket is not closed")


def _translate_bracket_part(pattern: str, position: int) -> tuple[str, int]:
    character = pattern[position]
    if pattern.startswith(("[.", "[="), position):
        raise PatternError("collating elements and equivalence classes are not supported")
    if pattern.startswith("--", position):
        raise PatternError("a range that begins or ends with - is not supported")
    if pattern.startswith("[:", position):
        if named := _CLASS.match(pattern, position):
            return named[0], named.end()
        raise PatternError("no such character class")
    if character == "\\":
        return _translate_escape(pattern, position, _IN_BRACKETS), position + 2
    if character in "[&~":
        return "\\" + character, position + 1
    return character, position + 1


def _escape_literal(character: str) -> str:
    return character if character.isalnum() or character == " " else f"\\x{{{ord(character):x}}}"
