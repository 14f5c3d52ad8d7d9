"""A day of an ordinary contact centre: what happens in each call, by the world's shares.

Every call has a row of raw numbers, each with one use; a new use takes a new column at the end,
and raises the data version.
"""

import numpy as np

from callmocks.history import reasons, timeline
from callmocks.history.columns import Column, Flags, Kind
from callmocks.history.directory import Cast
from callmocks.history.generator import Raw, below, quantile, weighted
from callmocks.history.timeline import (
    ANSWER,
    ATTEMPT,
    ATTEMPTS,
    BESIDE,
    COACH,
    FAR,
    FIRST,
    TRANSFER,
    Choices,
    Plan,
)
from callmocks.history.world import Traffic, World

COLUMNS = 40
(
    _HOUR, _MINUTE, _KIND, _MISSED, _ATTEMPTS, _ENDS, _TRANSFER, _TRANSFER_END, _COACH, _FAX,
    _FAR, _USER, _STRANGER, _PHONE, _LINE, _OPERATOR, _IVR, _RING, _TALK, _RING_2, _TALK_2,
    _COACH_AFTER, _AFTER, _RECORDED, _RATED, _RATING, _SYSTEM, _FAX_END, _VENDOR, _UNMET,
) = range(30)  # fmt: skip
_EACH_ATTEMPT = 30
"""Columns 30, 31, 32: the reason (low bits) and the length (high bits) of each attempt."""
USED = 33
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
_UNMET_TRANSFER = {"operator_not_responsible": 70, "operator_busy": 20, "employee_busy": 10}
_UNMET_INTERNAL = {"operator_not_responsible": 60, "operator_busy": 25, "employee_busy": 15}
_UNMET_OUTGOING = {
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


def times(raw: Raw, hours: tuple[int, ...]) -> Column:
    """Times of day, by weights of its hours."""
    hour = weighted(raw[:, _HOUR], hours)
    return hour * 3_600_000 + below(raw[:, _MINUTE], 3_600_000)


def plan(raw: Raw, dealt: Column, traffic: Traffic) -> Plan:
    """What happens in each call; ``dealt`` is the deck's reason for it, or -1."""
    made = Plan.blank(len(raw))
    card = _Card(dealt)
    made.kind[:] = _kinds(raw, card, traffic)
    ends = np.where(below(raw[:, _ENDS], 100) < 60, _SUBSCRIBER, _OPERATOR)
    ends = np.where(card.ends >= 0, card.ends, ends)
    _incoming(made, raw, card, ends, traffic)
    _outgoing(made, raw, card, ends)
    _internal(made, raw, ends)
    alone = card.alone >= 0
    made.reasons[alone] = -1
    made.reasons[alone, FIRST] = card.alone[alone]
    return made


def choices(
    raw: Raw, made: Plan, start: Column, first_call: int, world: World, cast: Cast
) -> Choices:
    """Who takes part in the planned calls, and how long everything takes."""
    n = len(raw)
    traffic = world.traffic
    internal = made.kind == Kind.INTERNAL
    user, vendor, phone = _parties(raw, made, traffic, cast)
    unmet = made.reasons[:, FAR]
    far_rings = np.where(
        reasons.RANG[unmet],
        quantile(raw[:, _RING], _NO_ANSWER_MS),
        quantile(raw[:, _RING], _ALONE_MS),
    )
    far_fails = (unmet >= 0) & (unmet != _SUBSCRIBER) & (unmet != _OPERATOR)
    return Choices(
        row=np.arange(n),
        start=start,
        operators=_operators(raw, made, first_call, cast),
        user=user,
        vendor=vendor,
        phone=np.where(internal, 0, phone),
        line=below(raw[:, _LINE], len(cast.lines)),
        ivr=quantile(raw[:, _IVR], _IVR_MS),
        attempt=attempt_lengths(raw, made),
        ring=np.where(far_fails, far_rings, quantile(raw[:, _RING], _ANSWER_MS)),
        talk=quantile(raw[:, _TALK], traffic.talk_ms),
        transfer_ring=np.where(
            reasons.RANG[made.reasons[:, TRANSFER]] & ~reasons.ANSWERED[made.reasons[:, TRANSFER]],
            quantile(raw[:, _RING_2], _NO_ANSWER_MS),
            quantile(raw[:, _RING_2], _ANSWER_MS),
        ),
        transfer_talk=quantile(raw[:, _TALK_2], traffic.talk_ms),
        coach_after=quantile(raw[:, _COACH_AFTER], _COACH_AFTER_MS),
        after=np.where(goes_on(made), quantile(raw[:, _AFTER], _AFTER_MS), 0),
        recorded=_share(raw, _RECORDED, traffic.recorded),
        rating=np.where(
            _share(raw, _RATED, traffic.rated), 1 + weighted(raw[:, _RATING], (4, 6, 15, 30, 45)), 0
        ),
        system=below(raw[:, _SYSTEM], 8) == 0,
        fax=fax_marks(made),
    )


def goes_on(made: Plan) -> Flags:
    """The scenario keeps the subscriber after the last operator: a fax, a rating, a menu."""
    kept: Flags = reasons.among(_BY_PLATFORM)[made.reasons[:, FIRST]]
    kept |= made.reasons[:, ANSWER] == _R["scenario_disconnects"]
    return kept


def fax_marks(made: Plan) -> Column:
    """Faxes among the answered calls: 1 received, 2 failed, 0 no fax."""
    after_talk = made.reasons[:, ANSWER] == _R["scenario_disconnects"]
    received = made.reasons[:, FIRST] == _R["fax_session_done"]
    return np.where(
        after_talk & received,
        1,
        np.where(after_talk & (made.reasons[:, FIRST] == _SUBSCRIBER), 2, 0),
    )


def attempt_lengths(raw: Raw, made: Plan) -> Column:
    """How long each attempt takes: a ring that nobody answers, or a refusal at once."""
    lengths = np.zeros((len(raw), ATTEMPTS), np.int32)
    for number in range(ATTEMPTS):
        reason = made.reasons[:, ATTEMPT + number]
        there = np.flatnonzero(reason >= 0)
        if not len(there):
            continue
        spread = raw[there, _EACH_ATTEMPT + number % 3] * np.uint64(2 * (number // 3) + 1)
        reason = reason[there]
        rings = reasons.RANG[reason] | (reason == _SUBSCRIBER)
        lengths[there, number] = np.where(
            rings, quantile(spread, _NO_ANSWER_MS), quantile(spread, _SHORT_MS)
        )
    alone = (made.reasons >= 0).sum(axis=1) == 1
    by_platform = reasons.ANSWERED[made.reasons[:, FIRST]]
    spread = raw[:, _EACH_ATTEMPT]
    rings = reasons.RANG[made.reasons[:, FIRST]]
    length = np.where(by_platform, quantile(spread, _PLATFORM_MS), quantile(spread, _ALONE_MS))
    length = np.where(rings, quantile(spread, _NO_ANSWER_MS), length)
    lengths[:, 0] = np.where(alone, length, lengths[:, 0])
    return lengths


class _Card:
    """What a dealt reason asks of its call, by the place a leg with that reason has."""

    def __init__(self, dealt: Column) -> None:
        self.dealt = dealt
        alone = reasons.of_place("alone", "subscriber"), reasons.of_place("alone", "initiator")
        self.alone = self._of(*alone[0], *alone[1], *_BY_PLATFORM)
        self.attempt = self._of(*reasons.of_place("attempt", "operator"))
        self.unmet = self._of(*reasons.of_place("attempt", "subscriber"))
        self.beside = self._of(*reasons.of_place("beside", "operator"))
        self.ends = self._of(_SUBSCRIBER, _OPERATOR)
        self.transfer = dealt == _R["transfer_disconnects"]
        self.scenario = dealt == _R["scenario_disconnects"]
        self.internal = reasons.among(_INTERNAL_REFUSALS)[dealt]
        self.outgoing = reasons.among(alone[1])[dealt] & ~self.internal | (self.unmet >= 0)

    def _of(self, *wanted: int) -> Column:
        """The dealt reasons among the wanted ones, -1 elsewhere."""
        return np.where(reasons.among(wanted)[self.dealt], self.dealt, -1)


def _share(raw: Raw, column: int, per_mille: int) -> Flags:
    return below(raw[:, column], 1000) < per_mille


def _pick(raw: Raw, column: int, weights: dict[str, int]) -> Column:
    indexes = np.array([_R[name] for name in weights], np.int16)
    return indexes[weighted(raw[:, column], tuple(weights.values()))]


def _kinds(raw: Raw, card: _Card, traffic: Traffic) -> Column:
    place = below(raw[:, _KIND], 1000)
    kind = np.full(len(raw), Kind.INCOMING, np.int8)
    edge = traffic.internal
    kind[place < edge] = Kind.INTERNAL
    kind[(place >= edge) & (place < edge + traffic.outgoing)] = Kind.OUTGOING
    edge += traffic.outgoing
    kind[(place >= edge) & (place < edge + traffic.auto_outgoing)] = Kind.AUTO
    kind[card.dealt >= 0] = Kind.INCOMING
    kind[card.outgoing] = Kind.OUTGOING
    kind[card.internal] = Kind.INTERNAL
    return kind


def _incoming(made: Plan, raw: Raw, card: _Card, ends: Column, traffic: Traffic) -> None:
    """The calls that reach operators one after another; those the platform dialled, too."""
    table = made.reasons
    here = (made.kind == Kind.INCOMING) | (made.kind == Kind.AUTO)
    incoming = made.kind == Kind.INCOMING
    missed = incoming & _share(raw, _MISSED, traffic.missed) & (card.dealt < 0)
    answered = here & ~missed
    count = np.where(
        missed,
        weighted(raw[:, _ATTEMPTS], _ATTEMPTS_WHEN_MISSED),
        weighted(raw[:, _ATTEMPTS], _ATTEMPTS_WHEN_ANSWERED),
    )
    for number in range(3):
        there = here & (count > number)
        table[there, ATTEMPT + number] = _pick(raw, _EACH_ATTEMPT + number, _ATTEMPT_REASONS)[there]
    dealt = card.attempt >= 0
    table[dealt, ATTEMPT] = card.attempt[dealt]
    gives_up = missed & (below(raw[:, _ENDS], 100) < 60)
    table[gives_up, ATTEMPT + 3] = _SUBSCRIBER
    table[missed, FIRST] = _SUBSCRIBER
    table[answered, FIRST] = ends[answered]
    table[answered, ANSWER] = ends[answered]
    beside = card.beside >= 0
    table[beside, BESIDE] = card.beside[beside]
    _transfers(made, raw, answered, card, ends, traffic)
    _coaches(made, raw, answered, traffic)
    _faxes(made, raw, answered & incoming, card, traffic)
    _unanswered_auto(made, raw)


def _transfers(
    made: Plan, raw: Raw, answered: Flags, card: _Card, ends: Column, traffic: Traffic
) -> None:
    table = made.reasons
    there = answered & (
        _share(raw, _TRANSFER, traffic.transfer) & (card.ends < 0) & ~card.scenario | card.transfer
    )
    unmet = there & (below(raw[:, _TRANSFER_END], 100) < 15)
    table[there, ANSWER] = _R["transfer_disconnects"]
    table[there, TRANSFER] = ends[there]
    table[unmet, TRANSFER] = _pick(raw, _UNMET, _UNMET_TRANSFER)[unmet]
    table[unmet, FIRST] = _SUBSCRIBER


def _coaches(made: Plan, raw: Raw, answered: Flags, traffic: Traffic) -> None:
    there = answered & _share(raw, _COACH, traffic.coach)
    ends = made.reasons[:, ANSWER]
    left = np.where(ends == _R["transfer_disconnects"], _OPERATOR, ends)
    made.reasons[there, COACH] = left[there]


def _faxes(made: Plan, raw: Raw, answered: Flags, card: _Card, traffic: Traffic) -> None:
    """A fax takes the whole call, or comes when the operator has started the fax scenario."""
    table = made.reasons
    plain = table[:, TRANSFER] < 0
    fax = answered & plain & (_share(raw, _FAX, traffic.fax) & (card.dealt < 0) | card.scenario)
    whole = fax & ~card.scenario & (below(raw[:, _FAX_END], 3) < 2)
    after_talk = fax & ~whole
    table[whole] = -1
    table[whole, FIRST] = _R["fax_session_done"]
    table[after_talk, ANSWER] = _R["scenario_disconnects"]
    table[after_talk & (table[:, COACH] >= 0), COACH] = _OPERATOR
    received = below(raw[:, _FAX_END] * np.uint64(3), 4) < 3
    table[after_talk, FIRST] = np.where(received, _R["fax_session_done"], _SUBSCRIBER)[after_talk]


def _unanswered_auto(made: Plan, raw: Raw) -> None:
    there = (made.kind == Kind.AUTO) & (below(raw[:, _FAR], 100) < 50)
    made.reasons[there] = -1
    made.reasons[there, FIRST] = _pick(raw, _UNMET, _UNMET_OUTGOING)[there]


def _outgoing(made: Plan, raw: Raw, card: _Card, ends: Column) -> None:
    table = made.reasons
    there = made.kind == Kind.OUTGOING
    unmet = there & (below(raw[:, _FAR], 100) < 35)
    reason = np.where(unmet, _pick(raw, _UNMET, _UNMET_OUTGOING), ends)
    reason = np.where(card.unmet >= 0, card.unmet, reason)
    for slot in (FIRST, FAR):
        table[there, slot] = reason[there]


def _internal(made: Plan, raw: Raw, ends: Column) -> None:
    there = made.kind == Kind.INTERNAL
    unmet = there & (below(raw[:, _FAR], 100) < 25)
    reason = np.where(unmet, _pick(raw, _UNMET, _UNMET_INTERNAL), ends)
    for slot in (FIRST, FAR):
        made.reasons[there, slot] = reason[there]


def _parties(raw: Raw, made: Plan, traffic: Traffic, cast: Cast) -> tuple[Column, Column, Column]:
    """The client's user, the vendor-scheme outsider, and the outside party's number."""
    external = made.kind != Kind.INTERNAL
    # The lesser of two draws: some clients call far more often than others.
    count = len(cast.users)
    user = np.minimum(below(raw[:, _USER], count), below(raw[:, _USER] << np.uint64(32), count))
    place = below(raw[:, _STRANGER], 1000)
    hidden = (place < traffic.anonymous) & (made.kind == Kind.INCOMING)
    edge = traffic.anonymous + traffic.unknown_caller
    unknown = (place >= traffic.anonymous) & (place < edge)
    vendor = (place >= edge) & (place < edge + traffic.vendor) & external
    stranger = 79_000_000_000 + below(raw[:, _PHONE], 999_999_999)
    phones = np.array([int(person.phone) for person in cast.users], np.int64)
    phone = np.where(unknown | vendor, stranger, phones[user])
    return (
        np.where(external & ~hidden & ~unknown & ~vendor, user, -1),
        np.where(vendor, below(raw[:, _VENDOR], len(cast.vendor_users)), -1),
        np.where(hidden, 0, phone),
    )


def _operators(raw: Raw, made: Plan, first_call: int, cast: Cast) -> Column:
    """Operators take turns through the history; who tries before them is of the same group."""
    groups: list[list[int]] = [[] for _ in cast.groups]
    for index, person in enumerate(cast.operators):
        groups[person.group].append(index)
    order = np.array([index for group in groups for index in group])
    size = np.array([len(groups[person.group]) for person in cast.operators])
    begin = np.array([sum(map(len, groups[: person.group])) for person in cast.operators])
    number = first_call + np.arange(len(raw))
    turn = np.where(
        below(raw[:, _OPERATOR], 8) == 0,
        below(raw[:, _OPERATOR] << np.uint64(32), len(order)),
        (number * _stride(len(order))) % len(order),
    )
    chosen = order[turn]
    place = turn - begin[chosen]
    operators = np.full((len(raw), timeline.SLOTS), -1, np.int16, order="F")
    for attempt in range(ATTEMPTS):
        there = np.flatnonzero(made.reasons[:, ATTEMPT + attempt] >= 0)
        who = chosen[there]
        operators[there, ATTEMPT + attempt] = order[
            begin[who] + (place[there] + 1 + attempt) % size[who]
        ]
    for slot in (FIRST, ANSWER, BESIDE, BESIDE + 1):
        operators[:, slot] = chosen
    other = order[(turn + 1) % len(order)]
    operators[:, BESIDE] = np.where(
        made.reasons[:, BESIDE] == _R["another_operator_answer"], other, chosen
    )
    operators[:, TRANSFER] = other
    operators[:, COACH] = order[(turn + 2) % len(order)]
    operators[:, FAR] = other
    return operators


def _stride(count: int) -> int:
    """A step that visits all operators and jumps between groups."""
    return next(step for step in range(count // 2 + 1, 2 * count) if np.gcd(step, count) == 1)
