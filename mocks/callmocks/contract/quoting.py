"""An error quotes a little of what was sent, however long that is."""

from typing import Final

MAX_ERROR_CHARS: Final = 2000  # of a whole error text
MAX_QUOTED_CHARS: Final = 200


def shorten_text(text: str, max_chars: int = MAX_QUOTED_CHARS) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"


def quote_text(text: str) -> str:
    return repr(shorten_text(text))


def name_json_kind(value: object) -> str:
    """What a JSON value is, however much of it there is: ``an array``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return "a text" if isinstance(value, str) else "a number"
