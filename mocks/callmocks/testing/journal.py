"""Exchanges of a tenant's journal, as values and as text for the report of a failed test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callmocks.testing.times import parse_time


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a message leaves the contract; ``side`` is ``request`` or ``answer``."""

    where: str
    expected: str
    got: str
    side: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer. Of a body longer than 64 KiB the journal keeps the beginning."""

    seq: int
    """Its number in the journal; later ones are higher."""
    at: datetime
    """The tenant's wall time."""
    provider: str
    operation: str
    status: int
    """The HTTP status, or the frame's."""
    request: str
    response: str
    duration_ms: float
    """Time it took to make the answer; a delay on the wire is not part of it."""
    violations: tuple[Violation, ...]
    assumptions: tuple[str, ...]
    """Ids of the assumptions that the answer rested on."""
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """``#3 12:00:00.000 cdr get.account → 200``."""
        at = self.at.time().isoformat(timespec="milliseconds")
        return f"#{self.seq} {at} {self.provider} {self.operation or '(none)'} → {self.status}"


def parse_exchange(raw: dict[str, Any]) -> Exchange:
    """An exchange from the admin API's JSON."""
    return Exchange(
        seq=raw["seq"],
        at=parse_time(raw["at"]),
        provider=raw["provider"],
        operation=raw["operation"],
        status=raw["status"],
        request=raw["request"],
        response=raw["response"],
        duration_ms=raw["duration_ms"],
        violations=tuple(
            Violation(each["where"], each["expected"], each["got"], each["side"])
            for each in raw["violations"]
        ),
        assumptions=tuple(raw["assumptions"]),
        faults=tuple(raw["faults"]),
        notes=tuple(raw["notes"]),
    )


def format_transcript(exchanges: Sequence[Exchange], limit: int, body_chars: int | None) -> str:
    """The last exchanges, no more than ``most``, with ``body`` characters of each message."""
    shown = exchanges[-limit:]
    texts = [_format_exchange(exchange, body_chars) for exchange in shown]
    if left := len(exchanges) - len(shown):
        texts.insert(0, f"({left} earlier)")
    return replace_unprintable("\n\n".join(texts))


def _format_exchange(exchange: Exchange, body_chars: int | None) -> str:
    lines = [f"{exchange.title} in {exchange.duration_ms:.1f} ms"]
    for violation in exchange.violations:
        whose = "the request" if violation.side == "request" else "our answer"
        lines.append(f"  ! {whose} breaks the contract: {violation}")
    if exchange.faults:
        lines.append(f"  ! by fault: {', '.join(exchange.faults)}")
    if exchange.assumptions:
        lines.append(f"  ? rests on: {', '.join(exchange.assumptions)}")
    lines += [f"  ? {note}" for note in exchange.notes]
    lines += _format_message("  > ", exchange.request, body_chars) + _format_message(
        "  < ", exchange.response, body_chars
    )
    return "\n".join(lines)


def _format_message(prefix: str, text: str, limit: int | None) -> list[str]:
    left = 0 if limit is None else len(text) - limit
    if left > 0:
        text = f"{text[:limit]} … {left} more characters"
    return [f"{prefix}{line}" for line in text.splitlines() or ["(empty)"]]


def replace_unprintable(text: str) -> str:
    """A text without what a terminal takes for commands; lines stay lines."""
    lines = (line.expandtabs(4) for line in text.split("\n"))
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)
