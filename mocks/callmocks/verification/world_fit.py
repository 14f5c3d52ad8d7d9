"""``callmocks world fit``: a world whose calls resemble recorded ones.

A first guess is read off the recorded legs. Then calls of that world are generated, measured in the
same way, and the world is changed by the difference, a few times.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.errors import SettingsError
from callmocks.history.calendar import DayKind, day_kinds, season_factors
from callmocks.history.episodes import EPISODE_SCOPES
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.roster import LAST_SATURDAY_HOUR, SATURDAY
from callmocks.history.walltime import DAY_MS, DAYS, END_OF_HISTORY, date_of_day, day_start
from callmocks.history.world import FIRST_HOUR, LAST_HOUR, World
from callmocks.history.world_file import parse_world
from callmocks.tenants.settings import TenantSettings
from callmocks.verification.call_measures import (
    CallMeasures,
    frame_generated_legs,
    frame_recorded_legs,
    measure_calls,
)
from callmocks.verification.distributions import (
    find_largest_gap,
    find_quantiles,
    find_variation,
    normalize_counts,
    scale_counts,
    scale_to_thousand,
)
from callmocks.verification.recorded_calls import RecordedCalls

MIN_SESSIONS = 2000
_ROUNDS = 3
# Few recorded calls are compared with those of several seeds.
_GENERATED_SESSIONS, _MAX_SEEDS = 12_000, 4
_CHECK_SEED = 1000
# Of fewer calls no share is read, of fewer lengths no quantiles.
_MIN_CALLS, _MIN_LENGTHS = 30, 60
_USERS_OF_ORGANISATION = 3.5
_SHIFT_STEP = 0.75  # hours by which shifts have to differ before they are changed
_DEFAULTS = World()
_SHARES = {
    "traffic": (
        *("internal", "outgoing", "auto_outgoing", "anonymous", "unknown_caller", "missed"),
        *("transfer", "coach", "fax", "recorded", "rated", "repeat"),
    ),
    "waiting": ("gave_up_ringing",),
    "reasons": ("ended_by_client", "unreached_outgoing", "unreached_internal", "unreached_auto"),
}
# Nobody knows whether a field that is empty everywhere was recorded.
_MAY_BE_UNRECORDED = ("unknown_caller", "recorded", "rated")
_LENGTHS = {"talk_ms": "traffic"} | dict.fromkeys(
    ("menu_ms", "answer_ms", "no_answer_ms", "queue_ms"), "waiting"
)
_MOST_MS = {"talk_ms": 21_600_000, "menu_ms": 180_000, "queue_ms": 1_800_000}
_RING_MOST_MS = 120_000
_WEIGHTS = ("attempts", "outgoing", "menu")
Found = dict[str, Any]


@dataclass(slots=True)
class FittedWorld:
    """``days`` are those that were recorded; ``generated`` is of the world, by another seed."""

    text: str
    days: list[int]
    legs: int
    outside: int  # sessions at hours that no world has
    recorded: CallMeasures
    generated: CallMeasures
    as_default: list[str] = field(default_factory=list)

    @property
    def distances(self) -> dict[str, float]:
        """Kolmogorov and Smirnov's D of lengths and times, total variation of reasons."""
        names = {"waiting": "wait", "talk": "talk", "legs": "leg", "sessions": "total"}
        pairs = {
            shown: (self.recorded.lengths[name], self.generated.lengths[name])
            for shown, name in names.items()
        }
        pairs["time of day"] = (np.sort(self.recorded.starts), np.sort(self.generated.starts))
        found = {name: find_largest_gap(*pair) for name, pair in pairs.items()}
        return found | {"reasons": find_variation(self.recorded.reasons, self.generated.reasons)}


def fit_world(calls: RecordedCalls) -> FittedWorld:
    """``SettingsError`` when there are too few sessions, or none in the hours of a world."""
    legs = frame_recorded_legs(calls.legs)
    _check_days(legs)
    recorded = measure_calls(legs)
    if recorded.sessions < MIN_SESSIONS:
        listed = "; ".join(calls.passed_over[:3])
        text = f"{recorded.sessions} sessions with their first legs were recorded"
        text += f", {MIN_SESSIONS} are needed"
        raise SettingsError(text + (f"; passed over: {listed}" if listed else ""))
    fit = _Fit(recorded)
    for _ in range(_ROUNDS):
        fit.correct(fit.generate(range(fit.seeds)))
    text = _render_world(fit.found)
    generated = fit.generate([_CHECK_SEED])
    outside = recorded.sessions - int(fit.hours.sum())
    return FittedWorld(text, fit.days, legs.height, outside, recorded, generated, fit.as_default)


