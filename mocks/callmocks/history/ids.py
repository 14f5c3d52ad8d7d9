"""Ids are addresses: each leads to its day and row without a search, for ever.

Session and leg ids (9 to 10 digits, as the vendor's) divide each day into slots::

    100 000 000 + day * 1 350 000 + | 0 … 299 999        sessions generated
                                    | 300 000 … 349 999  sessions pinned   (20 000 used)
                                    | 350 000 …          legs generated (900 000)
                                    | 1 250 000 …        legs pinned    (100 000)

The n-th pinned call of a day has the n-th pinned session and the n-th five of the pinned legs.

The 1C CallID and the record ids look random, but their first bits are the address, scrambled
with the history's key, and the rest proves that they belong to this history.
"""

import numpy as np
from numpy.typing import NDArray

from callmocks.history.walltime import DAYS

BASE = 100_000_000
DAY_SLOTS = 1_350_000
SESSION_SLOTS = 350_000
PINNED_SESSION = 300_000
PINNED_LEG = 900_000
LEGS_PER_PIN = 5  # at most: a caller, an attempt or a parallel leg, an answer, a transfer, a coach
PINS_PER_DAY = (DAY_SLOTS - SESSION_SLOTS - PINNED_LEG) // LEGS_PER_PIN
PINS_PER_TENANT = 100_000
COMMUNICATION_BASE = 1_000_000_000

Words = NDArray[np.uint64]
Ints = NDArray[np.integer]
# One day, or the day of each row.
Days = int | Ints

_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype="<u2")


def session_id(day: Days, row: Ints) -> Ints:
    return BASE + day * DAY_SLOTS + row.astype(np.int64)


def leg_id(day: Days, row: Ints) -> Ints:
    return BASE + day * DAY_SLOTS + SESSION_SLOTS + row.astype(np.int64)


def communication_id(day: Days, row: Ints) -> Ints:
    return COMMUNICATION_BASE + day * SESSION_SLOTS + row.astype(np.int64)


def session_address(number: int) -> tuple[int, int] | None:
    """Day and row; None when no session can have that id."""
    day, slot = divmod(number - BASE, DAY_SLOTS)
    return (day, slot) if 0 <= day < DAYS and slot < SESSION_SLOTS else None


def leg_address(number: int) -> tuple[int, int] | None:
    """Day and row; None when no leg can have that id."""
    day, slot = divmod(number - BASE, DAY_SLOTS)
    return (day, slot - SESSION_SLOTS) if 0 <= day < DAYS and slot >= SESSION_SLOTS else None


def leg_addresses(numbers: Ints) -> tuple[Ints, Ints]:
    """Days and rows of the ids of legs that exist."""
    days, slots = np.divmod(numbers - BASE, DAY_SLOTS)
    return days, slots - SESSION_SLOTS


def communication_address(number: int) -> tuple[int, int] | None:
    day, row = divmod(number - COMMUNICATION_BASE, SESSION_SLOTS)
    return (day, row) if 0 <= day < DAYS else None


def call_uuids(key: bytes, day: Days, row: Ints) -> NDArray[np.bytes_]:
    """1C CallIDs (36 characters) of calls: the first eight digits are the scrambled address."""
    address = (np.asarray(day).astype(np.uint64) << np.uint64(19)) | row.astype(np.uint64)
    head = _scramble32(address ^ np.uint64(_key_word(key, 0) & 0xFFFFFFFF))
    first = mix64(head ^ np.uint64(_key_word(key, 1)))
    second = mix64(first ^ np.uint64(_key_word(key, 0)))
    words = np.empty((len(row), 2), dtype=">u8")
    words[:, 0] = (head << np.uint64(32)) | (first >> np.uint64(32))
    words[:, 1] = second
    octets = words.view(np.uint8).reshape(-1, 16)
    octets[:, 6] = (octets[:, 6] & 0x0F) | 0x40
    octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80
    digits = _HEX[octets].view(np.uint8).reshape(-1, 32)
    text = np.full((len(row), 36), ord("-"), dtype=np.uint8)
    for begin, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)):
        shift = sum(begin >= cut for cut in (8, 12, 16, 20))
        text[:, begin + shift : end + shift] = digits[:, begin:end]
    return text.view("S36").reshape(-1)


