"""From a tenant to its scenario, and back into a tenant that nobody uses yet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from callmocks.config import validation
from callmocks.config.validation import format_key
from callmocks.contract.assumptions import Assumptions
from callmocks.contract.garbage import drop_frames
from callmocks.contract.quoting import quote_text, shorten_text
from callmocks.contract.structs import omit_defaults
from callmocks.errors import Contradiction, SettingsError
from callmocks.faults.base import FaultError
from callmocks.history.clock import (
    Clock,
    check_clock_range,
    load_time_zone,
    parse_clock_time,
    parse_wall_time,
)
from callmocks.history.lags import check_lag
from callmocks.history.pin_resolution import PinnedCall
from callmocks.history.pins import NumberedPin, Pin, PinCounters, Pins
from callmocks.history.walltime import (
    DAYS,
    FIRST_DATE,
    LAST_DATE,
    date_of_day,
    day_of_date,
    parse_first_date,
)
from callmocks.history.world import World
from callmocks.history.world_file import find_world_problems, load_world, world_names
from callmocks.tenants.scenario import (
    MAX_MISTAKES,
    ClockState,
    FaultState,
    Mistake,
    NamedTenantScenario,
    ScenarioError,
    TenantLags,
    TenantScenario,
)
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.state import StateDump
from callmocks.tenants.worker import PieceTimer

if TYPE_CHECKING:
    from callmocks.tenants.tenant import Tenant

T = TypeVar("T")

FillTenant = Callable[["Tenant"], Coroutine[Any, Any, StateDump]]
"""Puts things into a tenant that nobody uses yet; returns what its state has to hold.

