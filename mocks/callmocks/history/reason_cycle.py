"""Rare finish reasons are dealt, not thrown: any 1 500 legs in a row hold all 64.

Calls are numbered through the whole history, day after day, and cut into decks of ``DECK`` calls.
Each deck deals the 64 reasons to 64 of its calls, at places shuffled for that deck alone. A deck
makes fewer than 750 legs, so 1 500 consecutive ones hold a whole deck wherever they begin.
"""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import IntColumn
from callmocks.history.generator import Generator

CYCLE_CALLS = 256
_STREAM = 3


def assign_reasons(generator: Generator, first_call: int, call_count: int) -> IntColumn:
    """The reason dealt to each of ``calls`` calls from number ``first_call``; -1 for none."""
    dealt = np.full(call_count, -1, np.int16)
    last = (first_call + call_count - 1) // CYCLE_CALLS
    for deck in range(first_call // CYCLE_CALLS, last + 1 if call_count else 0):
        order = np.argsort(generator.draw_raw(_STREAM, deck, CYCLE_CALLS), kind="stable")
        cards = np.full(CYCLE_CALLS, -1, np.int16)
        cards[order[: len(reasons.NAMES)]] = np.arange(len(reasons.NAMES))
        begin = deck * CYCLE_CALLS - first_call
        low, high = max(begin, 0), min(begin + CYCLE_CALLS, call_count)
        dealt[low:high] = cards[low - begin : high - begin]
    return dealt
