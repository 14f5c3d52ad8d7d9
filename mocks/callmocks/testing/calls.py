"""Fields of a call that a test pins."""

from __future__ import annotations

from typing import TypedDict


class PinFields(TypedDict, total=False):
    """What can be given of a pinned call besides its start; the rest is filled in.

    Operators are internal numbers; ``line`` is a virtual number or a ServiceID, ``user`` a
    ServiceUserID. ``finish_reason`` is a mnemonic of the Data API.
    """

    direction: str
    """``in``, ``out``, ``auto`` or ``internal``."""
    operator: str
    to_operator: str
    client_phone: str
    anonymous: bool
    user: str
    line: str
    finish_reason: str
    answered: bool
    wait_seconds: float
    """From the start to the answer, or to giving up."""
    talk_seconds: float
    transfer_to: str
    transfer_talk_seconds: float
    coach: str
    recorded: bool
    rating: int
    vendor: bool
