"""When operators can take calls: their shifts without breaks and episodes.

Tables have a row for each *duty*, an operator's day: ``day offset * operators + operator``. A
time in a key stands behind its duty, so that one search finds the piece of a duty's time.
"""

from collections.abc import Sequence

import numpy as np

from callmocks.history.columns import IntColumn
from callmocks.history.episodes import TALK_ON_MS, DayPlan, Scope
from callmocks.history.roster import HOUR_MS, MINUTE_MS, Roster
from callmocks.history.walltime import DAY_MS
from callmocks.history.world import FIRST_HOUR

DUTY_BITS = 32
# From a call's start until an operator has it, at most.
_MAX_WAIT_MS = 6 * MINUTE_MS


class WorkingTime:
    """``start``, ``end`` and ``talk_limit`` of the pieces, in ms from the first day's midnight.

    A talk may run on into the break or the episode after its piece, up to ``talk_limit``.
    """

    def __init__(
        self, roster: Roster, plans: Sequence[DayPlan], line_count: int, hour_weights: IntColumn
    ) -> None:
        """``hour_weights`` by day and hour."""
        days, operators = roster.start.shape
        self.operators = operators
        self.opened = _find_opened_hours(hour_weights)
        working = roster.working.reshape(-1)
        shift_start = np.where(working, roster.start.reshape(-1), 0)
        shift_end = np.where(working, roster.end.reshape(-1), 0)
        breaks = roster.break_start.reshape(len(working), -1)
        break_ends = roster.break_end.reshape(len(working), -1)
        closed = _list_closed_hours(hour_weights, shift_start, shift_end, operators)
        breaks = np.concatenate((breaks, *(begin for begin, _ in closed)), axis=1)
        break_ends = np.concatenate((break_ends, *(end for _, end in closed)), axis=1)
        begin, end = self._list_episodes(plans, shift_end, line_count)
        starts = np.concatenate((breaks, begin), axis=1)
        ends = np.concatenate((break_ends, end), axis=1)
        limits = np.concatenate(((breaks + break_ends) // 2, begin + TALK_ON_MS), axis=1)
        first_episode = np.concatenate((np.full_like(breaks, 1 << 40), begin + TALK_ON_MS), axis=1)
        order = np.argsort(starts, axis=1, kind="stable")
        starts, ends, limits, first_episode = (
            np.take_along_axis(each, order, axis=1)
            for each in (starts, ends, limits, first_episode)
        )
        later = np.minimum.accumulate(first_episode[:, ::-1], axis=1)[:, ::-1]
        last = shift_end[:, None]
        free_from = np.maximum(np.maximum.accumulate(ends, axis=1), shift_start[:, None])
        start = np.concatenate((shift_start[:, None], free_from), axis=1)
        end = np.concatenate((np.minimum(starts, last), last), axis=1)
        limit = np.concatenate((np.minimum(np.minimum(limits, later), last), last), axis=1)
        length = np.maximum(end - start, 0)
        self.total = length.sum(axis=1)
        passed = np.cumsum(length, axis=1) - length
        midnight = np.repeat(np.arange(days) * DAY_MS, operators)
        edges = midnight[:, None] + np.arange(25) * HOUR_MS
        inside = np.clip(edges[:, None, :] - start[:, :, None], 0, length[:, :, None])
        self.passed_by_hour: IntColumn = inside.sum(axis=1)
        duty, piece = np.nonzero(length)
        self.duty, self.start, self.end = duty, start[duty, piece], end[duty, piece]
        self.talk_limit = limit[duty, piece]
        self._passed = passed[duty, piece]
        self._keys = (duty << DUTY_BITS) + self.start
        self._passed_keys = (duty << DUTY_BITS) + self._passed

    def _list_episodes(
        self, plans: Sequence[DayPlan], shift_end: IntColumn, line_count: int
    ) -> tuple[IntColumn, IntColumn]:
        """A column for each episode of a day; what does not concern a duty is empty."""
        size = max((len(plan.episodes) for plan in plans), default=0)
        begin = np.repeat(shift_end[:, None], size, axis=1)
        end = begin.copy()
        for offset, plan in enumerate(plans):
            for column, episode in enumerate(plan.episodes):
                first = offset * self.operators
                duties = slice(first, first + self.operators)
                if episode.operator >= 0:
                    duties = slice(first + episode.operator, first + episode.operator + 1)
                elif episode.number or (episode.scope is Scope.LINE and line_count > 1):
                    continue
                last, midnight = shift_end[duties], offset * DAY_MS
                begin[duties, column] = np.minimum(episode.begin + midnight, last)
                # Whoever answers afterwards does so a minute into the call at the latest.
                until = episode.end + (MINUTE_MS if episode.operator < 0 else 0)
                end[duties, column] = np.minimum(until + midnight, last)
        return begin, end

    def find_piece(self, duty: IntColumn, time: IntColumn) -> tuple[IntColumn, np.ndarray]:
        """The piece that has the time, and whether there is one."""
        piece = np.searchsorted(self._keys, (duty << DUTY_BITS) + time, side="right") - 1
        if not len(self.duty):
            return piece, np.zeros(len(piece), np.bool_)
        found = (piece >= 0) & (self.duty[piece] == duty) & (time < self.end[piece])
        return piece, found

    def locate(self, duty: IntColumn, worked: IntColumn) -> tuple[IntColumn, IntColumn]:
        """The piece and the time when so much of a duty's working time has passed."""
        piece = np.searchsorted(self._passed_keys, (duty << DUTY_BITS) + worked, side="right") - 1
        return piece, self.start[piece] + worked - self._passed[piece]


def _find_opened_hours(hour_weights: IntColumn) -> IntColumn:
    """By day and hour: since when the world has calls, in ms from the first day's midnight."""
    begins = np.where(hour_weights == 0, np.arange(1, 25), FIRST_HOUR)
    midnight = np.arange(len(hour_weights))[:, None] * DAY_MS
    opened: IntColumn = midnight + np.maximum.accumulate(begins, axis=1) * HOUR_MS
    return opened


def _list_closed_hours(
    hour_weights: IntColumn, shift_start: IntColumn, shift_end: IntColumn, operators: int
) -> list[tuple[IntColumn, IntColumn]]:
    """A column for each hour within a shift in which the world has no calls."""
    midnight = np.repeat(np.arange(len(hour_weights)) * DAY_MS, operators)
    hours: list[tuple[IntColumn, IntColumn]] = []
    for hour in np.flatnonzero((hour_weights == 0).any(axis=0)).tolist():
        begin = midnight + hour * HOUR_MS
        end = begin + HOUR_MS + _MAX_WAIT_MS
        closed = np.repeat(hour_weights[:, hour] == 0, operators)
        closed &= (begin < shift_end) & (end > shift_start)
        if closed.any():
            begin, end = (
                np.where(closed, np.minimum(each, shift_end), shift_end) for each in (begin, end)
            )
            hours.append((begin[:, None], end[:, None]))
    return hours
