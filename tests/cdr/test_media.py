"""Records that play, at the addresses of the vendor's tables."""

from __future__ import annotations

import io
import wave
from datetime import datetime, timedelta
from typing import Any

import pytest

from callmocks.history import audio
from tests.cdr.conftest import CdrClient, rows, simple

Row = dict[str, Any]


@pytest.fixture
def talks(api: CdrClient) -> list[Row]:
    """Operators' legs with a record of their own, each with its communication id."""
    api.tenant()
    fields = ["id", "call_session_id", "call_records", "wav_call_records", "duration", "start_time"]
    legs = rows(api.legs(fields=fields, filter=simple("is_operator", "=", True)))
    sessions = {
        row["id"]: row["communication_id"]
        for row in rows(api.sessions(fields=["id", "communication_id"]))
    }
    found = [leg for leg in legs if len(leg["call_records"]) == 1][:8]
    assert len(found) == 8
    return [leg | {"communication_id": sessions[leg["call_session_id"]]} for leg in found]


def wav_of(leg: Row) -> str:
    return f"/system/media/wav/{leg['communication_id']}/{leg['wav_call_records'][0]}"


def talk_of(leg: Row) -> str:
    return f"/system/media/talk/{leg['communication_id']}/{leg['call_records'][0]}"


@pytest.mark.proves("cdr.media", "cdr.audio")
def test_wav_plays_as_long_as_the_talk(api: CdrClient, talks: list[Row]) -> None:
    for leg in talks:
        response, body = api.fetch("GET", wav_of(leg))
        assert response.status == 200
        assert response.headers["Content-Type"] == "audio/wav"
        with wave.open(io.BytesIO(body)) as file:
            seconds = file.getnframes() / file.getframerate()
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            assert any(file.readframes(8000))
        assert leg["duration"] <= seconds < leg["duration"] + 1


@pytest.mark.proves("cdr.media", "cdr.audio")
@pytest.mark.skipif(not audio.mp3_available(), reason="the extra audio is not installed")
def test_talk_is_mp3_of_the_same_length(api: CdrClient, talks: list[Row]) -> None:
    for leg in talks:
        response, body = api.fetch("GET", talk_of(leg))
        assert response.headers["Content-Type"] == "audio/mpeg"
        assert body[:2] in (b"\xff\xe3", b"\xff\xe2")  # MPEG 2.5, layer III
        frames = len(body) // 144
        assert leg["duration"] <= frames * 0.072 + 0.072
        assert frames * 0.072 < leg["duration"] + 1.2


@pytest.mark.proves("cdr.audio")
def test_without_the_encoder_talk_is_wav(
    api: CdrClient, talks: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "mp3_available", lambda: False)
    response, body = api.fetch("GET", talk_of(talks[0]))
    assert response.headers["Content-Type"] == "audio/wav"
    assert body == api.fetch("GET", wav_of(talks[0]))[1]


def test_the_same_call_has_the_same_bytes_and_others_do_not(
    api: CdrClient, talks: list[Row]
) -> None:
    first = api.fetch("GET", wav_of(talks[0]))[1]
    assert api.fetch("GET", wav_of(talks[0]))[1] == first
    assert len({api.fetch("GET", wav_of(leg))[1][44:] for leg in talks}) == len(talks)


@pytest.mark.proves("cdr.audio")
def test_ranges(api: CdrClient, talks: list[Row]) -> None:
    for path in (wav_of(talks[0]), talk_of(talks[0])):
        _, whole = api.fetch("GET", path)
        for header, start, stop in (
            ("bytes=0-99", 0, 100),
            ("bytes=100-", 100, len(whole)),
            ("bytes=-10", len(whole) - 10, len(whole)),
            (f"bytes=5-{10**9}", 5, len(whole)),
        ):
            response, body = api.fetch("GET", path, Range=header)
            assert response.status == 206
            assert body == whole[start:stop]
            expected = f"bytes {start}-{stop - 1}/{len(whole)}"
            assert response.headers["Content-Range"] == expected
        response, _ = api.fetch("GET", path, Range=f"bytes={len(whole)}-")
        assert response.status == 416
        response, body = api.fetch("HEAD", path)
        assert (response.status, body) == (200, b"")
        assert int(response.headers["Content-Length"]) == len(whole)


@pytest.mark.proves("cdr.media-number")
def test_either_number_and_a_slash_at_the_end(api: CdrClient, talks: list[Row]) -> None:
    leg = talks[0]
    for kind, field in (("talk", "call_records"), ("wav", "wav_call_records")):
        record = leg[field][0]
        for call in (leg["call_session_id"], leg["communication_id"]):
            for end in ("", "/"):
                response, _ = api.fetch("HEAD", f"/system/media/{kind}/{call}/{record}{end}")
                assert response.status == 200


