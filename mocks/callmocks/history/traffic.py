"""What happens in the calls of an ordinary contact centre, by the shares of its world."""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import BoolColumn, CallKind, IntColumn
from callmocks.history.generator import RawNumbers, integers_below, weighted_indexes
from callmocks.history.raw_columns import ATTEMPT_COLUMNS, RawColumn
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import CallOutcomes, Slot
from callmocks.history.world import Traffic

_R = reasons.INDEX
_INTERNAL_REFUSALS = _R["internal_call_not_allowed"], _R["internal_call_not_allowed_by_status"]
_ATTEMPT_REASONS = {
    "operator_not_responsible": 50,
    "operator_busy": 14,
    "employee_busy": 12,
    "timeout": 6,
    "employee_busy_after_call": 6,
    "employee_status_break": 4,
    "employee_status_do_not_disturb": 3,
    "sip_offline": 3,
    "operator_number_problems": 2,
}
_UNREACHED_TRANSFER = {"operator_not_responsible": 70, "operator_busy": 20, "employee_busy": 10}
_UNREACHED_INTERNAL = {"operator_not_responsible": 60, "operator_busy": 25, "employee_busy": 15}
_UNREACHED_OUTGOING = {
    "subscriber_not_responsible": 60,
    "subscriber_busy": 30,
    "subscriber_number_problems": 10,
}
_ATTEMPTS_WHEN_ANSWERED = (74, 17, 6, 3)
_ATTEMPTS_WHEN_MISSED = (30, 45, 18, 7)


def draw_start_times(raw: RawNumbers, hour_weights: tuple[int, ...]) -> IntColumn:
    hour = weighted_indexes(raw[:, RawColumn.HOUR], hour_weights)
    return hour * 3_600_000 + integers_below(raw[:, RawColumn.TIME_IN_HOUR], 3_600_000)


class _ForcedReason:
    def __init__(self, reason: IntColumn) -> None:
        self.reason = reason
        refused = reasons.reasons_at("alone", "initiator")
        alone = (*reasons.reasons_at("alone", "subscriber"), *reasons.ENDED_BY_PLATFORM)
        self.alone = self._select(*alone, *refused)
        self.attempt = self._select(*reasons.reasons_at("attempt", "operator"))
        self.unreached = self._select(*reasons.reasons_at("attempt", "subscriber"))
        self.parallel = self._select(*reasons.reasons_at("beside", "operator"))
        self.hung_up = self._select(SUBSCRIBER_HUNG_UP, OPERATOR_HUNG_UP)
        self.transfer = reason == _R["transfer_disconnects"]
        self.scenario = reason == _R["scenario_disconnects"]
        self.internal = reasons.membership_table(_INTERNAL_REFUSALS)[reason]
        self.outgoing = reasons.membership_table(refused)[reason] & ~self.internal
        self.outgoing |= self.unreached >= 0

    def _select(self, *candidates: int) -> IntColumn:
        return np.where(reasons.membership_table(candidates)[self.reason], self.reason, -1)


