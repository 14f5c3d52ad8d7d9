"""A world: the size and habits of a contact centre, and what a user fixes of it himself.

Every field of these structs is a key of a world file; ``docs/worlds.md`` describes them.
"""

import datetime
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec
from msgspec import Meta

from callmocks.contract.cached_property import cached_property
from callmocks.contract.structs import omit_defaults
from callmocks.errors import SettingsError
from callmocks.history.clock import find_builtin_type

if TYPE_CHECKING:
    from datetime import date as Date  # noqa: N812
    from datetime import datetime as DateTime  # noqa: N812
else:  # msgspec writes no date of a class that a test has patched
    Date, DateTime = find_builtin_type(datetime.date), find_builtin_type(datetime.datetime)

MAX_OPERATORS, MAX_OF_A_KIND, MAX_ORGANISATIONS, MAX_USERS = 800, 100, 5000, 50
CALLS_PER_DAY_MAX = 200_000
MANY_PEOPLE = 500  # that are drawn or described on the loop
FINISH_REASONS_CALLS_MAX = 50_000
# Calls start in these hours only, on Saturday until 20:59: none meets a change of clocks.
FIRST_HOUR, LAST_HOUR = 5, 22

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
PositiveId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Phone = Annotated[str, Meta(pattern=r"^[1-9][0-9]{4,14}$")]
ExtensionNumber = Annotated[str, Meta(pattern=r"^[0-9]{2,10}$")]
AgentName = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=64)]
Text255 = Annotated[str, Meta(min_length=1, max_length=255)]
Text20 = Annotated[str, Meta(min_length=1, max_length=20)]
Text50 = Annotated[str, Meta(min_length=1, max_length=50)]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
SizeOfAKind = Annotated[int, Meta(ge=1, le=MAX_OF_A_KIND)]
UsersOfOne = Annotated[int, Meta(ge=1, le=MAX_USERS)]
PerMille = Annotated[int, Meta(ge=0, le=1000)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]
TalkLength = Annotated[int, Meta(ge=0, le=6 * 3_600_000)]
MenuLength = Annotated[int, Meta(ge=0, le=180_000)]
RingLength = Annotated[int, Meta(ge=0, le=120_000)]
QueueLength = Annotated[int, Meta(ge=0, le=1_800_000)]
TalkQuantiles = Annotated[tuple[TalkLength, ...], Meta(max_length=1000)]
MenuQuantiles = Annotated[tuple[MenuLength, ...], Meta(max_length=1000)]
RingQuantiles = Annotated[tuple[RingLength, ...], Meta(max_length=1000)]
QueueQuantiles = Annotated[tuple[QueueLength, ...], Meta(max_length=1000)]
Days = Annotated[tuple[Date, ...], Meta(max_length=10_000)]
AttemptWeights = tuple[Weight, Weight, Weight, Weight]
HourWeights = tuple[Weight, ...]
DayHour = Annotated[int, Meta(ge=0, le=24)]
CallsFactor = Annotated[int, Meta(ge=0, le=10_000)]


class _WorldTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Sizes(_WorldTable, frozen=True):
    operators: Annotated[int, Meta(ge=2, le=MAX_OPERATORS)] = 12
    groups: SizeOfAKind = 3
    departments: SizeOfAKind = 3
    lines: SizeOfAKind = 4
    scenarios: SizeOfAKind = 3
    organisations: Annotated[int, Meta(ge=1, le=MAX_ORGANISATIONS)] = 40
    users: tuple[UsersOfOne, UsersOfOne] = (1, 6)


class OperatorEntry(_WorldTable, frozen=True):
    number: ExtensionNumber | None = None
    agent_id: AgentName | None = None
    employee_id: PositiveId | None = None
    specialist_id: Uuid | None = None
    last_name: Text20 | None = None
    first_name: Text20 | None = None
    patronymic: Annotated[str, Meta(max_length=20)] | None = None
    sip: ExtensionNumber | None = None
    phone: Literal["number", "sip"] | None = None
    group: Text255 | None = None
    department: Text255 | None = None
    post: Text50 | None = None
    email: Email | None = None
    mobile: Phone | None = None
    birthday: Date | None = None
    created_at: DateTime | None = None
    deleted: bool = False
    first_day: Date | None = None
    last_day: Date | None = None
    workload: Annotated[int, Meta(ge=100, le=10_000)] | None = None


class GroupEntry(_WorldTable, frozen=True):
    name: Text255
    id: PositiveId | None = None
    agent_group: AgentName | None = None


class DepartmentEntry(_WorldTable, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    id: Uuid | None = None


class LineEntry(_WorldTable, frozen=True):
    service_id: Uuid | None = None
    name: Text255 | None = None
    virtual_phone_number: Phone | None = None
    scenario: Text255 | None = None
    night_scenario: Text255 | None = None
    hours: tuple[DayHour, DayHour] = (8, 20)
    queue_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}$")] | None = None


