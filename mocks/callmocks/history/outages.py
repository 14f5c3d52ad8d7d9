"""What becomes of calls that begin while the account or a line has failed."""

from collections.abc import Iterator, Sequence

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import BoolColumn, CallKind
from callmocks.history.episodes import OUTAGES, DayPlan, Episode, Scope
from callmocks.history.generator import RawNumbers, interpolate_quantiles
from callmocks.history.raw_columns import RawColumn
from callmocks.history.reasons import SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import CallOutcomes, CallParameters, Slot
from callmocks.history.walltime import DAY_MS

_ALONE_MS = (300, 900, 2_000, 4_000, 12_000)


def replace_auto_calls(
    plans: Sequence[DayPlan], outcomes: CallOutcomes, parameters: CallParameters, lost: BoolColumn
) -> None:
    """Where no call may go out, the exchange calls nobody: clients call instead."""
    first = outcomes.reasons[:, Slot.FIRST]
    auto = outcomes.kind == CallKind.AUTO
    unanswered = np.isin(first, reasons.reasons_at("attempt", "subscriber"))
    for episode, begin, end in _list_outages(plans):
        if not episode.stops_incoming:
            inside = auto & (parameters.start >= begin) & (parameters.start < end)
            outcomes.kind[inside] = CallKind.INCOMING
            first[inside & lost & unanswered] = SUBSCRIBER_HUNG_UP
            parameters.start[inside] += parameters.ring_ms[inside]


def fail_calls(
    plans: Sequence[DayPlan],
    outcomes: CallOutcomes,
    parameters: CallParameters,
    lost: BoolColumn,
    raw: RawNumbers,
) -> BoolColumn:
    """Calls that begin in an outage, and that no operator took, fail by it; which they are."""
    failed = np.zeros_like(lost)
    for episode, begin, end in _list_outages(plans):
        if not episode.stops_incoming:
            continue
        inside = lost & (parameters.start >= begin) & (parameters.start < end)
        if episode.line >= 0:
            inside &= parameters.line == episode.line
        calls = np.flatnonzero(inside)
        outcomes.kind[calls] = CallKind.INCOMING
        outcomes.reasons[calls] = -1
        outcomes.reasons[calls, Slot.FIRST] = episode.reason
        parameters.attempt_ms[calls] = 0
        lengths = interpolate_quantiles(raw[calls, RawColumn.ATTEMPT], _ALONE_MS)
        parameters.attempt_ms[calls, 0] = lengths
        parameters.after_talk_ms[calls] = 0
        failed |= inside
    return failed


def list_closed_times(plans: Sequence[DayPlan], line_count: int) -> Iterator[tuple[int, int]]:
    """Offset of the day and end, in ms from the first day's midnight, of outages of all lines."""
    for episode, _, end in _list_outages(plans):
        if episode.stops_incoming and (episode.scope is Scope.ACCOUNT or line_count == 1):
            yield end // DAY_MS, end


def _list_outages(plans: Sequence[DayPlan]) -> Iterator[tuple[Episode, int, int]]:
    """Each with its begin and end, in ms from the first day's midnight."""
    for offset, plan in enumerate(plans):
        for episode in plan.episodes:
            if episode.scope in OUTAGES:
                yield episode, offset * DAY_MS + episode.begin, offset * DAY_MS + episode.end
