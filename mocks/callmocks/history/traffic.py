"""What happens in the calls of an ordinary contact centre, by the shares of its world.

Attempts are drawn as they would go; ``contact_centre`` then finds who could take part in them.
"""

import numpy as np
from msgspec import structs

from callmocks.history import reasons
from callmocks.history.columns import BoolColumn, CallKind, IntColumn
from callmocks.history.generator import RawNumbers, integers_below, weighted_indexes
from callmocks.history.raw_columns import ATTEMPT_COLUMNS, RawColumn
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import CallOutcomes, Slot
from callmocks.history.world import World

_R = reasons.INDEX
NO_ANSWER = _R["operator_not_responsible"]
REFUSED = _R["operator_busy"]  # stands for any reason that refuses a call at once
# The last attempt: the caller gives up while a telephone rings.
LAST_ATTEMPT = Slot.ATTEMPT + ATTEMPT_COLUMNS
NATURAL_ATTEMPTS = ATTEMPT_COLUMNS + 1
_UNREACHED_TRANSFER = {"operator_not_responsible": 70, "operator_busy": 30}
_UNREACHED_INTERNAL = {"operator_not_responsible": 60, "operator_busy": 40}
_UNREACHED_COLLEAGUE = (NO_ANSWER, REFUSED)
_PARALLEL = 40  # per mille of answered calls


