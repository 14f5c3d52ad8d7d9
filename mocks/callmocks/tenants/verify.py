"""Expectations of requests compared with the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from callmocks.contract.expectations import (
    Difference,
    Expectation,
    NearRequest,
    Verdict,
    format_count,
)

if TYPE_CHECKING:
    from callmocks.contract.journal import JournalEntry
    from callmocks.provider.base import Provider

MAX_NEAREST = 3


def verify(
    entries: Iterable[JournalEntry],
    expectations: Sequence[Expectation],
    providers: Mapping[str, Provider],
    in_order: bool = False,
) -> list[Verdict]:
    """``in_order``: each has a match after the one that was found for the expectation before it."""
    requests = [_JournaledRequest(entry, providers) for entry in entries]
    verdicts = []
    reached = 0
    for expected in expectations:
        verdict = _evaluate(requests, expected)
        if in_order and verdict.ok and verdict.found:
            later = [seq for seq in verdict.seqs if seq > reached]
            if later:
                reached = later[0]
            else:
                reason = f"no match after number {reached}, where the one before was found"
                verdict = replace(verdict, ok=False, reason=reason)
        verdicts.append(verdict)
    return verdicts


class _JournaledRequest:
    def __init__(self, entry: JournalEntry, providers: Mapping[str, Provider]) -> None:
        self.entry = entry
        self._providers = providers

    @cached_property
    def fields(self) -> dict[str, object]:
        return self._providers[self.entry.provider].read_fields(self.entry.request.encode())

    def is_comparable(self, expected: Expectation) -> bool:
        provider, operation = expected.provider, expected.operation
        same_provider = provider in (None, self.entry.provider)
        return same_provider and operation in (None, self.entry.operation)

    def find_differences(self, expected: Expectation) -> list[Difference]:
        """Fields are compared where provider and operation are the same."""
        entry = self.entry
        pairs: list[tuple[str, object, object]] = [
            ("provider", expected.provider, entry.provider),
            ("operation", expected.operation, entry.operation),
            ("status", expected.status, entry.status),
            ("violations", expected.violations, bool(entry.violations)),
        ]
        found = [
            Difference(name, wanted, got)
            for name, wanted, got in pairs
            if wanted is not None and wanted != got
        ]
        if expected.fields and self.is_comparable(expected):
            found += [
                Difference(name, wanted, self.fields.get(name))
                for name, wanted in expected.fields.items()
                if not _values_equal(wanted, self.fields.get(name))
            ]
        return found


def _values_equal(expected: object, got: object) -> bool:
    # XML has numbers and truth values as texts.
    if isinstance(got, str) and isinstance(expected, bool):
        return got == ("true" if expected else "false")
    if isinstance(got, str) and isinstance(expected, int | float):
        return got == str(expected)
    return type(expected) is type(got) and expected == got


def _evaluate(requests: list[_JournaledRequest], expected: Expectation) -> Verdict:
    compared = [(request.find_differences(expected), request) for request in requests]
    seqs = [request.entry.seq for differences, request in compared if not differences]
    found, (least, most) = len(seqs), expected.count_range
    verdict = Verdict(True, expected, found, tuple(seqs))
    if found < least:
        others = sorted(
            (pair for pair in compared if pair[0]),
            key=lambda p: (not p[1].is_comparable(expected), len(p[0]), -p[1].entry.seq),
        )
        nearest = tuple(
            NearRequest(request.entry.seq, tuple(differences))
            for differences, request in others[:MAX_NEAREST]
        )
        reason = f"{format_count(least)} expected at least, {format_count(found)} found"
        return replace(verdict, ok=False, reason=reason, nearest=nearest)
    if most is not None and found > most:
        reason = f"{format_count(most)} expected at most, {format_count(found)} found"
        return replace(verdict, ok=False, reason=reason)
    return verdict
