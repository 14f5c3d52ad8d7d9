"""Exchanges of a tenant's journal as text for the report of a failed test."""

from collections.abc import Mapping, Sequence

from callmocks.contract.journal import JournalEntry


def format_transcript(exchanges: Sequence[JournalEntry], limit: int, body_chars: int | None) -> str:
    """The last exchanges, each message cut after ``body_chars``; with headers when it is None."""
    shown = exchanges[-limit:]
    texts = [_format_exchange(exchange, body_chars) for exchange in shown]
    if left := len(exchanges) - len(shown):
        texts.insert(0, f"({left} earlier)")
    return replace_unprintable("\n\n".join(texts))


def _format_exchange(exchange: JournalEntry, body_chars: int | None) -> str:
    lines = [f"{exchange.title} in {exchange.duration_ms:.1f} ms{_describe_delivery(exchange)}"]
    if exchange.real_time is not None:
        lines.append(f"  real time {exchange.real_time:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC")
    for label, text in (
        ("asked", exchange.request_summary),
        ("came", exchange.response_summary),
        ("traceparent", exchange.traceparent),
    ):
        if text:
            lines.append(f"  {label}: {text}")
    for violation in exchange.violations:
        message = "the request" if violation.side == "request" else "our answer"
        lines.append(f"  ! {message} breaks the contract: {violation}")
    if exchange.faults:
        lines.append(f"  ! by fault: {', '.join(exchange.faults)}")
    if exchange.assumptions:
        lines.append(f"  ? rests on: {', '.join(exchange.assumptions)}")
    lines += [f"  ? {note}" for note in exchange.notes]
    if body_chars is None:
        lines += _format_headers("  > ", exchange.target, exchange.request_headers)
    lines += _format_message("  > ", exchange.request, body_chars)
    if body_chars is None:
        lines += _format_headers("  < ", "", exchange.response_headers)
    lines += _format_message("  < ", exchange.response, body_chars)
    return "\n".join(lines)


def _describe_delivery(exchange: JournalEntry) -> str:
    text = f", delayed by {exchange.delay_ms:g} ms" if exchange.delay_ms else ""
    return text if exchange.ended in ("", "answered") else f"{text}, {exchange.ended}"


def _format_headers(prefix: str, target: str, headers: Mapping[str, str]) -> list[str]:
    texts = [target, *(f"{name}: {value}" for name, value in headers.items())]
    return [f"{prefix}{text}" for text in texts if text]


def _format_message(prefix: str, text: str, limit: int | None) -> list[str]:
    left = 0 if limit is None else len(text) - limit
    if left > 0:
        text = f"{text[:limit]} … {left} more characters"
    return [f"{prefix}{line}" for line in text.splitlines() or ["(empty)"]]


def replace_unprintable(text: str) -> str:
    """Without control characters of terminals; lines stay lines."""
    lines = (line.expandtabs(4) for line in text.split("\n"))
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)
