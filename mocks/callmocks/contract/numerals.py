"""Numbers in texts from outside, which Python reads slowly, or not at all, when they are long."""

MAX_DIGITS = 18
"""Any number of these fits into 64 bits."""


def parse_natural(text: str) -> int | None:
    """Of ASCII digits, ``MAX_DIGITS`` at most; None when it is anything else."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    return None
