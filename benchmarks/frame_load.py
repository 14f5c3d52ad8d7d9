"""Load of the workplace's websocket: one frame in flight on each of some connections.

usage: python -m benchmarks.frame_load PORT PATH FILE SECONDS CONNECTIONS [HEADER …]

``FILE`` holds the messages to send in turn, as a JSON array of strings. Sockets are read raw: only
lengths are looked at, so that this client needs less of its core than the server of its own.
Prints one line of JSON.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

_MAX_SECONDS = 120
_BUFFER = 256 * 1024
_TEXT = 1


class _FrameConnection:
    """A websocket that asks one thing after another."""

    def __init__(self, port: int, path: str, headers: list[str], frames: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = frames
        self._left = 0
        self._head = b""
        self._sent = 0.0
        self._upgrade(port, path, headers)
        self.socket.setblocking(False)

    def _upgrade(self, port: int, path: str, headers: list[str]) -> None:
        key = base64.b64encode(b"0123456789abcdef").decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(1)  # byte by byte: what follows is a frame already
            if len(answer) > 10_000:
                raise SystemExit("the upgrade has no end")
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise SystemExit(f"no websocket: {answer.splitlines()[0]!r}")

    def send_next(self) -> None:
        frame = next(self._frames)
        self._sent = time.perf_counter()
        self.socket.send(frame)

    def read_response(self, buffer: memoryview) -> float | None:
        """Take what has come; the seconds since the question when the answer is whole."""
        size = self.socket.recv_into(buffer)
        if not size:
            raise SystemExit("the server closed the connection")
        if self._left:
            self._left -= size
        else:
            self._head += bytes(buffer[: min(size, 10)])
            self._left = _frame_length(self._head) - size
            self._head = b""
        return None if self._left else time.perf_counter() - self._sent


def _encode_text_frame(message: bytes) -> bytes:
    """A text frame; the mask is zero, so the bytes stay as they are."""
    size = len(message)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | _TEXT]) + length + bytes(4) + message


def _frame_length(head: bytes) -> int:
    short = head[1] & 0x7F
    if short < 126:
        return 2 + short
    if short == 126:
        return 4 + int.from_bytes(head[2:4], "big")
    return 10 + int.from_bytes(head[2:10], "big")


def main(arguments: list[str]) -> None:
    port, path, file, seconds, connections, *headers = arguments
    messages = json.loads(Path(file).read_text(encoding="utf-8"))
    frames = cycle([_encode_text_frame(message.encode()) for message in messages])
    selector = selectors.DefaultSelector()
    made = [_FrameConnection(int(port), path, headers, frames) for _ in range(int(connections))]
    for connection in made:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    times: list[float] = []
    buffer = memoryview(bytearray(_BUFFER))
    begun = time.perf_counter()
    until = begun + min(float(seconds), _MAX_SECONDS)
    for connection in made:
        connection.send_next()
    while time.perf_counter() < until:
        for key, _ in selector.select(timeout=5):
            taken = key.data.read_response(buffer)
            if taken is not None:
                times.append(taken)
                key.data.send_next()
    spent = time.perf_counter() - begun
    times.sort()
    count = len(times)
    if not count:
        raise SystemExit("no answer came")
    print(
        json.dumps(
            {
                "requests": count,
                "seconds": spent,
                "p50": times[count // 2],
                "p99": times[min(count * 99 // 100, count - 1)],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
