"""What a test expects of its client's requests, and the text it fails with.

The admin API decides (``POST …/journal/verify``); here its verdict becomes readable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from callmocks.testing.journal import replace_unprintable

if TYPE_CHECKING:
    from callmocks.testing.journal import Exchange

_VALUE_CHARS = 200
"""Shown of one value."""
_ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Expected:
    """Requests that should have come; made by ``expect`` of a provider's handle."""

    provider: str
    operation: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    status: int | None = None
    violations: bool | None = None
    times: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As the admin API wants it."""
        said = {
            "operation": self.operation,
            "status": self.status,
            "violations": self.violations,
            "times": self.times,
            "at_least": self.at_least,
            "at_most": self.at_most,
        }
        known = {name: value for name, value in said.items() if value is not None}
        return {"provider": self.provider, "fields": dict(self.fields), **known}

    def __str__(self) -> str:
        """The request in words, its fields one in a line."""
        lines = [f"{self.provider}: {self.operation or 'any request'}"]
        if self.status is not None:
            lines[0] += f", answered with {self.status}"
        if self.violations is not None:
            lines[0] += f", {'breaking' if self.violations else 'keeping'} the contract"
        if self.fields:
            lines[0] += ", with"
            lines += [f"    {name} = {_format_value(value)}" for name, value in self.fields.items()]
        return "\n".join(lines)

    @property
    def count(self) -> str:
        """How often, in words."""
        if self.times is not None:
            return f"exactly {_format_count(self.times)}" if self.times else "not to come"
        if self.at_least is None and self.at_most is None:
            return "at least once"
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {_format_count(self.at_least)}")
        if self.at_most is not None:
            parts.append(f"at most {_format_count(self.at_most)}")
        return " and ".join(parts)


def format_failure(
    expected: Expected, verdict: Mapping[str, Any], exchanges: Sequence[Exchange], hint: str
) -> str:
    """Why an expectation was not met, with the requests that came instead.

    ``exchanges`` are those with the provider; ``hint`` is a sentence on what else happened.
    """
    found = verdict["found"]
    came = f"came {_format_count(found)}" if found else "never came"
    parts = [f"{expected}\nwas expected {expected.count}, and {came}."]
    if not exchanges:
        parts.append(f"No request reached {expected.provider} as this tenant's.")
    elif verdict["nearest"]:
        parts.append(_format_nearest(verdict["nearest"], exchanges))
    elif found:
        by_number = {exchange.seq: exchange for exchange in exchanges}
        lines = [by_number[seq].title for seq in verdict["seqs"] if seq in by_number]
        if "no match after" in verdict["reason"]:
            parts.append(f"Out of order: {verdict['reason']}.")
        parts.append("\n".join(["It came as", *(f"  {line}" for line in lines)]))
    if hint:
        parts.append(hint)
    return replace_unprintable("\n\n".join(filter(None, parts)))


def format_violations(provider: str, exchanges: Sequence[Exchange]) -> str:
    """Which requests broke the contract and where; empty when none did."""
    lines = []
    for exchange in exchanges:
        broken = [each for each in exchange.violations if each.side == "request"]
        if broken:
            lines += [f"  {exchange.title}", *(f"      {each}" for each in broken)]
    text = "\n".join([f"{provider}: requests broke the contract", *lines]) if lines else ""
    return replace_unprintable(text)


def _format_nearest(nearest: Sequence[Mapping[str, Any]], exchanges: Sequence[Exchange]) -> str:
    by_number = {exchange.seq: exchange for exchange in exchanges}
    shown = [near for near in nearest if near["seq"] in by_number]
    lines = [f"Nearest of {len(exchanges)} {'request' if len(exchanges) == 1 else 'requests'}:"]
    for near in shown:
        lines.append(f"  {by_number[near['seq']].title}")
        for difference in near["differences"]:
            lines += [
                f"      {path}: expected {_format_value(wanted)}, got {_format_value(got)}"
                for path, wanted, got in _iter_differences(
                    difference["field"], difference["expected"], difference["got"]
                )
            ]
    return "\n".join(lines) if shown else ""


class _MissingValue:
    """A member that one of two values has not."""


_MISSING = _MissingValue()


def _iter_differences(path: str, wanted: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places at which two JSON values differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name in (*wanted, *(name for name in got if name not in wanted)):
            yield from _iter_differences(
                f"{path}.{name}", wanted.get(name, _MISSING), got.get(name, _MISSING)
            )
    elif isinstance(wanted, list) and isinstance(got, list):
        for place in range(max(len(wanted), len(got))):
            yield from _iter_differences(
                f"{path}[{place}]",
                wanted[place] if place < len(wanted) else _MISSING,
                got[place] if place < len(got) else _MISSING,
            )
    elif type(wanted) is not type(got) or wanted != got:
        yield path, wanted, got


def _format_value(value: object) -> str:
    if value is None or isinstance(value, _MissingValue):
        return _ABSENT
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]} …"


def _format_count(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