class ScenarioEntry(_WorldTable, frozen=True):
    name: Text255
    id: PositiveId | None = None
    action_id: PositiveId | None = None
    action_name: Text255 | None = None


class UserEntry(_WorldTable, frozen=True, gc=False):
    user_id: Uuid | None = None
    contact_id: PositiveId | None = None
    last_name: Text255 | None = None
    first_name: Text255 | None = None
    patronymic: Annotated[str, Meta(max_length=255)] | None = None
    phone: Phone | None = None
    email: Email | None = None
    post: Text50 | None = None


class OrganisationEntry(_WorldTable, frozen=True, gc=False):
    client_id: Uuid | None = None
    name: Text50 | None = None
    full_name: Text255 | None = None
    inn: Annotated[str, Meta(pattern=r"^([0-9]{10}|[0-9]{12})$")] | None = None
    kpp: Annotated[str, Meta(pattern=r"^([0-9]{9})?$")] | None = None
    phone: Phone | None = None
    address: Text255 | None = None
    users: Annotated[tuple[UserEntry, ...], Meta(max_length=MAX_USERS)] = ()


_WEEKDAY_HOURS = (*[0] * 5, 1, 3, 10, 35, 80, 105, 110, 90, 80, 95, 95, 85, 65, 40, 25, 12, 6, 3, 0)
_WEEKEND_HOURS = (*[0] * 5, 1, 2, 5, 12, 25, 38, 42, 40, 34, 30, 28, 22, 16, 12, 8, 5, 2, 1, 0)
_WEEKDAYS = (1050, 1020, 1000, 980, 950, 1000, 1000)
_SEASONS = (1040, 1030, 1050, 1040, 930, 980, 930, 900, 1030, 1050, 1030, 990)
_TALK_MS = tuple(1000 * s for s in (1, 25, 60, 95, 130, 165, 215, 285, 390, 600, 2400))


class Traffic(_WorldTable, frozen=True):
    """Shares are per mille; ``talk_ms`` are evenly spaced quantiles, ascending."""

    plan: Literal["natural", "finish-reasons"] = "natural"
    internal: PerMille = 60
    outgoing: PerMille = 250
    auto_outgoing: PerMille = 30
    anonymous: PerMille = 20
    unknown_caller: PerMille = 120
    vendor: PerMille = 10
    missed: PerMille = 100
    transfer: PerMille = 90
    coach: PerMille = 30
    fax: PerMille = 12
    recorded: PerMille = 900
    rated: PerMille = 250
    weekend: PerMille = 350
    holiday: PerMille = 120
    short_day: PerMille = 850
    weekday_hours: HourWeights = _WEEKDAY_HOURS
    weekend_hours: HourWeights = _WEEKEND_HOURS
    talk_ms: TalkQuantiles = _TALK_MS
    repeat: PerMille = 400
    episodes: bool = True
    weekdays: tuple[CallsFactor, ...] = _WEEKDAYS


class Waiting(_WorldTable, frozen=True):
    """Evenly spaced quantiles in ms, ascending; weights of 0 to 3 attempts."""

    menu_ms: MenuQuantiles = (900, 2_500, 4_500, 7_500, 13_000, 32_000)
    answer_ms: RingQuantiles = (1_200, 2_500, 4_000, 6_000, 9_000, 14_000, 26_000)
    no_answer_ms: RingQuantiles = (5_000, 12_000, 20_000, 25_000, 30_000)
    queue_ms: QueueQuantiles = (4_000, 15_000, 35_000, 70_000, 180_000)
    attempts_answered: AttemptWeights = (74, 17, 6, 3)
    attempts_missed: AttemptWeights = (15, 50, 25, 10)
    gave_up_ringing: PerMille = 600


class AttemptReasons(_WorldTable, frozen=True):
    operator_not_responsible: Weight = 38
    timeout: Weight = 5
    operator_busy: Weight = 57


class OutgoingReasons(_WorldTable, frozen=True):
    subscriber_not_responsible: Weight = 60
    subscriber_busy: Weight = 30
    subscriber_number_problems: Weight = 10


class MenuReasons(_WorldTable, frozen=True):
    subscriber_disconnects: Weight = 85
    incorrect_input: Weight = 6
    max_transition_count_exceeded: Weight = 5
    action_interval_exceeded: Weight = 4


class ReasonRules(_WorldTable, frozen=True):
    """Shares per mille, and weights of reasons."""

    ended_by_client: PerMille = 600
    unreached_outgoing: PerMille = 350
    unreached_internal: PerMille = 250
    unreached_auto: PerMille = 500
    attempts: AttemptReasons = AttemptReasons()
    outgoing: OutgoingReasons = OutgoingReasons()
    menu: MenuReasons = MenuReasons()


class RosterRules(_WorldTable, frozen=True):
    """How the operators' days are drawn; ``shift_hours`` with the breaks."""

    shift_hours: Annotated[int, Meta(ge=2, le=12)] = 8
    breaks: Annotated[int, Meta(ge=0, le=4)] = 3
    vacation: bool = True


