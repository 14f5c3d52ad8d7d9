"""A day of an ordinary contact centre: what happens in each call, by the world's shares.

Every call has a row of raw numbers, each with one use; a new use takes a new column at the end,
and raises the data version.
"""

import numpy as np

from callmocks.history import reasons, timeline
from callmocks.history.columns import BoolColumn, CallKind, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import (
    RawNumbers,
    integers_below,
    interpolate_quantiles,
    weighted_indexes,
)
from callmocks.history.timeline import (
    ANSWER,
    ATTEMPT,
    COACH,
    FIRST,
    MAX_ATTEMPTS,
    PARALLEL,
    REMOTE,
    TRANSFER,
    CallOutcomes,
    CallParameters,
)
from callmocks.history.world import Traffic, World

RAW_COLUMNS = 40
(
    _HOUR, _MINUTE, _KIND, _MISSED, _ATTEMPTS, _ENDS, _TRANSFER, _TRANSFER_END, _COACH, _FAX,
    _REMOTE, _USER, _PARTY, _PHONE, _LINE, _OPERATOR, _IVR, _RING, _TALK, _RING_2, _TALK_2,
    _COACH_AFTER, _AFTER, _RECORDED, _RATED, _RATING, _SYSTEM, _FAX_END, _VENDOR, _UNREACHED,
) = range(30)  # fmt: skip
_EACH_ATTEMPT = 30
"""Columns 30, 31, 32: the reason (low bits) and the length (high bits) of each attempt."""
USED_COLUMNS = 33
"""Columns that have a use; the rest is there for later ones."""

_R = reasons.INDEX
_SUBSCRIBER, _OPERATOR = _R["subscriber_disconnects"], _R["operator_disconnects"]

_BY_PLATFORM = tuple(
    _R[name]
    for name in (
        "fax_session_done",
        "incorrect_input",
        "max_transition_count_exceeded",
        "action_interval_exceeded",
    )
)
_INTERNAL_REFUSALS = (
    _R["internal_call_not_allowed"],
    _R["internal_call_not_allowed_by_status"],
)
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

_SHORT_MS = (40, 120, 250, 400, 900)
_IVR_MS = (700, 1_500, 3_000, 6_000, 12_000, 30_000)
_ANSWER_MS = (1_200, 2_500, 4_000, 6_000, 9_000, 14_000, 26_000)
_NO_ANSWER_MS = (5_000, 12_000, 20_000, 25_000, 30_000)
_ALONE_MS = (300, 900, 2_000, 4_000, 12_000)
_PLATFORM_MS = (4_000, 15_000, 30_000, 60_000, 120_000)
_COACH_AFTER_MS = (500, 5_000, 20_000, 60_000)
_AFTER_MS = (2_000, 6_000, 15_000)


def draw_start_times(raw: RawNumbers, hours: tuple[int, ...]) -> IntColumn:
    """Times of day, by weights of its hours."""
    hour = weighted_indexes(raw[:, _HOUR], hours)
    return hour * 3_600_000 + integers_below(raw[:, _MINUTE], 3_600_000)


def draw_outcomes(raw: RawNumbers, forced_reasons: IntColumn, traffic: Traffic) -> CallOutcomes:
    """What happens in each call; ``dealt`` is the deck's reason for it, or -1."""
    made = CallOutcomes.without_legs(len(raw))
    card = _ForcedReason(forced_reasons)
    made.kind[:] = _draw_kinds(raw, card, traffic)
    ends = np.where(integers_below(raw[:, _ENDS], 100) < 60, _SUBSCRIBER, _OPERATOR)
    ends = np.where(card.ends >= 0, card.ends, ends)
    _fill_incoming(made, raw, card, ends, traffic)
    _fill_outgoing(made, raw, card, ends)
    _fill_internal(made, raw, ends)
    alone = card.alone >= 0
    made.reasons[alone] = -1
    made.reasons[alone, FIRST] = card.alone[alone]
    return made


