"""Records as files: read by the standard library's wave, by an MP3 frame walk, and by ranges."""

import io
import itertools
import struct
import wave
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.history.audio import Audio, make_mp3, make_wav
from callmocks.provider import media

KEY = bytes(range(16))
HOUR_MS = 3_600_000


@pytest.mark.parametrize("talk_ms", [0, 1, 999, 1000, 4_321, 61_007])
def test_a_wav_record_plays_as_long_as_the_talk(talk_ms: int) -> None:
    with wave.open(io.BytesIO(make_wav(KEY, talk_ms).read())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.getnframes() == talk_ms * 8
        assert len(file.readframes(file.getnframes())) == talk_ms * 16


def test_a_record_is_audible_and_not_clipped() -> None:
    with wave.open(io.BytesIO(make_wav(KEY, 5000).read())) as file:
        samples = struct.unpack("<40000h", file.readframes(40000))
    assert 5000 < max(samples) < 32000
    crossings = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert 5 * 200 < crossings < 5 * 1500  # tones of a telephone line, not silence, not noise


def test_records_differ_by_key_and_repeat() -> None:
    assert make_wav(KEY, 20_000).read() == make_wav(KEY, 20_000).read()
    assert make_wav(KEY, 20_000).read() != make_wav(KEY[::-1], 20_000).read()
    assert make_wav(KEY, 20_000).etag != make_wav(KEY[::-1], 20_000).etag


@pytest.mark.parametrize("talk_ms", [1, 72, 73, 5_000, 61_007])
def test_an_mp3_record_is_whole_frames_of_the_length_of_the_talk(talk_ms: int) -> None:
    pytest.importorskip("lameenc", reason="the extra 'audio' is not installed")
    data = make_mp3(KEY, talk_ms).read()
    place = frames = 0
    while place < len(data):
        head = int.from_bytes(data[place : place + 4])
        assert head >> 19 == 0b1111_1111_111_00  # sync, MPEG 2.5
        assert (head >> 17 & 3, head >> 10 & 3) == (1, 2)  # layer III, 8 kHz
        place += 72 * 16_000 // 8000 + (head >> 9 & 1)
        frames += 1
    assert place == len(data)
    assert 0 <= frames * 72 - talk_ms < 72


@settings(max_examples=60, deadline=None)
@given(st.integers(0, HOUR_MS * 16 + 50), st.integers(0, 200_000), st.booleans())
def test_any_range_is_the_same_bytes_as_the_whole(start: int, length: int, as_mp3: bool) -> None:
    record, whole = _hour(as_mp3)
    start = min(start, len(whole))
    assert record.read(start, start + length) == whole[start : start + length]


_HOURS: dict[bool, tuple[Audio, bytes]] = {}


def _hour(as_mp3: bool) -> tuple[Audio, bytes]:
    if as_mp3 not in _HOURS:
        record = make_mp3(KEY, HOUR_MS) if as_mp3 else make_wav(KEY, HOUR_MS)
        _HOURS[as_mp3] = record, record.read()
    return _HOURS[as_mp3]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await media.send_audio(request, make_wav(KEY, 10_000))

    app = web.Application()
    app.router.add_get("/r", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/r"
    await runner.cleanup()


SIZE = 10_000 * 16 + 44


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        (None, 200, 0, SIZE),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=44-", 206, 44, SIZE),
        ("bytes=-100", 206, SIZE - 100, SIZE),
        (f"bytes=-{SIZE * 2}", 206, 0, SIZE),
        (f"bytes=100-{SIZE * 2}", 206, 100, SIZE),
        (f"bytes={SIZE - 1}-", 206, SIZE - 1, SIZE),
        (f"bytes={SIZE}-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-3", 200, 0, SIZE),
        ("bytes=-", 200, 0, SIZE),
        ("bytes=0-1,5-6", 200, 0, SIZE),
        ("lines=0-1", 200, 0, SIZE),
        ("bytes=" + "9" * 5000 + "-", 200, 0, SIZE),
    ],
)
async def test_ranges(address: str, asked: str | None, status: int, start: int, stop: int) -> None:
    async with (
        ClientSession() as client,
        client.get(address, headers={"Range": asked} if asked else {}) as answer,
    ):
        body = await answer.read()
    assert answer.status == status
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert body == make_wav(KEY, 10_000).read()[start:stop]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


async def test_head_tells_the_size_and_keeps_the_connection_usable(address: str) -> None:
    async with ClientSession() as client:
        async with client.head(address, headers={"Range": "bytes=0-1"}) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
            assert answer.headers["Content-Type"] == "audio/wav"
        async with client.get(address) as answer:
            assert len(await answer.read()) == SIZE


async def test_a_range_of_another_version_is_answered_whole(address: str) -> None:
    async with ClientSession() as client:
        headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
        async with client.get(address, headers=headers) as answer:
            assert answer.status == 200
        headers["If-Range"] = answer.headers["ETag"]
        async with client.get(address, headers=headers) as answer:
            assert answer.status == 206
