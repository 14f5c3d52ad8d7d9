"""The text that a test fails with when requests are not what it expects."""

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from callmocks.contract.expectations import Expectation, NearRequest, Verdict, format_count
from callmocks.contract.journal import JournalEntry
from callmocks.testing.journal import replace_unprintable

_VALUE_CHARS = 200
_MISSING = object()  # a member that one of two values does not have


def format_failure(
    expected: Expectation, verdict: Verdict, exchanges: Sequence[JournalEntry], hint: str
) -> str:
    """``exchanges`` are those with the provider; ``hint`` says what else happened."""
    came = f"came {format_count(verdict.found)}" if verdict.found else "never came"
    count = _describe_count(expected)
    parts = [f"{_describe_requests(expected)}\nwas expected {count}, and {came}."]
    titles = {exchange.seq: exchange.title for exchange in exchanges}
    if not exchanges:
        parts.append(f"No request reached {expected.provider} as this tenant's.")
    elif verdict.nearest:
        parts.append(_format_nearest(verdict.nearest, titles))
    elif verdict.found:
        if "no match after" in verdict.reason:
            parts.append(f"Out of order: {verdict.reason}.")
        lines = [f"  {titles[seq]}" for seq in verdict.seqs if seq in titles]
        parts.append("\n".join(["It came as", *lines]))
    return replace_unprintable("\n\n".join(filter(None, [*parts, hint])))


def format_violations(provider: str, exchanges: Sequence[JournalEntry]) -> str:
    lines = []
    for exchange in exchanges:
        found = [each for each in exchange.violations if each.side == "request"]
        if found:
            lines += [f"  {exchange.title}", *(f"      {each}" for each in found)]
    text = "\n".join([f"{provider}: requests broke the contract", *lines]) if lines else ""
    return replace_unprintable(text)


def _describe_requests(expected: Expectation) -> str:
    title = f"{expected.provider}: {expected.operation or 'any request'}"
    if expected.status is not None:
        title += f", answered with {expected.status}"
    if expected.violations is not None:
        title += f", {'breaking' if expected.violations else 'keeping'} the contract"
    wanted = expected.fields | {f"headers.{name}": text for name, text in expected.headers.items()}
    if wanted:
        title += ", with"
    lines = [f"    {name} = {_format_value(value)}" for name, value in wanted.items()]
    return "\n".join([title, *lines])


def _describe_count(expected: Expectation) -> str:
    if expected.times is not None:
        return f"exactly {format_count(expected.times)}" if expected.times else "not to come"
    if expected.at_least is None and expected.at_most is None:
        return "at least once"
    bounds = {"at least": expected.at_least, "at most": expected.at_most}
    given = ((bound, count) for bound, count in bounds.items() if count is not None)
    return " and ".join(f"{bound} {format_count(count)}" for bound, count in given)


def _format_nearest(nearest: Sequence[NearRequest], titles: dict[int, str]) -> str:
    shown = [near for near in nearest if near.seq in titles]
    lines = [f"Nearest of {len(titles)} {'request' if len(titles) == 1 else 'requests'}:"]
    for near in shown:
        lines.append(f"  {titles[near.seq]}")
        for each in near.differences:
            lines += [
                f"      {path}: expected {_format_value(wanted)}, got {_format_value(got)}"
                for path, wanted, got in _iter_differences(each.field, each.expected, each.got)
            ]
    return "\n".join(lines) if shown else ""


def _iter_differences(path: str, expected: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in expected | got:
            pair = expected.get(name, _MISSING), got.get(name, _MISSING)
            yield from _iter_differences(f"{path}.{name}", *pair)
    elif isinstance(expected, list) and isinstance(got, list):
        for index, pair in enumerate(zip_longest(expected, got, fillvalue=_MISSING)):
            yield from _iter_differences(f"{path}[{index}]", *pair)
    elif type(expected) is not type(got) or expected != got:
        yield path, expected, got


def _format_value(value: object) -> str:
    if value is None or value is _MISSING:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]} …"
