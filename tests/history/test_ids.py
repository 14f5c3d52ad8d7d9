"""Ids are addresses, and no id of one kind is taken for another's."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from callmocks.history import ids
from callmocks.history.walltime import DAYS

days = st.integers(0, DAYS - 1)
keys = st.binary(min_size=16, max_size=16)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def one(value: int) -> NDArray[np.int64]:
    return np.array([value])


@given(days, st.integers(0, ids.SESSION_SLOTS - 1))
def test_session_and_communication_ids_lead_back(day: int, row: int) -> None:
    session = int(ids.session_id(day, one(row))[0])
    assert ids.session_address(session) == (day, row)
    assert ids.leg_address(session) is None
    assert 9 <= len(str(session)) <= 10
    communication = int(ids.communication_id(day, one(row))[0])
    assert ids.communication_address(communication) == (day, row)


@given(days, st.integers(0, ids.DAY_SLOTS - ids.SESSION_SLOTS - 1))
def test_leg_ids_lead_back_and_are_no_sessions(day: int, row: int) -> None:
    leg = int(ids.leg_id(day, one(row))[0])
    assert ids.leg_address(leg) == (day, row)
    assert ids.session_address(leg) is None
    assert 9 <= len(str(leg)) <= 10


@given(keys, keys, days, st.integers(0, ids.SESSION_SLOTS - 1))
def test_call_ids_are_uuids_that_only_their_history_reads(
    key: bytes, other: bytes, day: int, row: int
) -> None:
    uuid = ids.call_uuids(key, day, one(row))[0].decode()
    assert UUID.fullmatch(uuid)
    assert ids.call_uuid_address(key, uuid) == (day, row)
    assert ids.call_uuid_address(key, uuid.upper()) == (day, row)
    changed = uuid[:-1] + ("0" if uuid[-1] != "0" else "1")
    assert ids.call_uuid_address(key, changed) is None
    if other != key:
        assert ids.call_uuid_address(other, uuid) is None


@given(keys, days, st.integers(0, 900_000), st.integers(0, 20_000_000))
def test_record_ids_hold_their_leg(key: bytes, day: int, row: int, talk: int) -> None:
    leg = int(ids.leg_id(day, one(row))[0])
    record = ids.record_ids(key, one(leg), one(talk))[0]
    assert re.fullmatch(r"[0-9a-f]{32}", record)
    assert ids.record_leg(key, record) == leg
    assert ids.record_ids(key, one(leg), one(talk + 1))[0] != record


@given(keys, st.text(max_size=40))
def test_any_text_is_no_id_and_no_crash(key: bytes, text: str) -> None:
    assert ids.call_uuid_address(key, text) is None
    ids.record_leg(key, text)


def test_call_refs_are_unique_in_a_day_and_sized_as_documented() -> None:
    rows = np.arange(200_000)
    refs = ids.call_refs(bytes(range(16)), 4000, rows, rows % 3 == 0)
    assert len(set(refs.tolist())) == len(rows)
    assert all(ref.bit_length() in (62, 63) for ref in refs[rows % 3 == 0].tolist())
    assert all(ref.bit_length() <= 32 for ref in refs[rows % 3 != 0].tolist())
