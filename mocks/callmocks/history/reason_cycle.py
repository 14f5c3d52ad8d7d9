"""Rare finish reasons are dealt, not thrown: any 1 500 legs in a row hold all 64.

Calls are numbered through the whole history, day after day, and cut into decks of ``DECK`` calls.
Each deck deals the 64 reasons to 64 of its calls, at places shuffled for that deck alone. A deck
makes fewer than 750 legs, so 1 500 consecutive ones hold a whole deck wherever they begin.
"""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import Column
from callmocks.history.generator import Generator

DECK = 256
_STREAM = 3


def deal(generator: Generator, first_call: int, calls: int) -> Column:
    """The reason dealt to each of ``calls`` calls from number ``first_call``; -1 for none."""
    dealt = np.full(calls, -1, np.int16)
    last = (first_call + calls - 1) // DECK
    for deck in range(first_call // DECK, last + 1 if calls else 0):
        order = np.argsort(generator.raw(_STREAM, deck, DECK), kind="stable")
        cards = np.full(DECK, -1, np.int16)
        cards[order[: len(reasons.NAMES)]] = np.arange(len(reasons.NAMES))
        begin = deck * DECK - first_call
        low, high = max(begin, 0), min(begin + DECK, calls)
        dealt[low:high] = cards[low - begin : high - begin]
    return dealt
