"""Calls as the admin API tells them: those that were pinned, and those of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from callmocks.testing.times import parse_optional_time, parse_time


class PinFields(TypedDict, total=False):
    """What can be said of a call that must exist, besides its start; the rest is filled in.

    Operators are internal numbers; ``line`` is a virtual number or a ServiceID, ``user`` a
    ServiceUserID. ``finish_reason`` is a mnemonic of the Data API.
    """

    direction: str
    """``in``, ``out``, ``auto`` or ``internal``."""
    operator: str
    to_operator: str
    client_phone: str
    anonymous: bool
    user: str
    line: str
    finish_reason: str
    answered: bool
    wait_seconds: float
    """From the start to the answer, or to giving up."""
    talk_seconds: float
    transfer_to: str
    transfer_talk_seconds: float
    coach: str
    recorded: bool
    rating: int
    vendor: bool


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a call; ``leg_id`` is its id in the Data API."""

    leg_id: int
    role: str
    operator: str | None
    """Internal number."""
    start: datetime
    answered: datetime | None
    end: datetime
    finish_reason: str
    rang: bool
    """Whether the operator's telephone rang: then it is in his ARM history."""


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A row of an operator's history in ARM."""

    operator: str
    call_ref: str


@dataclass(frozen=True, slots=True)
class CdrIds:
    """The ids of a call in the Data API."""

    call_session_id: int
    communication_id: int
    leg_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OnecId:
    """The id of a call in 1C-Connect."""

    call_id: str
    vendor_scheme: bool
    """Somebody else's client and specialist on the partner's line."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it happened, wall times to the millisecond, and its ids in each view."""

    start: datetime
    answered: datetime | None
    end: datetime
    finished: bool
    """Whether it had ended by the tenant's clock."""
    direction: str
    client_phone: str | None
    client: str | None
    user_id: str | None
    line: str | None
    finish_reason: str
    talk_seconds: int
    recorded: bool
    legs: tuple[Leg, ...]
    arm: tuple[ArmRow, ...]
    cdr: CdrIds
    onec: OnecId | None

    @property
    def session_id(self) -> int:
        """Its id in the Data API, by which it is unpinned too."""
        return self.cdr.call_session_id


def parse_call(raw: dict[str, Any]) -> Call:
    """A call from the admin API's JSON; members that are not known here are left out."""
    onec = raw["onec"]
    return Call(
        start=parse_time(raw["start"]),
        answered=parse_optional_time(raw["answered"]),
        end=parse_time(raw["end"]),
        finished=raw["finished"],
        direction=raw["direction"],
        client_phone=raw["client_phone"],
        client=raw["client"],
        user_id=raw["user_id"],
        line=raw["line"],
        finish_reason=raw["finish_reason"],
        talk_seconds=raw["talk_seconds"],
        recorded=raw["recorded"],
        legs=tuple(_parse_leg(leg) for leg in raw["legs"]),
        arm=tuple(ArmRow(row["operator"], row["call_ref"]) for row in raw["arm"]),
        cdr=CdrIds(
            raw["cdr"]["call_session_id"],
            raw["cdr"]["communication_id"],
            tuple(raw["cdr"]["leg_ids"]),
        ),
        onec=None if onec is None else OnecId(onec["CallID"], onec["vendor_scheme"]),
    )


def _parse_leg(raw: dict[str, Any]) -> Leg:
    return Leg(
        leg_id=raw["leg_id"],
        role=raw["role"],
        operator=raw["operator"],
        start=parse_time(raw["start"]),
        answered=parse_optional_time(raw["answered"]),
        end=parse_time(raw["end"]),
        finish_reason=raw["finish_reason"],
        rang=raw["rang"],
    )
