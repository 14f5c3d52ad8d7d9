"""Expectations of requests compared with the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

from callmocks.contract.cached_property import cached_property
from callmocks.contract.expectations import (
    Difference,
    Expectation,
    ForeignRequests,
    NearRequest,
    Verdict,
    format_count,
)
from callmocks.tenants import http_head
from callmocks.tenants.worker import PieceTimer

if TYPE_CHECKING:
    from callmocks.provider.base import Provider
    from callmocks.tenants.journal import JournalRecord

MAX_NEAREST = 3
MAX_LOOKED_FOR = 10


async def verify(
    records: Iterable[JournalRecord],
    expectations: Sequence[Expectation],
    providers: Mapping[str, Provider],
    in_order: bool = False,
) -> list[Verdict]:
    """``in_order``: each has a match after the one that was found for the expectation before it."""
    requests = [_JournaledRequest(record, providers) for record in records]
    verdicts, reached, timer = [], 0, PieceTimer()
    for expected in expectations:
        verdict = await _evaluate(requests, expected, timer)
        if in_order and verdict.ok and verdict.found:
            later = [seq for seq in verdict.seqs if seq > reached]
            if later:
                reached = later[0]
            else:
                reason = f"no match after number {reached}, where the one before was found"
                verdict = replace(verdict, ok=False, reason=reason)
        verdicts.append(verdict)
    return verdicts


async def add_foreign_requests(
    verdicts: Sequence[Verdict],
    records: Mapping[str, Sequence[JournalRecord]],
    providers: Mapping[str, Provider],
) -> list[Verdict]:
    """``records`` are those of other tenants; only so many expectations are looked for there."""
    completed, left, timer = [], MAX_LOOKED_FOR, PieceTimer()
    for verdict in verdicts:
        if left and verdict.found < verdict.expected.count_range[0]:
            left -= 1
            found = await _find_foreign(verdict.expected, records, providers, timer)
            verdict = replace(verdict, foreign=found)
        completed.append(verdict)
    return completed


async def _find_foreign(
    expected: Expectation,
    records: Mapping[str, Sequence[JournalRecord]],
    providers: Mapping[str, Provider],
    timer: PieceTimer,
) -> tuple[ForeignRequests, ...]:
    wanted = replace(expected, status=None, violations=None)  # they depend on the tenant
    found = []
    for tenant, sent in records.items():
        seqs = []
        for record in sent:
            request = _JournaledRequest(record, providers)
            if request.is_comparable(wanted) and not any(request.find_differences(wanted)):
                seqs.append(record.seq)
            await timer.yield_when_due()
        if seqs:
            found.append(ForeignRequests(tenant, len(seqs), seqs[-1]))
    return tuple(found)


class _JournaledRequest:
    def __init__(self, record: JournalRecord, providers: Mapping[str, Provider]) -> None:
        self.record = record
        self._providers = providers

    @cached_property
    def fields(self) -> dict[str, object]:
        body = self.record.shown_request
        return {} if body is None else self._providers[self.record.provider].read_fields(body)

    @cached_property
    def headers(self) -> dict[str, str]:
        return http_head.read_fields(self.record.head)

    def is_comparable(self, expected: Expectation) -> bool:
        provider, operation = expected.provider, expected.operation
        same_provider = provider in (None, self.record.provider)
        return same_provider and operation in (None, self.record.operation)

    def find_differences(self, expected: Expectation) -> Iterator[tuple[str, object, object]]:
        """Name, expected and got value of each.

        Fields and headers are compared where provider and operation are the same.
        """
        entry = self.record
        pairs: list[tuple[str, object, object]] = [
            ("provider", expected.provider, entry.provider),
            ("operation", expected.operation, entry.operation),
            ("status", expected.status, entry.status),
            ("violations", expected.violations, bool(entry.violations)),
        ]
        for pair in pairs:
            if pair[1] is not None and pair[1] != pair[2]:
                yield pair
        if not self.is_comparable(expected):
            return
        for name, wanted in expected.fields.items():
            got = self.fields.get(name)
            if not _values_equal(wanted, got):
                yield name, wanted, got
        for name, wanted in expected.headers.items():
            if wanted != self.headers.get(name.lower()):
                yield f"headers.{name}", wanted, self._show_header(name.lower())

    def _show_header(self, name: str) -> str | None:
        value = self.headers.get(name)
        return None if value is None else http_head.blank_value(name, value)


def _values_equal(expected: object, got: object) -> bool:
    # XML has numbers and truth values as texts.
    if isinstance(got, str) and isinstance(expected, bool):
        return got == ("true" if expected else "false")
    if isinstance(got, str) and isinstance(expected, int | float):
        return got == str(expected)
    return type(expected) is type(got) and expected == got


async def _evaluate(
    requests: list[_JournaledRequest], expected: Expectation, timer: PieceTimer
) -> Verdict:
    seqs: list[int] = []
    # The nearest with the greatest rank; of the others nothing is kept.
    nearest: list[tuple[bool, int, int, _JournaledRequest]] = []
    for request in requests:
        count, seq = sum(1 for _ in request.find_differences(expected)), request.record.seq
        if count:
            keep = heappushpop if len(nearest) == MAX_NEAREST else heappush
            keep(nearest, (request.is_comparable(expected), -count, seq, request))
        else:
            seqs.append(seq)
        await timer.yield_when_due()
    found, (least, most) = len(seqs), expected.count_range
    verdict = Verdict(True, expected, found, tuple(seqs))
    if found < least:
        shown = tuple(
            NearRequest(
                seq, tuple(Difference(*each) for each in request.find_differences(expected))
            )
            for _, _, seq, request in sorted(nearest, reverse=True)
        )
        reason = f"{format_count(least)} expected at least, {format_count(found)} found"
        return replace(verdict, ok=False, reason=reason, nearest=shown)
    if most is not None and found > most:
        reason = f"{format_count(most)} expected at most, {format_count(found)} found"
        return replace(verdict, ok=False, reason=reason)
    return verdict
