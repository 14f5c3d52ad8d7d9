import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import BoolColumn, CallKind, IntColumn
from callmocks.history.directory import Directory
from callmocks.history.generator import (
    RawNumbers,
    integers_below,
    interpolate_quantiles,
    weighted_indexes,
)
from callmocks.history.raw_columns import ATTEMPT_COLUMNS, RawColumn
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import MAX_ATTEMPTS, SLOT_COUNT, CallOutcomes, CallParameters, Slot
from callmocks.history.world import Traffic, World

_R = reasons.INDEX

# Quantiles, in milliseconds.
_SHORT_MS = (40, 120, 250, 400, 900)
_IVR_MS = (700, 1_500, 3_000, 6_000, 12_000, 30_000)
_ANSWER_MS = (1_200, 2_500, 4_000, 6_000, 9_000, 14_000, 26_000)
_NO_ANSWER_MS = (5_000, 12_000, 20_000, 25_000, 30_000)
_ALONE_MS = (300, 900, 2_000, 4_000, 12_000)
_PLATFORM_MS = (4_000, 15_000, 30_000, 60_000, 120_000)
_COACH_DELAY_MS = (500, 5_000, 20_000, 60_000)
_AFTER_TALK_MS = (2_000, 6_000, 15_000)


def draw_parameters(
    raw: RawNumbers,
    outcomes: CallOutcomes,
    start: IntColumn,
    first_call: int,
    world: World,
    directory: Directory,
) -> CallParameters:
    """``first_call`` is the first call's number in the whole history."""
    traffic = world.traffic

    def draw_ms(column: RawColumn, quantiles: tuple[int, ...]) -> IntColumn:
        return interpolate_quantiles(raw[:, column], quantiles)

    def drawn_by_share(column: RawColumn, per_mille: int) -> BoolColumn:
        return integers_below(raw[:, column], 1000) < per_mille

    user, vendor, phone = _draw_parties(raw, outcomes, traffic, directory)
    remote, transfer = outcomes.reasons[:, Slot.REMOTE], outcomes.reasons[:, Slot.TRANSFER]
    reached = (remote == SUBSCRIBER_HUNG_UP) | (remote == OPERATOR_HUNG_UP)
    remote_failed = (remote >= 0) & ~reached
    transfer_unanswered = reasons.RANG[transfer] & ~reasons.ANSWERED[transfer]
    transfer_no_answer = draw_ms(RawColumn.TRANSFER_RING, _NO_ANSWER_MS)
    transfer_answer = draw_ms(RawColumn.TRANSFER_RING, _ANSWER_MS)
    no_answer = draw_ms(RawColumn.RING, _NO_ANSWER_MS)
    failed_ms = np.where(reasons.RANG[remote], no_answer, draw_ms(RawColumn.RING, _ALONE_MS))
    after_talk_ms = draw_ms(RawColumn.AFTER_TALK, _AFTER_TALK_MS)
    rating = 1 + weighted_indexes(raw[:, RawColumn.RATING], (4, 6, 15, 30, 45))
    return CallParameters(
        row=np.arange(len(raw)),
        start=start,
        operators=_assign_operators(raw, outcomes, first_call, directory),
        user=user,
        vendor=vendor,
        phone=phone,
        line=integers_below(raw[:, RawColumn.LINE], len(directory.lines)),
        ivr_ms=draw_ms(RawColumn.IVR, _IVR_MS),
        attempt_ms=_draw_attempt_lengths(raw, outcomes),
        ring_ms=np.where(remote_failed, failed_ms, draw_ms(RawColumn.RING, _ANSWER_MS)),
        talk_ms=draw_ms(RawColumn.TALK, traffic.talk_ms),
        transfer_ring_ms=np.where(transfer_unanswered, transfer_no_answer, transfer_answer),
        transfer_talk_ms=draw_ms(RawColumn.TRANSFER_TALK, traffic.talk_ms),
        coach_delay_ms=draw_ms(RawColumn.COACH_DELAY, _COACH_DELAY_MS),
        after_talk_ms=np.where(_continues_after_talk(outcomes), after_talk_ms, 0),
        recorded=drawn_by_share(RawColumn.RECORDED, traffic.recorded),
        rating=np.where(drawn_by_share(RawColumn.RATED, traffic.rated), rating, 0),
        released_by_platform=integers_below(raw[:, RawColumn.RELEASED_BY], 8) == 0,
        fax=_fax_results(outcomes),
    )


def _continues_after_talk(outcomes: CallOutcomes) -> BoolColumn:
    """The scenario keeps the subscriber after the last operator: a fax, a rating, a menu."""
    first, answer = outcomes.reasons[:, Slot.FIRST], outcomes.reasons[:, Slot.ANSWER]
    by_platform = reasons.membership_table(reasons.ENDED_BY_PLATFORM)[first]
    continues: BoolColumn = by_platform | (answer == _R["scenario_disconnects"])
    return continues


def _fax_results(outcomes: CallOutcomes) -> IntColumn:
    first = outcomes.reasons[:, Slot.FIRST]
    failed = np.where(first == SUBSCRIBER_HUNG_UP, 2, 0)
    result = np.where(first == _R["fax_session_done"], 1, failed)
    return np.where(outcomes.reasons[:, Slot.ANSWER] == _R["scenario_disconnects"], result, 0)


