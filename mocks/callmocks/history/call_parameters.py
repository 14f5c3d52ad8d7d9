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
from callmocks.history.phone_numbers import draw_phone_numbers
from callmocks.history.raw_columns import ATTEMPT_COLUMNS, RawColumn
from callmocks.history.reasons import OPERATOR_HUNG_UP, SUBSCRIBER_HUNG_UP
from callmocks.history.timeline import MAX_ATTEMPTS, SLOT_COUNT, CallOutcomes, CallParameters, Slot
from callmocks.history.world import Traffic, Waiting, World

_R = reasons.INDEX

# Quantiles, in milliseconds.
_SHORT_MS = (40, 120, 250, 400, 900)
_ALONE_MS = (300, 900, 2_000, 4_000, 12_000)
_PLATFORM_MS = (4_000, 15_000, 30_000, 60_000, 120_000)
_COACH_DELAY_MS = (500, 5_000, 20_000, 60_000)
_AFTER_TALK_MS = (2_000, 6_000, 15_000)


def draw_parameters(raw: RawNumbers, outcomes: CallOutcomes, world: World) -> CallParameters:
    """Lengths and marks; attempts, starts and parties are still open."""
    traffic, waiting = world.traffic, world.waiting

    def draw_ms(column: RawColumn, quantiles: tuple[int, ...]) -> IntColumn:
        return interpolate_quantiles(raw[:, column], quantiles)

    def drawn_by_share(column: RawColumn, per_mille: int) -> BoolColumn:
        return integers_below(raw[:, column], 1000) < per_mille

    nobody, nothing = np.full(len(raw), -1), np.zeros(len(raw), np.int64)
    remote, transfer = outcomes.reasons[:, Slot.REMOTE], outcomes.reasons[:, Slot.TRANSFER]
    reached = (remote == SUBSCRIBER_HUNG_UP) | (remote == OPERATOR_HUNG_UP)
    remote_failed = (remote >= 0) & ~reached
    transfer_unanswered = reasons.RANG[transfer] & ~reasons.ANSWERED[transfer]
    transfer_no_answer = draw_ms(RawColumn.TRANSFER_RING, waiting.no_answer_ms)
    transfer_answer = draw_ms(RawColumn.TRANSFER_RING, waiting.answer_ms)
    no_answer = draw_ms(RawColumn.RING, waiting.no_answer_ms)
    failed_ms = np.where(reasons.RANG[remote], no_answer, draw_ms(RawColumn.RING, _ALONE_MS))
    rating = 1 + weighted_indexes(raw[:, RawColumn.RATING], (4, 6, 15, 30, 45))
    return CallParameters(
        row=np.arange(len(raw)),
        start=nothing,
        operators=np.full((len(raw), SLOT_COUNT), -1, np.int16, order="F"),
        user=nobody,
        vendor=nobody,
        phone=nothing,
        line=nothing,
        ivr_ms=draw_ms(RawColumn.IVR, waiting.menu_ms),
        attempt_ms=np.zeros((len(raw), MAX_ATTEMPTS), np.int32, order="F"),
        ring_ms=np.where(remote_failed, failed_ms, draw_ms(RawColumn.RING, waiting.answer_ms)),
        talk_ms=draw_ms(RawColumn.TALK, traffic.talk_ms),
        transfer_ring_ms=np.where(transfer_unanswered, transfer_no_answer, transfer_answer),
        transfer_talk_ms=draw_ms(RawColumn.TRANSFER_TALK, traffic.talk_ms),
        coach_delay_ms=draw_ms(RawColumn.COACH_DELAY, _COACH_DELAY_MS),
        after_talk_ms=draw_ms(RawColumn.AFTER_TALK, _AFTER_TALK_MS),
        recorded=drawn_by_share(RawColumn.RECORDED, traffic.recorded),
        rating=np.where(drawn_by_share(RawColumn.RATED, traffic.rated), rating, 0),
        released_by_platform=integers_below(raw[:, RawColumn.RELEASED_BY], 8) == 0,
        fax=nothing,
    )


def draw_lengths_of_outcomes(
    parameters: CallParameters, raw: RawNumbers, outcomes: CallOutcomes, waiting: Waiting
) -> None:
    """What depends on all legs of the calls."""
    parameters.attempt_ms = _draw_attempt_lengths(raw, outcomes, waiting)
    parameters.fax = _fax_results(outcomes)
    parameters.after_talk_ms = np.where(
        _continues_after_talk(outcomes), parameters.after_talk_ms, 0
    )


def draw_parties(
    parameters: CallParameters,
    raw: RawNumbers,
    outcomes: CallOutcomes,
    traffic: Traffic,
    directory: Directory,
) -> None:
    """Clients and lines of calls that have nothing to do with one another."""
    numbers, vendors = directory.user_numbers, len(directory.vendor_users)
    parties = draw_clients(raw, outcomes.kind, traffic, numbers, vendors)
    parameters.user, parameters.vendor, parameters.phone = parties
    parameters.line = integers_below(raw[:, RawColumn.LINE], len(directory.lines))


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