def draw_parameters(
    raw: RawNumbers,
    outcomes: CallOutcomes,
    start: IntColumn,
    first_call: int,
    world: World,
    directory: Directory,
) -> CallParameters:
    """Who takes part in the planned calls, and how long everything takes."""
    n = len(raw)
    traffic = world.traffic
    internal = outcomes.kind == CallKind.INTERNAL
    user, vendor, phone = _draw_parties(raw, outcomes, traffic, directory)
    unmet = outcomes.reasons[:, REMOTE]
    far_rings = np.where(
        reasons.RANG[unmet],
        interpolate_quantiles(raw[:, _RING], _NO_ANSWER_MS),
        interpolate_quantiles(raw[:, _RING], _ALONE_MS),
    )
    far_fails = (unmet >= 0) & (unmet != _SUBSCRIBER) & (unmet != _OPERATOR)
    return CallParameters(
        row=np.arange(n),
        start=start,
        operators=_assign_operators(raw, outcomes, first_call, directory),
        user=user,
        vendor=vendor,
        phone=np.where(internal, 0, phone),
        line=integers_below(raw[:, _LINE], len(directory.lines)),
        ivr_ms=interpolate_quantiles(raw[:, _IVR], _IVR_MS),
        attempt_ms=draw_attempt_lengths(raw, outcomes),
        ring_ms=np.where(far_fails, far_rings, interpolate_quantiles(raw[:, _RING], _ANSWER_MS)),
        talk_ms=interpolate_quantiles(raw[:, _TALK], traffic.talk_ms),
        transfer_ring_ms=np.where(
            reasons.RANG[outcomes.reasons[:, TRANSFER]]
            & ~reasons.ANSWERED[outcomes.reasons[:, TRANSFER]],
            interpolate_quantiles(raw[:, _RING_2], _NO_ANSWER_MS),
            interpolate_quantiles(raw[:, _RING_2], _ANSWER_MS),
        ),
        transfer_talk_ms=interpolate_quantiles(raw[:, _TALK_2], traffic.talk_ms),
        coach_delay_ms=interpolate_quantiles(raw[:, _COACH_AFTER], _COACH_AFTER_MS),
        after_talk_ms=np.where(
            continues_after_talk(outcomes), interpolate_quantiles(raw[:, _AFTER], _AFTER_MS), 0
        ),
        recorded=_chosen_by_share(raw, _RECORDED, traffic.recorded),
        rating=np.where(
            _chosen_by_share(raw, _RATED, traffic.rated),
            1 + weighted_indexes(raw[:, _RATING], (4, 6, 15, 30, 45)),
            0,
        ),
        released_by_platform=integers_below(raw[:, _SYSTEM], 8) == 0,
        fax=fax_results(outcomes),
    )


def continues_after_talk(outcomes: CallOutcomes) -> BoolColumn:
    """The scenario keeps the subscriber after the last operator: a fax, a rating, a menu."""
    kept: BoolColumn = reasons.membership_table(_BY_PLATFORM)[outcomes.reasons[:, FIRST]]
    kept |= outcomes.reasons[:, ANSWER] == _R["scenario_disconnects"]
    return kept


def fax_results(outcomes: CallOutcomes) -> IntColumn:
    """Faxes among the answered calls: 1 received, 2 failed, 0 no fax."""
    after_talk = outcomes.reasons[:, ANSWER] == _R["scenario_disconnects"]
    received = outcomes.reasons[:, FIRST] == _R["fax_session_done"]
    return np.where(
        after_talk & received,
        1,
        np.where(after_talk & (outcomes.reasons[:, FIRST] == _SUBSCRIBER), 2, 0),
    )