def _draw_attempt_lengths(raw: RawNumbers, outcomes: CallOutcomes) -> IntColumn:
    lengths = np.zeros((len(raw), MAX_ATTEMPTS), np.int32)
    for number in range(MAX_ATTEMPTS):
        reason = outcomes.reasons[:, Slot.ATTEMPT + number]
        calls = np.flatnonzero(reason >= 0)
        if not len(calls):
            continue
        round_number, column = divmod(number, ATTEMPT_COLUMNS)
        numbers = raw[calls, RawColumn.ATTEMPT + column] * np.uint64(2 * round_number + 1)
        reason = reason[calls]
        rang = reasons.RANG[reason] | (reason == SUBSCRIBER_HUNG_UP)
        no_answer = interpolate_quantiles(numbers, _NO_ANSWER_MS)
        short = interpolate_quantiles(numbers, _SHORT_MS)
        lengths[calls, number] = np.where(rang, no_answer, short)
    alone = (outcomes.reasons >= 0).sum(axis=1) == 1
    reason, numbers = outcomes.reasons[:, Slot.FIRST], raw[:, RawColumn.ATTEMPT]
    length = interpolate_quantiles(numbers, _ALONE_MS)
    by_platform = interpolate_quantiles(numbers, _PLATFORM_MS)
    length = np.where(reasons.ANSWERED[reason], by_platform, length)
    length = np.where(reasons.RANG[reason], interpolate_quantiles(numbers, _NO_ANSWER_MS), length)
    lengths[:, 0] = np.where(alone, length, lengths[:, 0])
    return lengths


def _draw_parties(
    raw: RawNumbers, outcomes: CallOutcomes, traffic: Traffic, directory: Directory
) -> tuple[IntColumn, IntColumn, IntColumn]:
    internal = outcomes.kind == CallKind.INTERNAL
    count, numbers = len(directory.users), raw[:, RawColumn.USER]
    # The lesser of two draws: some clients call far more often than others.
    other = numbers << np.uint64(32)
    user = np.minimum(integers_below(numbers, count), integers_below(other, count))
    share = integers_below(raw[:, RawColumn.PARTY], 1000)
    anonymous = (share < traffic.anonymous) & (outcomes.kind == CallKind.INCOMING)
    limit = traffic.anonymous + traffic.unknown_caller
    unknown = (share >= traffic.anonymous) & (share < limit)
    of_vendor = (share >= limit) & (share < limit + traffic.vendor) & ~internal
    unknown_phone = 79_000_000_000 + integers_below(raw[:, RawColumn.PHONE], 999_999_999)
    user_phones = np.array([int(person.phone) for person in directory.users], np.int64)
    phone = np.where(unknown | of_vendor, unknown_phone, user_phones[user])
    vendor = integers_below(raw[:, RawColumn.VENDOR], len(directory.vendor_users))
    return (
        np.where(internal | anonymous | unknown | of_vendor, -1, user),
        np.where(of_vendor, vendor, -1),
        np.where(anonymous | internal, 0, phone),
    )


def _assign_operators(
    raw: RawNumbers, outcomes: CallOutcomes, first_call: int, directory: Directory
) -> IntColumn:
    """Operators take turns through the history; attempts before go to the same group."""
    groups: list[list[int]] = [[] for _ in directory.groups]
    for index, operator in enumerate(directory.operators):
        groups[operator.group].append(index)
    order = np.array([index for group in groups for index in group])
    group_size = np.array([len(groups[operator.group]) for operator in directory.operators])
    group_begin = np.array([sum(map(len, groups[: o.group])) for o in directory.operators])
    # Data version 1 takes the column of the attempts; RawColumn.OPERATOR is unused.
    count, numbers = len(order), raw[:, RawColumn.ATTEMPT_COUNT]
    in_turn = ((first_call + np.arange(len(raw))) * _coprime_stride(count)) % count
    at_random = integers_below(numbers << np.uint64(32), count)
    turn = np.where(integers_below(numbers, 8) == 0, at_random, in_turn)
    answering, next_one = order[turn], order[(turn + 1) % count]
    position = turn - group_begin[answering]
    operators = np.full((len(raw), SLOT_COUNT), -1, np.int16, order="F")
    for attempt in range(MAX_ATTEMPTS):
        calls = np.flatnonzero(outcomes.reasons[:, Slot.ATTEMPT + attempt] >= 0)
        of_call = answering[calls]
        offset = (position[calls] + 1 + attempt) % group_size[of_call]
        operators[calls, Slot.ATTEMPT + attempt] = order[group_begin[of_call] + offset]
    for slot in (Slot.FIRST, Slot.ANSWER, Slot.PARALLEL + 1):
        operators[:, slot] = answering
    other_answers = outcomes.reasons[:, Slot.PARALLEL] == _R["another_operator_answer"]
    operators[:, Slot.PARALLEL] = np.where(other_answers, next_one, answering)
    operators[:, Slot.TRANSFER] = next_one
    operators[:, Slot.COACH] = order[(turn + 2) % count]
    operators[:, Slot.REMOTE] = next_one
    return operators


def _coprime_stride(count: int) -> int:
    """A step that visits all operators and jumps between groups."""
    return next(step for step in range(count // 2 + 1, 2 * count) if np.gcd(step, count) == 1)