def _check_days(legs: pl.DataFrame) -> None:
    days = pl.col("start") * 1000 // DAY_MS * DAY_MS
    outside = legs.filter((days < day_start(0)) | (days >= day_start(DAYS)))
    if outside.height:
        first, last = date_of_day(0), date_of_day(DAYS - 1)
        raise SettingsError(f"leg {outside['id'][0]}: its start is not in {first} … {last}")


class _Fit:
    def __init__(self, recorded: CallMeasures) -> None:
        self.recorded = recorded
        self.days = _list_days(recorded)
        self.seeds = min(max(_GENERATED_SESSIONS // recorded.sessions, 1), _MAX_SEEDS)
        self.hours = _count_hours(recorded)
        self.as_default: list[str] = []
        self.found: Found = {"sizes": {}, "traffic": {}, "waiting": {}, "reasons": {}, "roster": {}}
        self._least_operators = 2
        self._guess_sizes()
        self._guess_days()
        self._guess_hours()
        self._guess_shares()
        self._guess_lengths()
        self._guess_weights()
        self._limit_shares()

    def generate(self, seeds: Sequence[int]) -> CallMeasures:
        world = parse_world(_render_world(self.found), "that was fitted")
        factory = HistoryFactory()
        frames = []
        for number, seed in enumerate(seeds):
            history = factory.create(TenantSettings("fit", seed=seed), world)
            frame = _generate_legs(history, self.days)
            sessions = pl.col("call_session_id") * len(seeds) + number
            frames.append(frame.with_columns(sessions))
        return measure_calls(pl.concat(frames), len(seeds))

    def correct(self, generated: CallMeasures) -> None:
        """By the differences of what was measured."""
        self._correct_hours(generated)
        self._correct_sizes(generated)
        for table, names in _SHARES.items():
            for name in names:
                if name in self.found[table] and generated.shares[name][1] >= _MIN_CALLS:
                    wanted, got = (_share(each, name) for each in (self.recorded, generated))
                    share = self.found[table][name] + round(1000 * (wanted - got))
                    self.found[table][name] = min(max(share, 0), 1000)
        for name, table in _LENGTHS.items():
            if name in self.found[table] and name != "no_answer_ms":
                count = len(self.found[table][name])
                pair = (self.recorded.lengths[name], generated.lengths[name])
                target, found = (find_quantiles(each, count) for each in pair)
                self._put_quantiles(name, self.found[table][name] + target - found)
        for name in _WEIGHTS:
            if name in self.found["reasons"]:
                weights = self.found["reasons"][name]
                self.found["reasons"][name] = self._scale_weights(name, weights, generated)
        for name in ("attempts_answered", "attempts_missed"):
            if name in self.found["waiting"]:
                weights = dict(zip("0123", self.found["waiting"][name], strict=True))
                scaled = self._scale_weights(name, weights, generated)
                self.found["waiting"][name] = [scaled[key] for key in "0123"]
        self._limit_shares()

    def _guess_sizes(self) -> None:
        distinct, sizes = self.recorded.distinct, self.found["sizes"]
        for name, most in (("operators", 800), ("groups", 100), ("lines", 100), ("scenarios", 100)):
            if distinct[name]:
                sizes[name] = min(max(distinct[name], 2 if name == "operators" else 1), most)
            else:
                self.as_default.append(name)
        if distinct["contacts"]:
            sizes["organisations"] = _limit_organisations(
                distinct["contacts"] / _USERS_OF_ORGANISATION
            )

    def _correct_sizes(self, generated: CallMeasures) -> None:
        sizes, traffic = self.found["sizes"], self.found["traffic"]
        if "operators" in sizes:
            change = self.recorded.distinct["operators"] - generated.distinct["operators"]
            operators = sizes["operators"] + change
            lost, got = (_share(each, "missed") for each in (self.recorded, generated))
            if not traffic.get("missed", 1) and got > lost + 0.03:
                # So few cannot take so many calls.
                self._least_operators = operators = -(-sizes["operators"] * 5 // 4)
            sizes["operators"] = min(max(operators, self._least_operators), 800)
        pair = (each.lengths["presence"] for each in (self.recorded, generated))
        worked, got_worked = (each.mean() / 3600 if len(each) else 0.0 for each in pair)
        if len(self.recorded.lengths["presence"]) >= _MIN_CALLS:
            shift = self.found["roster"].get("shift_hours", _DEFAULTS.roster.shift_hours)
            shift += int((worked - got_worked) / _SHIFT_STEP)
            self.found["roster"]["shift_hours"] = min(max(shift, 2), 12)
        if "organisations" in sizes:
            ratio = self.recorded.distinct["contacts"] / max(generated.distinct["contacts"], 1)
            changed = sizes["organisations"] * min(max(ratio, 0.5), 2)
            sizes["organisations"] = _limit_organisations(changed)

    def _guess_days(self) -> None:
        """Calls of a workday and what days differ by, without the seasons."""
        days = np.array(self.days)
        kinds = day_kinds(_DEFAULTS.calendar)[days]
        weekdays = np.array([date_of_day(day).weekday() for day in self.days])
        counts = np.bincount(self.recorded.days - days[0], minlength=days[-1] - days[0] + 1)
        calls = counts[days - days[0]] * 1000 / season_factors(_DEFAULTS.calendar)[days]
        traffic, workday = self.found["traffic"], kinds == DayKind.WORKDAY
        day_off = kinds == DayKind.DAY_OFF
        means = {
            day: calls[workday & (weekdays == day)].mean()
            for day in range(SATURDAY)
            if (workday & (weekdays == day)).any()
        }
        mean = float(np.mean([*means.values()])) if means else float(calls.mean())
        self.found["calls_per_day"] = min(max(round(mean), 1), 200_000)
        factors = [round(1000 * means.get(day, mean) / mean) for day in range(SATURDAY)]
        off = {day: calls[day_off & (weekdays == day)] for day in (SATURDAY, SATURDAY + 1)}
        rates = [each.mean() for each in off.values() if len(each)]
        if rates:
            traffic["weekend"] = min(round(1000 * float(np.mean(rates)) / mean), 1000)
        weekend = traffic.get("weekend", _DEFAULTS.traffic.weekend) * mean / 1000
        for each in off.values():
            known = len(each) and weekend
            factors.append(round(1000 * each.mean() / weekend) if known else 1000)
        traffic["weekdays"] = [min(factor, 10_000) for factor in factors]
        for name, kind in (("short_day", DayKind.SHORT), ("holiday", DayKind.HOLIDAY)):
            if (kinds == kind).any():
                traffic[name] = min(round(1000 * float(calls[kinds == kind].mean()) / mean), 1000)

    def _guess_hours(self) -> None:
        works, off = self.hours
        if not works.any():
            works = off
        for name, counts in (("weekday_hours", works), ("weekend_hours", off)):
            # Too few to tell the hours of a weekend: as on other days.
            known = counts if counts.sum() >= 2 * _MIN_CALLS and counts[:21].any() else works
            if not known[:21].any():
                raise SettingsError(
                    "no session starts between 5 and 21 o'clock, as calls of a world do"
                )
            self.found["traffic"][name] = scale_counts(known)

    def _correct_hours(self, generated: CallMeasures) -> None:
        wanted, got = self.hours, _count_hours(generated)
        for number, name in enumerate(("weekday_hours", "weekend_hours")):
            if wanted[number].sum() >= 2 * _MIN_CALLS and got[number].any():
                share = [each[number] / each[number].sum() for each in (wanted, got)]
                # Half of the way: shifts move with the hours, so that the whole is too far.
                ratio = np.sqrt(np.clip(share[0] / np.maximum(share[1], 1e-6), 0.25, 4))
                weights = np.array(self.found["traffic"][name]) * np.where(share[1] > 0, ratio, 1)
                self.found["traffic"][name] = scale_counts(weights)

    def _guess_shares(self) -> None:
        for table, names in _SHARES.items():
            for name in names:
                part, whole = self.recorded.shares[name]
                if whole < _MIN_CALLS or (name in _MAY_BE_UNRECORDED and part in (0, whole)):
                    self.as_default.append(name)
                else:
                    self.found[table][name] = round(1000 * part / whole)
        episodes = self.recorded.reasons.keys() & EPISODE_SCOPES.keys()
        self.found["traffic"]["episodes"] = bool(episodes)

    def _limit_shares(self) -> None:
        """Those of one whole make 1000 at most."""
        traffic = self.found["traffic"]
        for names in (
            ("internal", "auto_outgoing", "outgoing"),
            ("vendor", "anonymous", "unknown_caller"),
        ):
            left = 1000
            for name in names:
                share = traffic.get(name, getattr(_DEFAULTS.traffic, name))
                if share > left:
                    traffic[name] = left
                left -= min(share, left)

    def _guess_lengths(self) -> None:
        lengths = self.recorded.lengths
        for name in _LENGTHS:
            if len(lengths[name]) >= _MIN_LENGTHS:
                count = (
                    41 if len(lengths[name]) >= 1000 else 21 if len(lengths[name]) >= 300 else 11
                )
                self._put_quantiles(name, find_quantiles(lengths[name], count))
            else:
                self.as_default.append(name)

    def _put_quantiles(self, name: str, quantiles: NDArray[np.float64]) -> None:
        limited = np.clip(quantiles, 0, _MOST_MS.get(name, _RING_MOST_MS))
        ascending = np.maximum.accumulate(limited).round().astype(np.int64)
        self.found[_LENGTHS[name]][name] = ascending.tolist()

    def _guess_weights(self) -> None:
        for name in _WEIGHTS:
            default = msgspec.structs.asdict(getattr(_DEFAULTS.reasons, name))
            counts = {each: self.recorded.weights[name].get(each, 0) for each in default}
            if sum(counts.values()) >= _MIN_CALLS:
                self.found["reasons"][name] = scale_to_thousand(counts)
        for name in ("attempts_answered", "attempts_missed"):
            counts = {key: self.recorded.weights[name].get(key, 0) for key in "0123"}
            if sum(counts.values()) >= _MIN_CALLS:
                self.found["waiting"][name] = [*scale_to_thousand(counts).values()]

    def _scale_weights(
        self, name: str, weights: dict[str, int], generated: CallMeasures
    ) -> dict[str, int]:
        wanted, got = (
            normalize_counts(each.weights[name], weights) for each in (self.recorded, generated)
        )
        return scale_to_thousand(
            {
                key: weight * min(max(wanted[key] / got[key], 0.5), 2) if got[key] else weight
                for key, weight in weights.items()
            }
        )


def _list_days(recorded: CallMeasures) -> list[int]:
    """Those with calls, and days off between them; a gap with a workday was not recorded."""
    kinds = day_kinds(_DEFAULTS.calendar)
    called = sorted({*recorded.days.tolist()})
    days = called[:1]
    for before, after in pairwise(called):
        closed = kinds[before + 1 : after]
        if np.isin(closed, (DayKind.DAY_OFF, DayKind.HOLIDAY)).all():
            days += range(before + 1, after)
        days.append(after)
    return days


def _count_hours(measures: CallMeasures) -> NDArray[np.int64]:
    """Of workdays and of other days, by the hours that calls of a world may have."""
    hours = measures.starts // 3600
    works = np.isin(day_kinds(_DEFAULTS.calendar)[measures.days], (DayKind.WORKDAY, DayKind.SHORT))
    saturday = (measures.days - _FIRST_SATURDAY) % 7 == 0
    last = np.where(saturday, LAST_SATURDAY_HOUR, LAST_HOUR)
    possible = (hours >= FIRST_HOUR) & (hours <= last)
    return np.array([np.bincount(hours[possible & each], minlength=24) for each in (works, ~works)])


_FIRST_SATURDAY = next(day for day in range(7) if date_of_day(day).weekday() == SATURDAY)


def _generate_legs(history: History, days: list[int]) -> pl.DataFrame:
    frames = []
    runs = np.split(np.array(days), np.flatnonzero(np.diff(days) > 1) + 1)
    for run in runs:
        till = day_start(int(run[-1]) + 1) - 1
        frame = history.legs_between(day_start(int(run[0])), till, END_OF_HISTORY)
        frames.append(frame_generated_legs(frame))
    return pl.concat(frames)


def _share(measures: CallMeasures, name: str) -> float:
    part, whole = measures.shares[name]
    return part / max(whole, 1)


def _limit_organisations(count: float) -> int:
    return min(max(round(count), 1), 5000)


def _render_world(found: Found) -> str:
    lines = [_HEADER, f"calls_per_day = {found['calls_per_day']}"]
    for table in ("sizes", "traffic", "waiting", "reasons", "roster"):
        lines += _render_table(table, found[table])
    return "\n".join(lines) + "\n"


def _render_table(name: str, table: Found) -> list[str]:
    """Numbers, flags and lists of numbers are in JSON what they are in TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in plain.items())]
    for key in sorted(table.keys() - plain.keys()):
        lines += _render_table(f"{name}.{key}", table[key])
    return lines


_HEADER = """\
# Written by `callmocks world fit`: calls that resemble those of a recording.
title = "Fitted"
"""
