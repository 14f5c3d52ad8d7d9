"""Rare finish reasons come in cycles: any 1 500 legs in a row hold all 64.

Calls are numbered through the whole history, day after day, and cut into cycles of
``CYCLE_CALLS``. Each cycle assigns the 64 reasons to 64 of its calls, in an order shuffled for it
alone. A cycle makes fewer than 750 legs, so 1 500 in a row hold a whole cycle wherever they begin.
"""

import numpy as np

from callmocks.history import reasons
from callmocks.history.columns import IntColumn
from callmocks.history.generator import Generator

CYCLE_CALLS = 256
_STREAM = 3


def assign_reasons(generator: Generator, first_call: int, call_count: int) -> IntColumn:
    """The reason assigned to each call from number ``first_call`` on; -1 for none."""
    assigned = np.full(call_count, -1, np.int16)
    last = (first_call + call_count - 1) // CYCLE_CALLS
    for cycle in range(first_call // CYCLE_CALLS, last + 1 if call_count else 0):
        order = np.argsort(generator.draw_raw(_STREAM, cycle, CYCLE_CALLS), kind="stable")
        slots = np.full(CYCLE_CALLS, -1, np.int16)
        slots[order[: len(reasons.NAMES)]] = np.arange(len(reasons.NAMES))
        begin = cycle * CYCLE_CALLS - first_call
        low, high = max(begin, 0), min(begin + CYCLE_CALLS, call_count)
        assigned[low:high] = slots[low - begin : high - begin]
    return assigned