class OutcomeDraw:
    """``forced_reasons``: the reason that a leg of the call must have, or -1."""

    def __init__(self, raw: RawNumbers, forced_reasons: IntColumn, traffic: Traffic) -> None:
        self._raw = raw
        self._traffic = traffic
        self._forced = _ForcedReason(forced_reasons)
        self._outcomes = CallOutcomes.without_legs(len(raw))
        self._reasons = self._outcomes.reasons  # [call, slot]
        by_subscriber = self._below(RawColumn.ENDED_BY, 100) < 60
        hung_up = np.where(by_subscriber, SUBSCRIBER_HUNG_UP, OPERATOR_HUNG_UP)
        self._hung_up = np.where(self._forced.hung_up >= 0, self._forced.hung_up, hung_up)

    def draw(self) -> CallOutcomes:
        kind = self._outcomes.kind
        kind[:] = self._draw_kinds()
        self._add_incoming_legs(kind)
        self._fail_auto_calls(kind == CallKind.AUTO)
        outgoing, internal = kind == CallKind.OUTGOING, kind == CallKind.INTERNAL
        self._add_direct_legs(outgoing, 35, _UNREACHED_OUTGOING, self._forced.unreached)
        self._add_direct_legs(internal, 25, _UNREACHED_INTERNAL, np.full(len(kind), -1))
        alone = self._forced.alone >= 0
        self._reasons[alone] = -1
        self._reasons[alone, Slot.FIRST] = self._forced.alone[alone]
        return self._outcomes

    def _below(self, column: int, bound: int) -> IntColumn:
        return integers_below(self._raw[:, column], bound)

    def _pick_reasons(self, column: int, weights: dict[str, int]) -> IntColumn:
        indexes = np.array([_R[name] for name in weights], np.int16)
        return indexes[weighted_indexes(self._raw[:, column], tuple(weights.values()))]

    def _draw_kinds(self) -> IntColumn:
        traffic, forced = self._traffic, self._forced
        share = self._below(RawColumn.KIND, 1000)
        kind = np.full(len(share), CallKind.INCOMING, np.int8)
        limit = traffic.internal
        kind[share < limit] = CallKind.INTERNAL
        kind[(share >= limit) & (share < limit + traffic.outgoing)] = CallKind.OUTGOING
        limit += traffic.outgoing
        kind[(share >= limit) & (share < limit + traffic.auto_outgoing)] = CallKind.AUTO
        kind[forced.reason >= 0] = CallKind.INCOMING
        kind[forced.outgoing] = CallKind.OUTGOING
        kind[forced.internal] = CallKind.INTERNAL
        return kind

    def _add_incoming_legs(self, kind: IntColumn) -> None:
        by_attempts = (kind == CallKind.INCOMING) | (kind == CallKind.AUTO)
        incoming = kind == CallKind.INCOMING
        missed = incoming & (self._below(RawColumn.MISSED, 1000) < self._traffic.missed)
        missed &= self._forced.reason < 0
        answered = by_attempts & ~missed
        self._add_attempts(by_attempts, missed)
        gives_up = missed & (self._below(RawColumn.ENDED_BY, 100) < 60)
        self._reasons[gives_up, Slot.ATTEMPT + ATTEMPT_COLUMNS] = SUBSCRIBER_HUNG_UP
        self._reasons[missed, Slot.FIRST] = SUBSCRIBER_HUNG_UP
        self._reasons[answered, Slot.FIRST] = self._hung_up[answered]
        self._reasons[answered, Slot.ANSWER] = self._hung_up[answered]
        parallel = self._forced.parallel >= 0
        self._reasons[parallel, Slot.PARALLEL] = self._forced.parallel[parallel]
        self._add_transfers(answered)
        self._add_coaches(answered)
        self._add_faxes(answered & incoming)

    def _add_attempts(self, by_attempts: BoolColumn, missed: BoolColumn) -> None:
        numbers = self._raw[:, RawColumn.ATTEMPT_COUNT]
        count = weighted_indexes(numbers, _ATTEMPTS_WHEN_ANSWERED)
        count = np.where(missed, weighted_indexes(numbers, _ATTEMPTS_WHEN_MISSED), count)
        for number in range(ATTEMPT_COLUMNS):
            exists = by_attempts & (count > number)
            reason = self._pick_reasons(RawColumn.ATTEMPT + number, _ATTEMPT_REASONS)
            self._reasons[exists, Slot.ATTEMPT + number] = reason[exists]
        forced = self._forced.attempt >= 0
        self._reasons[forced, Slot.ATTEMPT] = self._forced.attempt[forced]

    def _add_transfers(self, answered: BoolColumn) -> None:
        forced = self._forced
        drawn = self._below(RawColumn.TRANSFER, 1000) < self._traffic.transfer
        transferred = answered & (drawn & (forced.hung_up < 0) & ~forced.scenario | forced.transfer)
        unreached = transferred & (self._below(RawColumn.TRANSFER_END, 100) < 15)
        reason = self._pick_reasons(RawColumn.UNREACHED, _UNREACHED_TRANSFER)
        self._reasons[transferred, Slot.ANSWER] = _R["transfer_disconnects"]
        self._reasons[transferred, Slot.TRANSFER] = self._hung_up[transferred]
        self._reasons[unreached, Slot.TRANSFER] = reason[unreached]
        self._reasons[unreached, Slot.FIRST] = SUBSCRIBER_HUNG_UP

    def _add_coaches(self, answered: BoolColumn) -> None:
        coached = answered & (self._below(RawColumn.COACH, 1000) < self._traffic.coach)
        reason = self._reasons[:, Slot.ANSWER]
        reason = np.where(reason == _R["transfer_disconnects"], OPERATOR_HUNG_UP, reason)
        self._reasons[coached, Slot.COACH] = reason[coached]

    def _add_faxes(self, answered: BoolColumn) -> None:
        """A fax is the whole call, or comes when the operator has started the fax scenario."""
        forced, table = self._forced, self._reasons
        drawn = (self._below(RawColumn.FAX, 1000) < self._traffic.fax) & (forced.reason < 0)
        fax = answered & (table[:, Slot.TRANSFER] < 0) & (drawn | forced.scenario)
        whole = fax & ~forced.scenario & (self._below(RawColumn.FAX_END, 3) < 2)
        after_talk = fax & ~whole
        table[whole] = -1
        table[whole, Slot.FIRST] = _R["fax_session_done"]
        table[after_talk, Slot.ANSWER] = _R["scenario_disconnects"]
        table[after_talk & (table[:, Slot.COACH] >= 0), Slot.COACH] = OPERATOR_HUNG_UP
        received = integers_below(self._raw[:, RawColumn.FAX_END] * np.uint64(3), 4) < 3
        reason = np.where(received, _R["fax_session_done"], SUBSCRIBER_HUNG_UP)
        table[after_talk, Slot.FIRST] = reason[after_talk]

    def _fail_auto_calls(self, auto: BoolColumn) -> None:
        failed = auto & (self._below(RawColumn.REMOTE, 100) < 50)
        reason = self._pick_reasons(RawColumn.UNREACHED, _UNREACHED_OUTGOING)
        self._reasons[failed] = -1
        self._reasons[failed, Slot.FIRST] = reason[failed]

    def _add_direct_legs(
        self, direct: BoolColumn, percent_unreached: int, weights: dict[str, int], forced: IntColumn
    ) -> None:
        unreached = direct & (self._below(RawColumn.REMOTE, 100) < percent_unreached)
        drawn = self._pick_reasons(RawColumn.UNREACHED, weights)
        reason = np.where(unreached, drawn, self._hung_up)
        reason = np.where(forced >= 0, forced, reason)
        for slot in (Slot.FIRST, Slot.REMOTE):
            self._reasons[direct, slot] = reason[direct]
