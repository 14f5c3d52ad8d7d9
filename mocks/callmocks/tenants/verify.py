"""Did the requests come that a test expects: how many, in which order, with which fields?

An expectation that is not met shows the nearest requests and in what they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from callmocks.tenants.journal import Entry

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

MAX_NEAREST = 3
"""Requests shown of those that did not match."""

Count = Annotated[int, Meta(ge=0)]


class Expected(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Requests that should have come; what is left out may be anything."""

    provider: str | None = None
    operation: str | None = None
    status: Annotated[int | None, Meta(description="The HTTP status answered, or the frame's.")] = (
        None
    )
    fields: Annotated[
        dict[str, Any],
        Meta(
            description="Values in the request by name: ``params.limit`` (CDR, the path in its "
            "JSON),\n"
            "``filters.limit`` (ARM, element and attribute), ``Params.PeriodFrom`` (1C, the "
            "property).\n"
            "``null`` means that the request has no such field."
        ),
    ] = {}
    violations: Annotated[
        bool | None, Meta(description="Whether the request broke the contract.")
    ] = None
    times: Annotated[Count | None, Meta(description="Exactly so many …")] = None
    at_least: Annotated[
        Count | None, Meta(description="… or no fewer; 1 when no count is given …")
    ] = None
    at_most: Annotated[Count | None, Meta(description="… or no more.")] = None

    def __post_init__(self) -> None:
        """Refuse counts that contradict each other; nothing could tell which one is meant."""
        if self.times is not None and (self.at_least, self.at_most) != (None, None):
            raise ValueError("times stands alone, without at_least and at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is more than at_most {self.at_most}")


class Difference(msgspec.Struct):
    """One field in which a request is not what was expected."""

    field: str
    expected: Any
    got: Any


class Near(msgspec.Struct):
    """A request that came instead."""

    seq: int
    differences: list[Difference]


class Verdict(msgspec.Struct):
    """What became of one expectation."""

    ok: bool
    expected: Expected
    found: Annotated[int, Meta(description="Requests that match.")]
    seqs: Annotated[list[int], Meta(description="Their numbers in the journal.")]
    reason: Annotated[str, Meta(description="What is wrong, for people.")] = ""
    nearest: Annotated[
        list[Near], Meta(description="The nearest other requests, when too few match.")
    ] = []


def verify(
    entries: Iterable[Entry],
    expectations: Sequence[Expected],
    providers: Mapping[str, Provider],
    in_order: bool = False,
) -> list[Verdict]:
    """A verdict for each expectation.

    ``in_order`` also asks that each has a match after the one that was found for the expectation
    before it, so that all together can be read off the journal from top to bottom.
    """
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
                verdict.ok = False
                verdict.reason = f"no match after number {reached}, where the one before was found"
        verdicts.append(verdict)
    return verdicts


class _JournaledRequest:
    """A journaled request whose fields are read when first asked for."""

    def __init__(self, entry: Entry, providers: Mapping[str, Provider]) -> None:
        self.entry = entry
        self._providers = providers
        self._fields: dict[str, object] | None = None

    @property
    def fields(self) -> dict[str, object]:
        if self._fields is None:
            provider = self._providers[self.entry.provider]
            self._fields = provider.read_fields(self.entry.request.encode())
        return self._fields

    def is_comparable(self, expected: Expected) -> bool:
        """The same kind of request, so that its fields can be compared at all."""
        entry = self.entry
        return expected.provider in (None, entry.provider) and (
            expected.operation in (None, entry.operation)
        )

    def find_differences(self, expected: Expected) -> list[Difference]:
        """In what this request is not the expected one; fields are for its own kind alone."""
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
    """Equality that lets a number or a truth value be written as text, as XML has to."""
    if isinstance(got, str) and isinstance(expected, bool):
        return got == ("true" if expected else "false")
    if isinstance(got, str) and isinstance(expected, int | float):
        return got == str(expected)
    return type(expected) is type(got) and expected == got


def _evaluate(requests: list[_JournaledRequest], expected: Expected) -> Verdict:
    compared = [(request.find_differences(expected), request) for request in requests]
    seqs = [request.entry.seq for differences, request in compared if not differences]
    verdict = Verdict(True, expected, len(seqs), seqs)
    least, most = _count_range(expected)
    if len(seqs) < least:
        verdict.ok = False
        verdict.reason = (
            f"{_format_count(least)} expected at least, {_format_count(len(seqs))} found"
        )
        others = sorted(
            (pair for pair in compared if pair[0]),
            key=lambda p: (not p[1].is_comparable(expected), len(p[0]), -p[1].entry.seq),
        )
        verdict.nearest = [
            Near(request.entry.seq, found) for found, request in others[:MAX_NEAREST]
        ]
    elif most is not None and len(seqs) > most:
        verdict.ok = False
        verdict.reason = f"{_format_count(most)} expected at most, {_format_count(len(seqs))} found"
    return verdict


def _count_range(expected: Expected) -> tuple[int, int | None]:
    if expected.times is not None:
        return expected.times, expected.times
    if expected.at_least is None and expected.at_most is None:
        return 1, None
    return expected.at_least or 0, expected.at_most


def _format_count(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
