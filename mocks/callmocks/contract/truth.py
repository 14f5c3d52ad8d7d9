"""The admin API's truth: calls with their ids at each provider, in the tenant's wall time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from callmocks.contract.json_model import JsonName


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a call."""

    json_name: ClassVar = "TruthLeg"
    leg_id: Annotated[int, "Its id in the Data API."]
    role: str
    operator: Annotated[str | None, "Internal number."]
    start: datetime
    answered: datetime | None
    end: datetime
    finish_reason: str
    rang: Annotated[bool, "Whether the operator's telephone rang: then it is in his ARM history."]


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A row of an operator's history in ARM."""

    json_name: ClassVar = "TruthArm"
    operator: str
    call_ref: str
    shown_at: Annotated[datetime, "When it is there as that of a finished call."]
    record_shown_at: Annotated[datetime | None, "When its record is there too."]


@dataclass(frozen=True, slots=True)
class CdrIds:
    """The ids of a call in the Data API, and the reason of its session there."""

    json_name: ClassVar = "TruthCdr"
    call_session_id: int
    communication_id: int
    leg_ids: tuple[int, ...]
    session_finish_reason: Annotated[str, "In ``get.calls_report``, by the outcome of the call."]
    shown_at: Annotated[datetime, "When the reports have it."]
    record_shown_at: Annotated[datetime | None, "When its records are there too."]


@dataclass(frozen=True, slots=True)
class OnecId:
    """The id of a call in 1C-Connect."""

    json_name: ClassVar = "TruthOnec"
    call_id: Annotated[str, JsonName("CallID")]
    vendor_scheme: Annotated[bool, "Somebody else's client and specialist on the partner's line."]
    shown_at: Annotated[datetime, "When its row is there."]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it happened, times to the millisecond, and its ids in each view."""

    json_name: ClassVar = "TruthCall"
    start: datetime
    answered: datetime | None
    end: datetime
    finished: Annotated[bool, "Whether it has ended by the tenant's clock."]
    direction: Annotated[str, "``in``, ``out``, ``auto`` or ``internal``."]
    client_phone: str | None
    client: str | None
    user_id: Annotated[str | None, "ServiceUserID of the client in 1C-Connect."]
    line: Annotated[str | None, "The virtual number."]
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
