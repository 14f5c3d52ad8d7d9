"""Exchanges of a tenant's journal as text for the report of a failed test."""

from collections.abc import Sequence

from callmocks.contract.journal import JournalEntry


def format_transcript(exchanges: Sequence[JournalEntry], limit: int, body_chars: int | None) -> str:
    """The last exchanges, each message cut after ``body_chars``."""
    shown = exchanges[-limit:]
    texts = [_format_exchange(exchange, body_chars) for exchange in shown]
    if left := len(exchanges) - len(shown):
        texts.insert(0, f"({left} earlier)")
    return replace_unprintable("\n\n".join(texts))


def _format_exchange(exchange: JournalEntry, body_chars: int | None) -> str:
    lines = [f"{exchange.title} in {exchange.duration_ms:.1f} ms"]
    for violation in exchange.violations:
        message = "the request" if violation.side == "request" else "our answer"
        lines.append(f"  ! {message} breaks the contract: {violation}")
    if exchange.faults:
        lines.append(f"  ! by fault: {', '.join(exchange.faults)}")
    if exchange.assumptions:
        lines.append(f"  ? rests on: {', '.join(exchange.assumptions)}")
    lines += [f"  ? {note}" for note in exchange.notes]
    lines += _format_message("  > ", exchange.request, body_chars)
    lines += _format_message("  < ", exchange.response, body_chars)
    return "\n".join(lines)


def _format_message(prefix: str, text: str, limit: int | None) -> list[str]:
    left = 0 if limit is None else len(text) - limit
    if left > 0:
        text = f"{text[:limit]} … {left} more characters"
    return [f"{prefix}{line}" for line in text.splitlines() or ["(empty)"]]


def replace_unprintable(text: str) -> str:
    """Without control characters of terminals; lines stay lines."""
    lines = (line.expandtabs(4) for line in text.split("\n"))
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)
