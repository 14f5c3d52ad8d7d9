"""An error quotes a little of what was sent, however long that is."""

from typing import Final

MAX_ERROR_CHARS: Final = 2000  # of a whole error text
MAX_QUOTED_CHARS: Final = 200


def shorten_text(text: str, max_chars: int = MAX_QUOTED_CHARS) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"


def quote_text(text: str) -> str:
    return repr(shorten_text(text))