It waits for nothing but its turn.
"""


class MistakeCollector:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    @contextmanager
    def catch_mistake(self, path: str) -> Iterator[None]:
        """What fails inside is a mistake at ``path``, or below it."""
        try:
            yield
        except (Contradiction, SettingsError) as error:
            self.mistakes += _list_mistakes(error, path)
            drop_frames(error)  # `contextmanager` has it in a variable

    def take_until_many(self, items: Iterable[T]) -> Iterator[T]:
        """The items up to that one with which there are as many mistakes as one error lists."""
        for item in items:
            if len(self.mistakes) >= MAX_MISTAKES:
                return
            yield item

    def raise_if_any(self) -> None:
        if self.mistakes:
            raise ScenarioError(self.mistakes)


def _list_mistakes(error: Contradiction | SettingsError, path: str) -> list[Mistake]:
    if isinstance(error, ScenarioError):
        return error.put_within(path).mistakes
    if isinstance(error, Contradiction):
        return [Mistake(f"{path}.{error.field}", error.reason)]
    name = path.rpartition(".")[2]
    return [Mistake(path, str(error).removeprefix(f"{name}: "))]


def check_settings(settings: TenantSettings) -> None:
    """``ScenarioError`` has every setting at fault."""
    found = MistakeCollector()
    with found.catch_mistake("timezone"):
        load_time_zone(settings.timezone)
    if settings.now != "real":
        with found.catch_mistake("now"):
            parse_clock_time(settings.now)
    with found.catch_mistake("history_from"):
        parse_first_date(settings.history_from)
    for assumption, choice in found.take_until_many(settings.assumptions.items()):
        with found.catch_mistake(f"assumptions{format_key(assumption)}"):
            _check_choice(assumption, choice)
    for name, lag in settings.lags.items():
        with found.catch_mistake(f"lags.{name}"):
            check_lag(name, lag)
    for part in settings.provider_settings.values():
        try:
            part.check()
        except SettingsError as error:
            path, _, reason = str(error).partition(": ")
            found.mistakes.append(Mistake(path, reason))
    with found.catch_mistake("world"):
        world = load_world(settings.world)
        if isinstance(settings.world, World):
            first = islice(find_world_problems(world), MAX_MISTAKES)
            problems = [Mistake(path, text) for path, text in first]
            if problems:
                raise ScenarioError(problems)
        if settings.calls_per_day is not None:
            with found.catch_mistake("calls_per_day"):
                world.with_calls_per_day(settings.calls_per_day)
    found.raise_if_any()


def _check_choice(assumption: str, choice: str) -> None:
    try:
        Assumptions({assumption: choice})
    except SettingsError as error:
        raise SettingsError(str(error).removeprefix(f"assumption {assumption}: ")) from None


async def fill_tenant(tenant: Tenant, scenario: TenantScenario) -> StateDump:
    """``ScenarioError`` when it cannot hold what the scenario says beyond its settings."""
    found, dump = MistakeCollector(), StateDump()
    if scenario.clock is not None:
        with found.catch_mistake("clock"):
            apply_clock_state(tenant.clock, scenario.clock)
    numbered: dict[str, NumberedPin] = {}
    timer = PieceTimer()
    for index, call in found.take_until_many(enumerate(scenario.calls)):
        with found.catch_mistake(path := f"calls[{index}]"):
            numbered[path] = tenant.pins.give_number(msgspec.to_builtins(call))
        await timer.yield_when_due()
    for index, fault in found.take_until_many(enumerate(scenario.faults)):
        with found.catch_mistake(f"faults[{index}]"):
            _enable_fault(tenant, fault, dump)
        await timer.yield_when_due()
    _raise_last_numbers(tenant, scenario, found)
    for key, value in found.take_until_many(scenario.quotas.items()):
        with found.catch_mistake(f"quotas{format_key(key)}"):
            _put_quota(tenant, key, value, dump)
    found.raise_if_any()
    # To build a call takes ten times as long as to check all that its author may have mistaken.
    for path in found.take_until_many([*numbered]):
        with found.catch_mistake(path):
            tenant.pins.add_numbered(numbered.pop(path))
        await timer.yield_when_due()
    found.raise_if_any()
    return dump


def apply_clock_state(clock: Clock, state: ClockState) -> None:
    """``ScenarioError``: the places are those of the state."""
    if state.mode == "real":
        _refuse_if(
            state.now is not None or state.speed is not None,
            "mode",
            "mode real takes neither now nor speed",
        )
        clock.follow_machine()
        return
    with _at_place("now"):
        start = clock.now() if state.now is None else parse_wall_time(state.now)
        check_clock_range(start)
    if state.mode == "offset" or (state.mode is None and state.speed is not None):
        clock.run(start, state.speed or 1.0)
        return
    _refuse_if(state.speed is not None, "speed", "a frozen clock has no speed")
    _refuse_if(state.mode is None and state.now is None, "", "say now, mode or speed")
    clock.freeze(start)


def _refuse_if(wrong: bool, path: str, reason: str) -> None:
    if wrong:
        raise ScenarioError([Mistake(path, reason)])


@contextmanager
def _at_place(path: str) -> Iterator[None]:
    found = MistakeCollector()
    with found.catch_mistake(path):
        yield
    found.raise_if_any()


def _enable_fault(tenant: Tenant, fault: FaultState, dump: StateDump) -> None:
    own = fault.provider, fault.fault, fault.params, fault.scope, fault.number
    try:
        active = tenant.faults.enable(*own)
    except FaultError as error:
        reason = str(error).removeprefix(f"fault {fault.fault}: ").removeprefix(f"{error.where}: ")
        unknown, reason = validation.find_unknown_key(reason)
        where = f"{error.where}{format_key(unknown)}" if unknown else error.where
        raise ScenarioError([Mistake(where, reason)]) from None
    active.matched_count, active.applied_count = fault.met, fault.applied
    for key, count in ((active.met_key, fault.met), (active.applied_key, fault.applied)):
        if count:
            dump.counters[key] = count
    if fault.members:
        dump.sets[active.members_key] = set(fault.members)


def _raise_last_numbers(tenant: Tenant, scenario: TenantScenario, found: MistakeCollector) -> None:
    counters = tenant.pins.counters
    numbers = dict(counters.numbers)
    for text, number in found.take_until_many(scenario.last_call_numbers.items()):
        with found.catch_mistake(f"last_call_numbers{format_key(text)}"):
            day = _parse_day(text)
            given = numbers.get(day, 0)
            _refuse_if(number < given, "", f"a call of that day has the number {given}")
            numbers[day] = number
    tenant.pins.counters = PinCounters(counters.added, numbers)
    last, serial = tenant.faults.last_numbers
    with found.catch_mistake("last_fault_number"):
        if scenario.last_fault_number:
            too_low = scenario.last_fault_number < last
            _refuse_if(too_low, "", f"a fault has the number {last}")
            tenant.faults.last_numbers = scenario.last_fault_number, serial


def _parse_day(text: str) -> int:
    try:
        day = day_of_date(date.fromisoformat(text))
    except ValueError:
        raise SettingsError(f"{quote_text(text)} is not a date such as 2026-03-02") from None
    if not 0 <= day < DAYS:
        raise SettingsError(f"no call is before {FIRST_DATE} or after {LAST_DATE}")
    return day


def _put_quota(tenant: Tenant, key: str, value: int | str, dump: StateDump) -> None:
    kinds = (provider.quota_kind(key) for provider in tenant.providers.values())
    kind = next(filter(None, kinds), None)
    if kind is None:
        raise SettingsError("no provider counts anything under that name")
    if not isinstance(value, kind):
        expected = "a number" if kind is int else "a text in quotes"
        raise SettingsError(f"expected {expected}, got {shorten_text(str(value))}")
    if isinstance(value, int):
        dump.counters[key] = value
    else:
        dump.values[key] = value.encode()


async def describe_scenario(tenant: Tenant) -> NamedTenantScenario:
    """All of a tenant but its journal, its sessions and what connects to it."""
    settings, dump = tenant.settings, await tenant.state.read_all()
    choices = tenant.assumptions.explicit_choices()
    pins = tenant.pins.list_all()
    scenario = NamedTenantScenario(
        name=tenant.name,
        seed=settings.seed,
        world=_describe_world(tenant),
        calls_per_day=tenant.history.world.calls_per_day,
        now=settings.now,
        timezone=settings.timezone,
        history_from=settings.history_from,
        limits=settings.limits,  # type: ignore[arg-type]
        self_check=settings.self_check,
        assumptions=dict(sorted(choices.items())),
        lags=TenantLags(**settings.lags),
        **_omit_derived_credentials(settings),
        clock=_describe_clock(tenant),
        faults=_describe_faults(tenant, dump),
        quotas=_describe_quotas(tenant, dump),
        last_call_numbers=_describe_last_call_numbers(tenant.pins),
        last_fault_number=_describe_last_fault_number(tenant),
    )
    # Last, as others change the tenant between its pieces.
    return msgspec.structs.replace(scenario, calls=await _describe_calls(pins))


def _omit_derived_credentials(settings: TenantSettings) -> dict[str, Any]:
    """Another suite derives them from the name again."""
    derived = TenantSettings(settings.name).with_defaults().provider_settings
    found = {}
    for name, part in settings.provider_settings.items():
        values, others = msgspec.structs.asdict(part), msgspec.structs.asdict(derived[name])
        given = {key: value for key, value in values.items() if value != others[key]}
        found[name] = type(part)(**given)
    return found


def _describe_world(tenant: Tenant) -> str | World:
    """A file's is written out: another suite does not have it."""
    if isinstance(tenant.settings.world, str) and tenant.settings.world in world_names():
        return tenant.settings.world
    # How many calls it has stands beside it.
    return msgspec.structs.replace(tenant.history.world, calls_per_day=World().calls_per_day)


