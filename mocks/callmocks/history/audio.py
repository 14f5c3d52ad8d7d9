"""The audio behind a record's address: made from the record's key, never stored.

A record is a sequence of notes, each 0.576 s long and one of sixteen, chosen by the key. Every
note takes the same number of bytes, so any range of bytes of any record can be produced without
making what comes before it. The samples are computed with whole numbers alone: the same record
has the same bytes on every machine.
"""

import hashlib
import importlib.util
import math
import struct
from collections.abc import Iterator
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from callmocks.errors import SettingsError

SAMPLE_RATE = 8000  # 16 bits, one channel: what a telephone line carries

# An MP3 frame at 8 kHz (MPEG 2.5, layer III) and 16 kbit/s; it never has padding.
_FRAME_SAMPLES = 576
_FRAME_BYTES = 144
_FRAME_MS = 72
_NOTE_FRAMES = 8
_NOTE_SAMPLES = _NOTE_FRAMES * _FRAME_SAMPLES
# The encoder puts out two frames more than it takes in; the note is silent for those two.
_TONE_SAMPLES = (_NOTE_FRAMES - 2) * _FRAME_SAMPLES
_FADE_SAMPLES = 160
_PITCHES = (330, 370, 392, 440, 494, 523, 587, 659, 698, 784, 880, 988, 1047, 1175, 1319, 1397)
_CHUNK = 64 * 1024
_WAV_HEADER = 44


class Audio(msgspec.Struct, frozen=True):
    """One record as a file; ``etag`` is a strong entity tag with its quotes."""

    content_type: str
    size: int
    etag: str
    _key: bytes
    _header: bytes
    _notes: tuple[bytes, ...]

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes ``start`` … ``stop``-1, cut at the end of the file."""
        return b"".join(self.iter_chunks(start, stop))

    def iter_chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop:
            end = min(start + _CHUNK, stop)
            yield self._read_piece(start, end)
            start = end

    def _read_piece(self, start: int, stop: int) -> bytes:
        head = self._header[start:stop]
        start, stop = max(start - len(self._header), 0), stop - len(self._header)
        if start >= stop:
            return head
        note_bytes = len(self._notes[0])
        first, last = start // note_bytes, (stop - 1) // note_bytes
        body = b"".join(self._notes[self._note_number(note)] for note in range(first, last + 1))
        skip = first * note_bytes
        return head + body[start - skip : stop - skip]

    def _note_number(self, position: int) -> int:
        block = hashlib.blake2b(self._key, digest_size=64, salt=struct.pack("<Q", position // 64))
        return block.digest()[position % 64] % len(_PITCHES)


def make_wav(record_key: bytes, talk_ms: int) -> Audio:
    data = talk_ms * SAMPLE_RATE // 1000 * 2
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", data + _WAV_HEADER - 8, b"WAVE"),
        *(b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16),
        *(b"data", data),
    )
    return _make_audio("audio/wav", record_key, header, data, _encode_wav_notes())


def make_mp3(record_key: bytes, talk_ms: int) -> Audio:
    """16 kbit/s constant, whole frames; ``SettingsError`` without the extra ``audio``."""
    frames = -(-talk_ms // _FRAME_MS)
    return _make_audio("audio/mpeg", record_key, b"", frames * _FRAME_BYTES, _encode_mp3_notes())


def mp3_available() -> bool:
    return importlib.util.find_spec("lameenc") is not None


def _make_audio(mime: str, key: bytes, header: bytes, data: int, notes: tuple[bytes, ...]) -> Audio:
    digest = hashlib.blake2b(key, digest_size=64)
    mark = hashlib.blake2b(key + mime.encode() + data.to_bytes(8), digest_size=8)
    size, etag = len(header) + data, f'"{mark.hexdigest()}"'
    return Audio(mime, size, etag, digest.digest(), header, notes)


@cache
def _encode_wav_notes() -> tuple[bytes, ...]:
    return tuple(_compute_note(pitch).astype("<i2").tobytes() for pitch in _PITCHES)


@cache
def _encode_mp3_notes() -> tuple[bytes, ...]:
    # Each note is a stream of its own, which begins with an empty bit reservoir: a frame may keep
    # part of its data in the frames before it, but never before the first frame of its stream.
    if not mp3_available():
        raise SettingsError("MP3 records need an encoder: the extra audio of callmocks")
    import lameenc

    notes = []
    for pitch in _PITCHES:
        encoder = lameenc.Encoder()
        encoder.silence()
        encoder.set_bit_rate(16)
        encoder.set_in_sample_rate(SAMPLE_RATE)
        encoder.set_channels(1)
        encoder.set_quality(7)
        tone = _compute_note(pitch)[:_TONE_SAMPLES].astype("<i2").tobytes()
        notes.append(bytes(encoder.encode(tone) + encoder.flush()))
    return tuple(notes)


@cache
def _sine_wave() -> NDArray[np.int64]:
    wave = [round(9000 * math.sin(math.tau * i / 256)) for i in range(256)]
    return np.array(wave, dtype=np.int64)


def _compute_note(pitch: int) -> NDArray[np.int64]:
    sample = np.arange(_TONE_SAMPLES, dtype=np.int64)
    phase = sample * (pitch * 65536 // SAMPLE_RATE) >> 8 & 255
    fade = np.minimum(np.minimum(sample, sample[::-1]), _FADE_SAMPLES)
    tone = _sine_wave()[phase] * fade // _FADE_SAMPLES
    return np.concatenate([tone, np.zeros(_NOTE_SAMPLES - _TONE_SAMPLES, dtype=np.int64)])