class Calendar(_WorldTable, frozen=True):
    """``seasons``: calls of each month, per mille of the mean."""

    country: Literal["russia", "none"] = "russia"
    holidays: Days = ()
    workdays: Days = ()
    short_days: Days = ()
    seasons: tuple[CallsFactor, ...] = _SEASONS


class World(_WorldTable, frozen=True, dict=True):
    title: Annotated[str, Meta(max_length=255)] = ""
    calls_per_day: Annotated[int, Meta(ge=0, le=CALLS_PER_DAY_MAX)] = 400
    locale: str = "ru_RU"
    sizes: Sizes = Sizes()
    groups: Annotated[tuple[GroupEntry, ...], Meta(max_length=MAX_OF_A_KIND)] = ()
    departments: Annotated[tuple[DepartmentEntry, ...], Meta(max_length=MAX_OF_A_KIND)] = ()
    scenarios: Annotated[tuple[ScenarioEntry, ...], Meta(max_length=MAX_OF_A_KIND)] = ()
    lines: Annotated[tuple[LineEntry, ...], Meta(max_length=MAX_OF_A_KIND)] = ()
    operators: Annotated[tuple[OperatorEntry, ...], Meta(max_length=MAX_OPERATORS)] = ()
    organisations: Annotated[tuple[OrganisationEntry, ...], Meta(max_length=MAX_ORGANISATIONS)] = ()
    traffic: Traffic = Traffic()
    waiting: Waiting = Waiting()
    reasons: ReasonRules = ReasonRules()
    roster: RosterRules = RosterRules()
    calendar: Calendar = Calendar()

    @cached_property
    def fingerprint(self) -> bytes:
        """Sixteen bytes of everything that shapes the data: the title and file name do not."""
        shown = msgspec.structs.asdict(self) | {"title": ""}
        traffic = shown["traffic"] = msgspec.structs.asdict(self.traffic)
        # Keys that came later: without them a world has the calls that it had.
        for table, name in ((traffic, "weekdays"), (shown, "waiting"), (shown, "reasons")):
            if table[name] == _LATER_DEFAULTS[name]:
                del table[name]
        content = msgspec.json.encode(shown, order="sorted")
        return hashlib.blake2b(content, digest_size=16).digest()

    @cached_property
    def people_fingerprint(self) -> bytes:
        """The same of the people alone, however many calls they have."""
        others = {
            "calls_per_day": 0,
            "traffic": Traffic(),
            "waiting": Waiting(),
            "reasons": ReasonRules(),
            "roster": RosterRules(),
            "calendar": Calendar(),
        }
        return msgspec.structs.replace(self, **others).fingerprint

    @cached_property
    def compact_json(self) -> msgspec.Raw:
        """Without what is default."""
        return msgspec.Raw(msgspec.json.encode(omit_defaults(self)))

    @cached_property
    def has_many_people(self) -> bool:
        """Whether there may be many, drawn or listed."""
        drawn = self.sizes.users[1]
        if self.organisations:
            users = sum(len(each.users) or drawn for each in self.organisations)
        else:
            users = self.sizes.organisations * drawn
        return users + (len(self.operators) or self.sizes.operators) > MANY_PEOPLE

    @cached_property
    def lists_many(self) -> bool:
        """Whether its fingerprint and JSON take long the first time."""
        users = sum(len(each.users) for each in self.organisations)
        return users + len(self.organisations) + len(self.operators) > MANY_PEOPLE

    @property
    def has_fingerprint(self) -> bool:
        return "fingerprint" in self.__dict__

    @property
    def has_compact_json(self) -> bool:
        return "compact_json" in self.__dict__

    def with_calls_per_day(self, calls_per_day: int) -> Self:
        if calls_per_day == self.calls_per_day:
            return self
        # The last one is kept with its fingerprint.
        latest: Self | None = self.__dict__.get("latest")
        if latest is not None and latest.calls_per_day == calls_per_day:
            return latest
        changed = msgspec.structs.replace(self, calls_per_day=calls_per_day)
        if not 0 <= calls_per_day <= CALLS_PER_DAY_MAX:
            raise SettingsError(f"{calls_per_day} calls a day are not in 0 … {CALLS_PER_DAY_MAX}")
        for problem in changed.find_plan_problems():
            raise SettingsError(problem)
        self.__dict__["latest"] = changed
        return changed

    def find_plan_problems(self) -> Iterator[str]:
        calls, limit = self.calls_per_day, FINISH_REASONS_CALLS_MAX
        if self.traffic.plan == "finish-reasons" and calls > limit:
            yield f"the plan finish-reasons holds at most {limit} a day, not {calls}"


_LATER_DEFAULTS = {"weekdays": _WEEKDAYS, "waiting": Waiting(), "reasons": ReasonRules()}