def _describe_clock(tenant: Tenant) -> ClockState | None:
    clock = tenant.clock
    if clock.shows_as(tenant.create_initial_clock()):
        return None
    if clock.mode == "real":
        return ClockState(mode="real")
    speed = clock.speed if clock.mode == "offset" else None
    return ClockState(now=clock.now().isoformat(), speed=speed)


async def _describe_calls(pins: list[Pin]) -> list[PinnedCall]:
    calls, timer = [], PieceTimer()
    for pin in pins:
        calls.append(msgspec.convert(pin.request, PinnedCall))
        await timer.yield_when_due()
    return calls


def _describe_faults(tenant: Tenant, dump: StateDump) -> list[FaultState]:
    return [
        FaultState(
            provider=active.provider,
            fault=active.fault.fault_name,
            params=omit_defaults(active.fault),
            **msgspec.structs.asdict(active.scope),
            number=active.number,
            met=dump.counters.get(active.met_key, 0),
            applied=dump.counters.get(active.applied_key, 0),
            members=sorted(dump.sets.get(active.members_key, ())),
        )
        for active in tenant.faults.list_active()
    ]


def _describe_quotas(tenant: Tenant, dump: StateDump) -> dict[str, int | str]:
    kept: dict[str, int | str] = {key: value.decode() for key, value in dump.values.items()}
    kept |= {key: count for key, count in dump.counters.items() if count}
    providers = tenant.providers.values()
    is_quota = {key: any(each.quota_kind(key) for each in providers) for key in sorted(kept)}
    return {key: kept[key] for key, counted in is_quota.items() if counted}


def _describe_last_call_numbers(pins: Pins) -> dict[str, int]:
    """Those that are not the number of a call."""
    present: dict[int, int] = {}
    for pin in pins.list_all():
        present[pin.day.first_day] = max(pin.number, present.get(pin.day.first_day, 0))
    return {
        date_of_day(day).isoformat(): number
        for day, number in sorted(pins.counters.numbers.items())
        if number != present.get(day)
    }


def _describe_last_fault_number(tenant: Tenant) -> int:
    last, _ = tenant.faults.last_numbers
    return (
        0 if last == max((each.number for each in tenant.faults.list_active()), default=0) else last
    )