class OutcomeDraw:
    def __init__(self, raw: RawNumbers, world: World) -> None:
        self._raw = raw
        self._traffic, self._waiting, rules = world.traffic, world.waiting, world.reasons
        self._rules = rules
        self._attempt_reasons = structs.asdict(rules.attempts)
        self._outgoing_reasons = structs.asdict(rules.outgoing)
        self.outcomes = CallOutcomes.without_legs(len(raw))
        self._reasons = self.outcomes.reasons  # [call, slot]
        by_subscriber = self._below(RawColumn.ENDED_BY, 1000) < rules.ended_by_client
        self._hung_up = np.where(by_subscriber, SUBSCRIBER_HUNG_UP, OPERATOR_HUNG_UP)

    def draw(self) -> CallOutcomes:
        """All but the attempts, which depend on who has time."""
        kind = self.outcomes.kind
        kind[:] = self._draw_kinds()
        incoming, auto = kind == CallKind.INCOMING, kind == CallKind.AUTO
        missed = incoming & (self._below(RawColumn.MISSED, 1000) < self._traffic.missed)
        answered = (incoming | auto) & ~missed
        for slot in (Slot.FIRST, Slot.ANSWER):
            self._reasons[answered, slot] = self._hung_up[answered]
        self._add_parallel_legs(answered)
        self._add_transfers(answered)
        self._add_coaches(answered)
        self._add_faxes(answered & incoming)
        self.miss(np.flatnonzero(missed))
        self._fail_auto_calls(auto)
        outgoing, internal = kind == CallKind.OUTGOING, kind == CallKind.INTERNAL
        self._add_direct_legs(outgoing, self._rules.unreached_outgoing, self._outgoing_reasons)
        self._add_direct_legs(internal, self._rules.unreached_internal, _UNREACHED_INTERNAL)
        return self.outcomes

    def miss(self, calls: IntColumn) -> None:
        """Make them incoming calls that no operator answers."""
        self.outcomes.kind[calls] = CallKind.INCOMING
        self._reasons[calls] = -1
        reason = self._pick(RawColumn.UNREACHED, structs.asdict(self._rules.menu))
        self._reasons[calls, Slot.FIRST] = reason[calls]

    def add_attempts(self) -> None:
        table = self._reasons
        answered = table[:, Slot.ANSWER] >= 0
        missed = (self.outcomes.kind == CallKind.INCOMING) & ~answered
        missed &= table[:, Slot.FIRST] == SUBSCRIBER_HUNG_UP
        numbers = self._raw[:, RawColumn.ATTEMPT_COUNT]
        count = weighted_indexes(numbers, self._waiting.attempts_answered)
        count = np.where(missed, weighted_indexes(numbers, self._waiting.attempts_missed), count)
        count[~answered & ~missed] = 0
        for number in range(ATTEMPT_COLUMNS):
            exists = np.flatnonzero(count > number)
            reason = self._pick(RawColumn.ATTEMPT + number, self._attempt_reasons, exists)
            table[exists, Slot.ATTEMPT + number] = reason
        gives_up = missed & (self._below(RawColumn.TRANSFER, 1000) < self._waiting.gave_up_ringing)
        table[gives_up, LAST_ATTEMPT] = SUBSCRIBER_HUNG_UP

    def _below(self, column: int, bound: int) -> IntColumn:
        return integers_below(self._raw[:, column], bound)

    def _pick(
        self, column: int, weights: dict[str, int], calls: IntColumn | slice = slice(None)
    ) -> IntColumn:
        indexes = np.array([_R[name] for name in weights], np.int16)
        return indexes[weighted_indexes(self._raw[calls, column], tuple(weights.values()))]

    def _draw_kinds(self) -> IntColumn:
        traffic = self._traffic
        share = self._below(RawColumn.KIND, 1000)
        shares = (traffic.internal, traffic.outgoing, traffic.auto_outgoing)
        kinds = (CallKind.INTERNAL, CallKind.OUTGOING, CallKind.AUTO, CallKind.INCOMING)
        return np.array(kinds, np.int8)[np.searchsorted(np.cumsum(shares), share, side="right")]

    def _add_parallel_legs(self, answered: BoolColumn) -> None:
        share = integers_below(self._raw[:, RawColumn.MISSED] << np.uint64(32), 1000)
        other = answered & (share < _PARALLEL)
        own = answered & (share >= _PARALLEL) & (share < 2 * _PARALLEL)
        self._reasons[other, Slot.PARALLEL] = _R["another_operator_answer"]
        self._reasons[own, Slot.PARALLEL + 1] = _R["operator_answer"]

    def _add_transfers(self, answered: BoolColumn) -> None:
        drawn = self._below(RawColumn.TRANSFER, 1000) < self._traffic.transfer
        transferred = answered & drawn
        unreached = transferred & (self._below(RawColumn.TRANSFER_END, 100) < 15)
        reason = self._pick(RawColumn.UNREACHED, _UNREACHED_TRANSFER)
        self._reasons[transferred, Slot.ANSWER] = _R["transfer_disconnects"]
        self._reasons[transferred, Slot.TRANSFER] = self._hung_up[transferred]
        self._reasons[unreached, Slot.TRANSFER] = reason[unreached]
        self._reasons[unreached, Slot.FIRST] = SUBSCRIBER_HUNG_UP

    def cancel_transfers(self, calls: IntColumn) -> None:
        """Nobody could take them over."""
        table, hung_up = self._reasons, self._hung_up[calls]
        table[calls, Slot.TRANSFER] = -1
        table[calls, Slot.FIRST] = table[calls, Slot.ANSWER] = hung_up
        coached = calls[table[calls, Slot.COACH] >= 0]
        table[coached, Slot.COACH] = self._hung_up[coached]

    def dial_outside(self, calls: IntColumn) -> None:
        """A client instead of a colleague who could not be found."""
        self.outcomes.kind[calls] = CallKind.OUTGOING
        table = self._reasons
        failed = calls[reasons.membership_table(_UNREACHED_COLLEAGUE)[table[calls, Slot.REMOTE]]]
        for slot in (Slot.FIRST, Slot.REMOTE):
            table[failed, slot] = _R["subscriber_not_responsible"]

    def _add_coaches(self, answered: BoolColumn) -> None:
        coached = answered & (self._below(RawColumn.COACH, 1000) < self._traffic.coach)
        reason = self._reasons[:, Slot.ANSWER]
        reason = np.where(reason == _R["transfer_disconnects"], OPERATOR_HUNG_UP, reason)
        self._reasons[coached, Slot.COACH] = reason[coached]

    def _add_faxes(self, answered: BoolColumn) -> None:
        """A fax is the whole call, or comes when the operator has started the fax scenario."""
        table = self._reasons
        fax = answered & (table[:, Slot.TRANSFER] < 0)
        fax &= self._below(RawColumn.FAX, 1000) < self._traffic.fax
        whole = fax & (self._below(RawColumn.FAX_END, 2) == 0)
        after_talk = fax & ~whole
        table[whole] = -1
        table[whole, Slot.FIRST] = _R["fax_session_done"]
        table[after_talk, Slot.ANSWER] = _R["scenario_disconnects"]
        table[after_talk & (table[:, Slot.COACH] >= 0), Slot.COACH] = OPERATOR_HUNG_UP
        received = integers_below(self._raw[:, RawColumn.FAX_END] * np.uint64(3), 4) < 3
        reason = np.where(received, _R["fax_session_done"], SUBSCRIBER_HUNG_UP)
        table[after_talk, Slot.FIRST] = reason[after_talk]

    def _fail_auto_calls(self, auto: BoolColumn) -> None:
        failed = auto & (self._below(RawColumn.REMOTE, 1000) < self._rules.unreached_auto)
        self.fail_auto_calls(np.flatnonzero(failed))

    def fail_auto_calls(self, calls: IntColumn) -> None:
        self._reasons[calls] = -1
        reason = self._pick(RawColumn.UNREACHED, self._outgoing_reasons)[calls]
        self._reasons[calls, Slot.FIRST] = reason

    def _add_direct_legs(self, direct: BoolColumn, share: int, weights: dict[str, int]) -> None:
        unreached = direct & (self._below(RawColumn.REMOTE, 1000) < share)
        drawn = self._pick(RawColumn.UNREACHED, weights)
        reason = np.where(unreached, drawn, self._hung_up)
        for slot in (Slot.FIRST, Slot.REMOTE):
            self._reasons[direct, slot] = reason[direct]