def test_wrong_ids_are_404(api: CdrClient, talks: list[Row]) -> None:
    leg, other = talks[0], talks[1]
    record, wav = leg["call_records"][0], leg["wav_call_records"][0]
    last = "1" if record[-1] == "0" else "0"
    for path in (
        f"/system/media/talk/{other['call_session_id']}/{record}",
        f"/system/media/wav/{other['communication_id']}/{wav}",
        f"/system/media/wav/{leg['communication_id']}/{record}",
        f"/system/media/talk/{leg['communication_id']}/{wav}",
        f"/{other['communication_id']}/{record}",
        f"/{leg['communication_id']}/{wav}",
        f"/{leg['communication_id']}",
        f"/system/media/talk/0{leg['call_session_id']}/{record}",
        f"/system/media/talk/{leg['id']}/{record}",
        f"/system/media/talk/{leg['call_session_id']}/{record[:-1]}{last}",
        f"/system/media/talk/{leg['call_session_id']}/{record[:-1]}",
        f"/system/media/talk/{leg['call_session_id']}/nonsense",
        f"/system/media/talk/x/{record}",
        f"/system/media/mp4/{leg['call_session_id']}/{record}",
    ):
        response, _ = api.fetch("GET", path)
        assert response.status == 404, path


def test_a_record_is_there_when_the_call_has_ended(api: CdrClient, talks: list[Row]) -> None:
    leg = talks[3]
    tenant = api.registry.get("t")
    assert tenant is not None
    start = datetime.strptime(leg["start_time"], "%Y-%m-%d %H:%M:%S")
    tenant.clock.freeze(start + timedelta(seconds=1))
    assert api.fetch("GET", wav_of(leg))[0].status == 404
    tenant.clock.freeze(start + timedelta(hours=2))
    assert api.fetch("GET", wav_of(leg))[0].status == 200


@pytest.mark.proves("cdr.full-record")
def test_the_full_record_link_of_a_session_plays(api: CdrClient, talks: list[Row]) -> None:
    wanted = simple("id", "in", [leg["call_session_id"] for leg in talks])
    fields = ["full_record_file_link", "communication_id", "call_records"]
    for session in rows(api.sessions(fields=fields, filter=wanted)):
        link = session["full_record_file_link"]
        record = session["call_records"][0]
        assert link == f"{api.root}/{session['communication_id']}/{record}"
        for end in ("", "/"):
            assert api.fetch("HEAD", link.removeprefix(api.root) + end)[0].status == 200


def test_records_of_another_seed_are_404(api: CdrClient, talks: list[Row]) -> None:
    api.registry.delete("t")
    api.tenant(seed=43)
    assert api.fetch("GET", wav_of(talks[0]))[0].status == 404


def test_each_of_several_records_has_its_own_talk(api: CdrClient) -> None:
    api.tenant()
    fields = ["call_session_id", "call_records", "wav_call_records"]
    legs = rows(api.legs(fields=fields, filter=simple("is_operator", "=", False)))
    two = next(leg for leg in legs if len(leg["call_records"]) == 2)
    session = simple("call_session_id", "=", two["call_session_id"])
    own = rows(api.legs(fields=[*fields, "duration", "is_operator"], filter=session))
    durations = {
        leg["wav_call_records"][0]: leg["duration"]
        for leg in own
        if leg["is_operator"] and leg["call_records"]
    }
    assert set(durations) == set(two["wav_call_records"])
    for record, duration in durations.items():
        path = f"/system/media/wav/{two['call_session_id']}/{record}"
        with wave.open(io.BytesIO(api.fetch("GET", path)[1])) as file:
            assert duration <= file.getnframes() / 8000 < duration + 1


@pytest.mark.proves("cdr.full-record")
def test_the_full_record_holds_the_pause_between_two_talks(
    api: CdrClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "mp3_available", lambda: False)
    api.tenant()
    fields = ["full_record_file_link", "talk_duration", "clean_talk_duration", "call_records"]
    pauses = [
        row
        for row in rows(api.sessions(fields=fields))
        if len(row["call_records"]) == 2 and row["talk_duration"] > row["clean_talk_duration"]
    ]
    for row in pauses[:3]:
        path = row["full_record_file_link"].removeprefix(api.root)
        with wave.open(io.BytesIO(api.fetch("GET", path)[1])) as file:
            seconds = file.getnframes() / file.getframerate()
        assert row["talk_duration"] <= seconds < row["talk_duration"] + 1
    assert pauses


@pytest.mark.proves("cdr.wav-records")
def test_wav_records_can_be_empty(api: CdrClient) -> None:
    tenant = api.tenant()
    assert any(row["wav_call_records"] for row in rows(api.legs()))
    tenant.assumptions.set_choice("cdr.wav-records", "empty")
    for answer in (api.legs(), api.legs(fields=["wav_call_records"]), api.sessions()):
        assert all(row["wav_call_records"] == [] for row in rows(answer))
    assert any(row["call_records"] for row in rows(api.legs()))
