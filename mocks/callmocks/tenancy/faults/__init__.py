"""Faults: one small file each. Importing this package makes all of them known."""

from callmocks.tenancy.faults import (
    close,
    content_type,
    delay,
    dribble,
    malformed,
    never_answer,
    reset,
    status,
    truncated,
)
from callmocks.tenancy.faults.base import KINDS, Fault, Kind, Turn, fault
from callmocks.tenancy.faults.switchboard import Faults, Scope, Switched

__all__ = [
    "KINDS",
    "Fault",
    "Faults",
    "Kind",
    "Scope",
    "Switched",
    "Turn",
    "close",
    "content_type",
    "delay",
    "dribble",
    "fault",
    "malformed",
    "never_answer",
    "reset",
    "status",
    "truncated",
]
