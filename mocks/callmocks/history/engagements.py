"""Gives calls to operators, so that none has two at once.

The calls of a duty are laid one behind another in its working time, each with its talk and the
work after it, and the time that is left comes between them at random, more of it at quiet hours.
"""

import msgspec
import numpy as np

from callmocks.history.columns import IntColumn
from callmocks.history.generator import RawNumbers
from callmocks.history.working_time import DUTY_BITS, WorkingTime

# No operator speaks longer than that of his working time, per mille.
_MAX_LOAD = 920
_DAY_BITS = 44


class Placement(msgspec.Struct, frozen=True):
    """Of the calls that found an operator, by duty and start."""

    call: IntColumn
    duty: IntColumn
    start: IntColumn
    piece: IntColumn
    idle_before: IntColumn  # ms since the operator's last call and the work after it


class DutyLoads:
    """The part of the calls of each hour that each duty takes."""

    def __init__(self, time: WorkingTime, hour_weights: IntColumn, workload: IntColumn) -> None:
        """``hour_weights`` by day and hour, ``workload`` by duty."""
        days = len(hour_weights)
        worked = np.diff(time.passed_by_hour, axis=1)
        effort = (worked // 1000 * workload[:, None]).reshape(days, time.operators, 24)
        total = np.maximum(effort.sum(axis=1, keepdims=True), 1)
        scaled = hour_weights * 4096 // np.maximum(hour_weights.sum(axis=1, keepdims=True), 1)
        scaled = np.where(hour_weights > 0, scaled + 1, 0)[:, None, :] << 16
        by_hour = (scaled * effort // total).reshape(len(workload), 24)
        self._time = time
        self._days = days
        self._by_hour = by_hour
        self._cumulative = np.zeros((len(workload), 25), np.int64)
        np.cumsum(by_hour, axis=1, out=self._cumulative[:, 1:])
        # Who works at hours without calls only has none.
        present = effort.sum(axis=2).reshape(-1) >> 8
        self._effort = np.where(self._cumulative[:, -1] > 0, present, 0)

    def place(
        self, call: IntColumn, day_offset: IntColumn, length: IntColumn, raw: RawNumbers
    ) -> Placement:
        """Calls by day, of the lengths in ms; those beyond the working time are left out."""
        duty = self._assign(day_offset, length)
        kept = duty >= 0
        call, duty, length, raw = call[kept], duty[kept], length[kept], raw[kept]
        first = np.searchsorted(duty, duty)
        sums = np.cumsum(length)
        within = sums - (sums - length)[first] <= self._time.total[duty]
        call, duty, length, raw = call[within], duty[within], length[within], raw[within]
        worked = self._draw_worked(duty, raw)
        order = np.argsort((duty << DUTY_BITS) + worked, kind="stable")
        call, length, worked = call[order], length[order], worked[order]
        first = np.searchsorted(duty, duty)
        before = np.cumsum(length) - length
        before = before - before[first]
        total = self._time.total[duty]
        after = np.searchsorted(duty, duty, side="right") - 1
        free = total - (before + length)[after]
        idle = worked * free // np.maximum(total, 1)
        piece, start = self._time.locate(duty, idle + before)
        previous = np.concatenate(([0], idle[:-1]))
        idle_before = np.where(first == np.arange(len(duty)), idle, idle - previous)
        return Placement(call, duty, start, piece, idle_before)

    def _assign(self, day_offset: IntColumn, length: IntColumn) -> IntColumn:
        """The duty of each call, ascending within a day; -1 when all are taken."""
        operators, days = self._time.operators, self._days
        wanted = np.bincount(day_offset, weights=length, minlength=days).astype(np.int64)
        limit = (self._time.total * _MAX_LOAD // 1000).reshape(days, operators)
        # Half by the calls that come while he works, half by how long he works.
        called = self._scale(self._cumulative[:, -1].reshape(days, operators) >> 12, wanted)
        present = self._scale(self._effort.reshape(days, operators), wanted)
        load = np.minimum(limit, (called + present) // 2)
        for _ in range(3):
            load = np.minimum(limit, self._scale(load, wanted))
        sums = np.cumsum(length)
        first = np.searchsorted(day_offset, np.arange(days))
        before = np.append(sums - length, sums[-1:])[first] if len(sums) else first
        middle = sums - length // 2 - before[day_offset]
        edges = np.cumsum(load, axis=1) + (np.arange(days)[:, None] << _DAY_BITS)
        duty = np.searchsorted(edges.reshape(-1), (day_offset << _DAY_BITS) + middle, side="left")
        return np.where(duty // operators == day_offset, duty, -1)

    @staticmethod
    def _scale(load: IntColumn, wanted: IntColumn) -> IntColumn:
        total = np.maximum(load.sum(axis=1), 1)
        scaled: IntColumn = load * wanted[:, None] // total[:, None]
        return scaled

    def _draw_worked(self, duty: IntColumn, raw: RawNumbers) -> IntColumn:
        """How much of its working time has passed, by the weights of the hours."""
        cumulative = self._cumulative[duty]
        drawn = (raw >> np.uint64(32)).astype(np.int64)
        target = drawn * cumulative[:, -1] >> 32
        hour = (cumulative[:, 1:] <= target[:, None]).sum(axis=1)
        rows = np.arange(len(duty))
        weight = np.maximum(self._by_hour[duty, hour], 1)
        passed = self._time.passed_by_hour
        begin, span = passed[duty, hour], passed[duty, hour + 1] - passed[duty, hour]
        worked: IntColumn = begin + (target - cumulative[rows, hour]) * span // weight
        return worked