def _draw_attempt_lengths(raw: RawNumbers, outcomes: CallOutcomes, waiting: Waiting) -> IntColumn:
    lengths = np.zeros((len(raw), MAX_ATTEMPTS), np.int32, order="F")
    for number in outcomes.list_attempts():
        reason = outcomes.reasons[:, Slot.ATTEMPT + number]
        calls = np.flatnonzero(reason >= 0)
        round_number, column = divmod(number, ATTEMPT_COLUMNS)
        numbers = raw[calls, RawColumn.ATTEMPT + column] * np.uint64(2 * round_number + 1)
        reason = reason[calls]
        rang = reasons.RANG[reason] | (reason == SUBSCRIBER_HUNG_UP)
        no_answer = interpolate_quantiles(numbers, waiting.no_answer_ms)
        short = interpolate_quantiles(numbers, _SHORT_MS)
        lengths[calls, number] = np.where(rang, no_answer, short)
    alone = (outcomes.reasons >= 0).sum(axis=1) == 1
    reason, numbers = outcomes.reasons[:, Slot.FIRST], raw[:, RawColumn.ATTEMPT]
    length = interpolate_quantiles(numbers, _ALONE_MS)
    by_platform = interpolate_quantiles(numbers, _PLATFORM_MS)
    length = np.where(reasons.ANSWERED[reason], by_platform, length)
    length = np.where(
        reasons.RANG[reason], interpolate_quantiles(numbers, waiting.no_answer_ms), length
    )
    lengths[:, 0] = np.where(alone, length, lengths[:, 0])
    return lengths


def forget_strangers(user: IntColumn, days: int | IntColumn, known_days: IntColumn) -> IntColumn:
    """-1 where a user calls before his number is known."""
    return np.where((user >= 0) & (known_days[user] > days), -1, user)


def draw_clients(
    raw: RawNumbers, kind: IntColumn, traffic: Traffic, user_numbers: IntColumn, vendors: int
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """User, user of the vendor scheme, and number, of calls of some kinds."""
    internal = kind == CallKind.INTERNAL
    count, numbers = len(user_numbers), raw[:, RawColumn.USER]
    # The lesser of two draws: some clients call far more often than others.
    other = numbers << np.uint64(32)
    user = np.minimum(integers_below(numbers, count), integers_below(other, count))
    share = integers_below(raw[:, RawColumn.PARTY], 1000)
    anonymous = (share < traffic.anonymous) & (kind == CallKind.INCOMING)
    limit = traffic.anonymous + traffic.unknown_caller
    unknown = (share >= traffic.anonymous) & (share < limit)
    of_vendor = (share >= limit) & (share < limit + traffic.vendor) & ~internal
    stranger = draw_phone_numbers(raw[:, RawColumn.PHONE])
    phone = np.where(unknown | of_vendor, stranger, user_numbers[user])
    vendor = integers_below(raw[:, RawColumn.VENDOR], vendors)
    return (
        np.where(internal | anonymous | unknown | of_vendor, -1, user),
        np.where(of_vendor, vendor, -1),
        np.where(anonymous | internal, 0, phone),
    )


def draw_operators(
    parameters: CallParameters,
    raw: RawNumbers,
    outcomes: CallOutcomes,
    directory: Directory,
    employed: BoolColumn,
) -> None:
    """Operators for calls that do not ask who works: attempts go to the group of who answers."""
    order = directory.order_by_group(employed)
    group = directory.operator_groups[order]
    begin, size = np.searchsorted(group, group), np.bincount(group)[group]
    count = len(order)
    turn = integers_below(raw[:, RawColumn.OPERATOR], count)
    answering, next_one = order[turn], order[(turn + 1) % count]
    operators = parameters.operators
    for attempt in outcomes.list_attempts():
        calls = np.flatnonzero(outcomes.reasons[:, Slot.ATTEMPT + attempt] >= 0)
        of_call = turn[calls]
        offset = (of_call - begin[of_call] + 1 + attempt) % size[of_call]
        operators[calls, Slot.ATTEMPT + attempt] = order[begin[of_call] + offset]
    for slot in (Slot.FIRST, Slot.ANSWER, Slot.PARALLEL + 1):
        operators[:, slot] = answering
    other_answers = outcomes.reasons[:, Slot.PARALLEL] == _R["another_operator_answer"]
    operators[:, Slot.PARALLEL] = np.where(other_answers, next_one, answering)
    operators[:, Slot.TRANSFER] = next_one
    operators[:, Slot.COACH] = order[(turn + 2) % count]
    operators[:, Slot.REMOTE] = next_one
