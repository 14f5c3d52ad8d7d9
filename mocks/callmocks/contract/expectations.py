"""Requests that a test expects, and whether they came."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from callmocks.contract.json_model import Minimum
from callmocks.contract.quoting import name_json_kind, shorten_text

MAX_NAMES: Final = 1000
"""Of fields, and of headers, of one expectation."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Requests that should have come; what is left out may be anything."""

    json_name: ClassVar = "Expected"
    json_omit_defaults: ClassVar = True
    json_forbid_unknown: ClassVar = True
    provider: str | None = None
    operation: str | None = None
    status: Annotated[int | None, "The HTTP status answered, or the frame's."] = None
    fields: Annotated[
        dict[str, Any],
        "Values in the request by name: ``params.limit`` (CDR, the path in its JSON),\n"
        "``filters.limit`` (ARM, element and attribute), "
        "``Params.PeriodFrom`` (1C, the property).\n"
        "``null`` means that the request has no such field. 1000 names at most.",
    ] = field(default_factory=dict)
    violations: Annotated[bool | None, "Whether the request broke the contract."] = None
    headers: Annotated[
        dict[str, Any],
        "Headers of the request by name, in any case, with their whole values; ``null``: absent;\n"
        "1000 names at most.\n"
        "Those of a frame are the headers of the request that opened its websocket.",
    ] = field(default_factory=dict)
    times: Annotated[int | None, Minimum(0), "Exactly so many …"] = None
    at_least: Annotated[int | None, Minimum(0), "… or no fewer; 1 when no count is given …"] = None
    at_most: Annotated[int | None, Minimum(0), "… or no more."] = None
    unlisted: Annotated[
        bool, "Operation and fields may be ones that the contract does not have."
    ] = False

    def check(self) -> None:
        """``ValueError`` for too many names, contradicting counts, a header that is no text."""
        for member, names in (("fields", self.fields), ("headers", self.headers)):
            if len(names) > MAX_NAMES:
                raise ValueError(f"{member}: {len(names)} names, of {MAX_NAMES} at most")
        for name, value in self.headers.items():
            if not isinstance(value, str | None):
                text = f"is a text or null, not {name_json_kind(value)}"
                raise ValueError(f"headers: {shorten_text(name)} {text}")
        if self.times is not None and (self.at_least, self.at_most) != (None, None):
            raise ValueError("times stands alone, without at_least and at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is more than at_most {self.at_most}")

    @property
    def count_range(self) -> tuple[int, int | None]:
        """The fewest and the most requests that meet it."""
        if self.times is not None:
            return self.times, self.times
        if self.at_least is None and self.at_most is None:
            return 1, None
        return self.at_least or 0, self.at_most


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which a request is not what was expected."""

    field: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class NearRequest:
    """A request that came instead."""

    json_name: ClassVar = "Near"
    seq: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ForeignRequests:
    """Requests that match, but came as another tenant."""

    json_name: ClassVar = "Foreign"
    tenant: str
    found: int
    seq: Annotated[int, "The last one's number in that tenant's journal."]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one expectation."""

    ok: bool
    expected: Expectation
    found: Annotated[int, "Requests that match."]
    seqs: Annotated[tuple[int, ...], "Their numbers in the journal."]
    reason: Annotated[str, "What is wrong, for people."] = ""
    nearest: Annotated[
        tuple[NearRequest, ...], "The nearest other requests, when too few match."
    ] = ()
    foreign: Annotated[
        tuple[ForeignRequests, ...],
        "When too few match: those that came as other tenants since this journal was empty.",
    ] = ()


def format_count(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