def draw_attempt_lengths(raw: RawNumbers, outcomes: CallOutcomes) -> IntColumn:
    """How long each attempt takes: a ring that nobody answers, or a refusal at once."""
    lengths = np.zeros((len(raw), MAX_ATTEMPTS), np.int32)
    for number in range(MAX_ATTEMPTS):
        reason = outcomes.reasons[:, ATTEMPT + number]
        there = np.flatnonzero(reason >= 0)
        if not len(there):
            continue
        spread = raw[there, _EACH_ATTEMPT + number % 3] * np.uint64(2 * (number // 3) + 1)
        reason = reason[there]
        rings = reasons.RANG[reason] | (reason == _SUBSCRIBER)
        lengths[there, number] = np.where(
            rings,
            interpolate_quantiles(spread, _NO_ANSWER_MS),
            interpolate_quantiles(spread, _SHORT_MS),
        )
    alone = (outcomes.reasons >= 0).sum(axis=1) == 1
    by_platform = reasons.ANSWERED[outcomes.reasons[:, FIRST]]
    spread = raw[:, _EACH_ATTEMPT]
    rings = reasons.RANG[outcomes.reasons[:, FIRST]]
    length = np.where(
        by_platform,
        interpolate_quantiles(spread, _PLATFORM_MS),
        interpolate_quantiles(spread, _ALONE_MS),
    )
    length = np.where(rings, interpolate_quantiles(spread, _NO_ANSWER_MS), length)
    lengths[:, 0] = np.where(alone, length, lengths[:, 0])
    return lengths


class _ForcedReason:
    """What a dealt reason asks of its call, by the place a leg with that reason has."""

    def __init__(self, reason: IntColumn) -> None:
        self.reason = reason
        alone = reasons.reasons_at("alone", "subscriber"), reasons.reasons_at("alone", "initiator")
        self.alone = self._select(*alone[0], *alone[1], *_BY_PLATFORM)
        self.attempt = self._select(*reasons.reasons_at("attempt", "operator"))
        self.unreached = self._select(*reasons.reasons_at("attempt", "subscriber"))
        self.parallel = self._select(*reasons.reasons_at("beside", "operator"))
        self.ends = self._select(_SUBSCRIBER, _OPERATOR)
        self.transfer = reason == _R["transfer_disconnects"]
        self.scenario = reason == _R["scenario_disconnects"]
        self.internal = reasons.membership_table(_INTERNAL_REFUSALS)[reason]
        self.outgoing = reasons.membership_table(alone[1])[reason] & ~self.internal | (
            self.unreached >= 0
        )

    def _select(self, *candidates: int) -> IntColumn:
        """The dealt reasons among the wanted ones, -1 elsewhere."""
        return np.where(reasons.membership_table(candidates)[self.reason], self.reason, -1)


def _chosen_by_share(raw: RawNumbers, column: int, per_mille: int) -> BoolColumn:
    return integers_below(raw[:, column], 1000) < per_mille


def _pick_reasons(raw: RawNumbers, column: int, weights: dict[str, int]) -> IntColumn:
    indexes = np.array([_R[name] for name in weights], np.int16)
    return indexes[weighted_indexes(raw[:, column], tuple(weights.values()))]


def _draw_kinds(raw: RawNumbers, forced: _ForcedReason, traffic: Traffic) -> IntColumn:
    place = integers_below(raw[:, _KIND], 1000)
    kind = np.full(len(raw), CallKind.INCOMING, np.int8)
    edge = traffic.internal
    kind[place < edge] = CallKind.INTERNAL
    kind[(place >= edge) & (place < edge + traffic.outgoing)] = CallKind.OUTGOING
    edge += traffic.outgoing
    kind[(place >= edge) & (place < edge + traffic.auto_outgoing)] = CallKind.AUTO
    kind[forced.reason >= 0] = CallKind.INCOMING
    kind[forced.outgoing] = CallKind.OUTGOING
    kind[forced.internal] = CallKind.INTERNAL
    return kind


def _fill_incoming(
    outcomes: CallOutcomes,
    raw: RawNumbers,
    forced: _ForcedReason,
    ends: IntColumn,
    traffic: Traffic,
) -> None:
    """The calls that reach operators one after another; those the platform dialled, too."""
    table = outcomes.reasons
    here = (outcomes.kind == CallKind.INCOMING) | (outcomes.kind == CallKind.AUTO)
    incoming = outcomes.kind == CallKind.INCOMING
    missed = incoming & _chosen_by_share(raw, _MISSED, traffic.missed) & (forced.reason < 0)
    answered = here & ~missed
    count = np.where(
        missed,
        weighted_indexes(raw[:, _ATTEMPTS], _ATTEMPTS_WHEN_MISSED),
        weighted_indexes(raw[:, _ATTEMPTS], _ATTEMPTS_WHEN_ANSWERED),
    )
    for number in range(3):
        there = here & (count > number)
        table[there, ATTEMPT + number] = _pick_reasons(
            raw, _EACH_ATTEMPT + number, _ATTEMPT_REASONS
        )[there]
    dealt = forced.attempt >= 0
    table[dealt, ATTEMPT] = forced.attempt[dealt]
    gives_up = missed & (integers_below(raw[:, _ENDS], 100) < 60)
    table[gives_up, ATTEMPT + 3] = _SUBSCRIBER
    table[missed, FIRST] = _SUBSCRIBER
    table[answered, FIRST] = ends[answered]
    table[answered, ANSWER] = ends[answered]
    beside = forced.parallel >= 0
    table[beside, PARALLEL] = forced.parallel[beside]
    _add_transfers(outcomes, raw, answered, forced, ends, traffic)
    _add_coaches(outcomes, raw, answered, traffic)
    _add_faxes(outcomes, raw, answered & incoming, forced, traffic)
    _fail_auto_calls(outcomes, raw)


def _add_transfers(
    outcomes: CallOutcomes,
    raw: RawNumbers,
    answered: BoolColumn,
    forced: _ForcedReason,
    ends: IntColumn,
    traffic: Traffic,
) -> None:
    table = outcomes.reasons
    there = answered & (
        _chosen_by_share(raw, _TRANSFER, traffic.transfer) & (forced.ends < 0) & ~forced.scenario
        | forced.transfer
    )
    unmet = there & (integers_below(raw[:, _TRANSFER_END], 100) < 15)
    table[there, ANSWER] = _R["transfer_disconnects"]
    table[there, TRANSFER] = ends[there]
    table[unmet, TRANSFER] = _pick_reasons(raw, _UNREACHED, _UNREACHED_TRANSFER)[unmet]
    table[unmet, FIRST] = _SUBSCRIBER


def _add_coaches(
    outcomes: CallOutcomes, raw: RawNumbers, answered: BoolColumn, traffic: Traffic
) -> None:
    there = answered & _chosen_by_share(raw, _COACH, traffic.coach)
    ends = outcomes.reasons[:, ANSWER]
    left = np.where(ends == _R["transfer_disconnects"], _OPERATOR, ends)
    outcomes.reasons[there, COACH] = left[there]


def _add_faxes(
    outcomes: CallOutcomes,
    raw: RawNumbers,
    answered: BoolColumn,
    forced: _ForcedReason,
    traffic: Traffic,
) -> None:
    """A fax takes the whole call, or comes when the operator has started the fax scenario."""
    table = outcomes.reasons
    plain = table[:, TRANSFER] < 0
    fax = (
        answered
        & plain
        & (_chosen_by_share(raw, _FAX, traffic.fax) & (forced.reason < 0) | forced.scenario)
    )
    whole = fax & ~forced.scenario & (integers_below(raw[:, _FAX_END], 3) < 2)
    after_talk = fax & ~whole
    table[whole] = -1
    table[whole, FIRST] = _R["fax_session_done"]
    table[after_talk, ANSWER] = _R["scenario_disconnects"]
    table[after_talk & (table[:, COACH] >= 0), COACH] = _OPERATOR
    received = integers_below(raw[:, _FAX_END] * np.uint64(3), 4) < 3
    table[after_talk, FIRST] = np.where(received, _R["fax_session_done"], _SUBSCRIBER)[after_talk]


def _fail_auto_calls(outcomes: CallOutcomes, raw: RawNumbers) -> None:
    there = (outcomes.kind == CallKind.AUTO) & (integers_below(raw[:, _REMOTE], 100) < 50)
    outcomes.reasons[there] = -1
    outcomes.reasons[there, FIRST] = _pick_reasons(raw, _UNREACHED, _UNREACHED_OUTGOING)[there]


def _fill_outgoing(
    outcomes: CallOutcomes, raw: RawNumbers, forced: _ForcedReason, ends: IntColumn
) -> None:
    table = outcomes.reasons
    there = outcomes.kind == CallKind.OUTGOING
    unmet = there & (integers_below(raw[:, _REMOTE], 100) < 35)
    reason = np.where(unmet, _pick_reasons(raw, _UNREACHED, _UNREACHED_OUTGOING), ends)
    reason = np.where(forced.unreached >= 0, forced.unreached, reason)
    for slot in (FIRST, REMOTE):
        table[there, slot] = reason[there]


def _fill_internal(outcomes: CallOutcomes, raw: RawNumbers, ends: IntColumn) -> None:
    there = outcomes.kind == CallKind.INTERNAL
    unmet = there & (integers_below(raw[:, _REMOTE], 100) < 25)
    reason = np.where(unmet, _pick_reasons(raw, _UNREACHED, _UNREACHED_INTERNAL), ends)
    for slot in (FIRST, REMOTE):
        outcomes.reasons[there, slot] = reason[there]


def _draw_parties(
    raw: RawNumbers, outcomes: CallOutcomes, traffic: Traffic, directory: Directory
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """The client's user, the vendor-scheme outsider, and the outside party's number."""
    external = outcomes.kind != CallKind.INTERNAL
    # The lesser of two draws: some clients call far more often than others.
    count = len(directory.users)
    user = np.minimum(
        integers_below(raw[:, _USER], count), integers_below(raw[:, _USER] << np.uint64(32), count)
    )
    place = integers_below(raw[:, _PARTY], 1000)
    hidden = (place < traffic.anonymous) & (outcomes.kind == CallKind.INCOMING)
    edge = traffic.anonymous + traffic.unknown_caller
    unknown = (place >= traffic.anonymous) & (place < edge)
    vendor = (place >= edge) & (place < edge + traffic.vendor) & external
    stranger = 79_000_000_000 + integers_below(raw[:, _PHONE], 999_999_999)
    phones = np.array([int(person.phone) for person in directory.users], np.int64)
    phone = np.where(unknown | vendor, stranger, phones[user])
    return (
        np.where(external & ~hidden & ~unknown & ~vendor, user, -1),
        np.where(vendor, integers_below(raw[:, _VENDOR], len(directory.vendor_users)), -1),
        np.where(hidden, 0, phone),
    )


def _assign_operators(
    raw: RawNumbers, outcomes: CallOutcomes, first_call: int, directory: Directory
) -> IntColumn:
    """Operators take turns through the history; who tries before them is of the same group."""
    groups: list[list[int]] = [[] for _ in directory.groups]
    for index, person in enumerate(directory.operators):
        groups[person.group].append(index)
    order = np.array([index for group in groups for index in group])
    size = np.array([len(groups[person.group]) for person in directory.operators])
    begin = np.array([sum(map(len, groups[: person.group])) for person in directory.operators])
    number = first_call + np.arange(len(raw))
    turn = np.where(
        integers_below(raw[:, _OPERATOR], 8) == 0,
        integers_below(raw[:, _OPERATOR] << np.uint64(32), len(order)),
        (number * _coprime_stride(len(order))) % len(order),
    )
    chosen = order[turn]
    place = turn - begin[chosen]
    operators = np.full((len(raw), timeline.SLOT_COUNT), -1, np.int16, order="F")
    for attempt in range(MAX_ATTEMPTS):
        there = np.flatnonzero(outcomes.reasons[:, ATTEMPT + attempt] >= 0)
        who = chosen[there]
        operators[there, ATTEMPT + attempt] = order[
            begin[who] + (place[there] + 1 + attempt) % size[who]
        ]
    for slot in (FIRST, ANSWER, PARALLEL, PARALLEL + 1):
        operators[:, slot] = chosen
    other = order[(turn + 1) % len(order)]
    operators[:, PARALLEL] = np.where(
        outcomes.reasons[:, PARALLEL] == _R["another_operator_answer"], other, chosen
    )
    operators[:, TRANSFER] = other
    operators[:, COACH] = order[(turn + 2) % len(order)]
    operators[:, REMOTE] = other
    return operators


def _coprime_stride(count: int) -> int:
    """A step that visits all operators and jumps between groups."""
    return next(step for step in range(count // 2 + 1, 2 * count) if np.gcd(step, count) == 1)