def call_uuid_address(key: bytes, uuid: str) -> tuple[int, int] | None:
    """Day and row; None when no call of this history has that CallID."""
    try:
        head = int(uuid[:8], 16)
    except ValueError:
        return None
    address = _unscramble32(head) ^ (_key_word(key, 0) & 0xFFFFFFFF)
    day, row = address >> 19, address & 0x7FFFF
    if day >= DAYS or call_uuids(key, day, np.array([row]))[0].decode() != uuid.lower():
        return None
    return day, row


def record_ids(key: bytes, legs: Ints, talk_ms: Ints) -> list[str]:
    """Record ids (32 hexadecimal digits) of talks, by leg id and length in milliseconds."""
    words = np.empty((len(legs), 2), dtype=">u8")
    words[:, 0] = mix64(legs.astype(np.uint64) ^ np.uint64(_key_word(key, 0)))
    words[:, 1] = mix64(
        words[:, 0].astype(np.uint64)
        ^ np.uint64(_key_word(key, 1))
        ^ (talk_ms.astype(np.uint64) << np.uint64(20))
    )
    joined = words.tobytes().hex()
    return [joined[at : at + 32] for at in range(0, len(joined), 32)]


def record_leg(key: bytes, record: str) -> int | None:
    """None when the text cannot be a record id of this key.

    The caller proves the second half: he makes the id again with the talk's length.
    """
    if len(record) != 32:
        return None
    try:
        head = int(record[:16], 16)
    except ValueError:
        return None
    leg = _unmix64(head) ^ _key_word(key, 0)
    return leg if BASE <= leg < BASE + DAYS * DAY_SLOTS else None


def call_refs(key: bytes, day: Days, row: Ints, outgoing: NDArray[np.bool_]) -> Words:
    """ARM call references: 32 bits for incoming rows, 62 to 63 bits for outgoing ones.

    Unique within a day, as far as 32 bits allow.
    """
    spread = np.asarray(day).astype(np.uint64) * np.uint64(0x9E3779B1)
    short = _scramble32((row.astype(np.uint64) + spread) ^ np.uint64(_key_word(key, 1) >> 32))
    long = mix64(leg_id(day, row).astype(np.uint64) ^ np.uint64(_key_word(key, 1)))
    long = (long >> np.uint64(2)) | np.uint64(1 << 61)
    return np.where(outgoing, long, short)


def _key_word(key: bytes, index: int) -> int:
    return int.from_bytes(key[8 * index : 8 * index + 8], "little")


# Both scramblers are chains of steps that can be undone: xor with own high bits, times odd number.
_M32 = 0x7FEB352D, 0x846CA68B
_M64 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _scramble32(value: Words) -> Words:
    mask = np.uint64(0xFFFFFFFF)
    value = value & mask
    value ^= value >> np.uint64(16)
    value = (value * np.uint64(_M32[0])) & mask
    value ^= value >> np.uint64(15)
    value = (value * np.uint64(_M32[1])) & mask
    return value ^ (value >> np.uint64(16))


def _unscramble32(value: int) -> int:
    value = _undo_xor_shift(value, 16, 32)
    value = value * pow(_M32[1], -1, 1 << 32) & 0xFFFFFFFF
    value = _undo_xor_shift(value, 15, 32)
    value = value * pow(_M32[0], -1, 1 << 32) & 0xFFFFFFFF
    return _undo_xor_shift(value, 16, 32)


def mix64(value: Words) -> Words:
    value = value ^ (value >> np.uint64(30))
    value = value * np.uint64(_M64[0])
    value = value ^ (value >> np.uint64(27))
    value = value * np.uint64(_M64[1])
    return value ^ (value >> np.uint64(31))


def _unmix64(value: int) -> int:
    mask = (1 << 64) - 1
    value = _undo_xor_shift(value, 31, 64)
    value = value * pow(_M64[1], -1, 1 << 64) & mask
    value = _undo_xor_shift(value, 27, 64)
    value = value * pow(_M64[0], -1, 1 << 64) & mask
    return _undo_xor_shift(value, 30, 64)


def _undo_xor_shift(value: int, bits: int, width: int) -> int:
    """Undo ``value ^= value >> bits``."""
    result = value
    for _ in range(width // bits):
        result = value ^ (result >> bits)
    return result
