"""TOML files of users; the standard parser, but for keys it would need minutes for."""

import re
import tomllib
from typing import Any, Final

# Dots in one line, texts aside. A key of many parts (`a.b.c`) takes the square of their number.
MAX_DOTS: Final = 100
MAX_DIGITS: Final = 1000  # Python refuses to read 4300, and names a setting of its own then
BYTE_ORDER_MARK: Final = "\ufeff"  # some editors of Windows begin files with it
_LONG_NUMBER: Final = re.compile(rf"[\d_]{{{MAX_DIGITS + 1}}}")
_TEXT_OR_COMMENT: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"?|'''
    r"""'''.*?(?:'{3,5}|\Z)|'[^'\n]*'?|#[^\n]*""",
    re.DOTALL,
)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def parse(text: str) -> dict[str, Any]:
    """``ValueError`` names the error and its line."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    bare = _TEXT_OR_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(bare.split("\n"), 1):
        if line.count(".") > MAX_DOTS:
            raise ValueError(f"line {number}: more than {MAX_DOTS} dots")
        if _LONG_NUMBER.search(line):
            raise ValueError(f"line {number}: a number of more than {MAX_DIGITS} digits")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("arrays or tables are nested too deep") from None


def quote(text: str) -> str:
    """A string of TOML, without what cannot be printed."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in text if char.isprintable()) + '"'
