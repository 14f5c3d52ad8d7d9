"""Lines for a pipe: nothing waits for its reader, and what is dropped is counted and told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from callmocks.control.log_writer import (
    MAX_BYTES,
    MAX_LINES,
    LogWriter,
    describe_dropped_lines_as_json,
)

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def read_lines(pipe: Pipe) -> list[str]:
    """All lines, once the writer has written them: closing its end is the end of the file."""
    reader, _ = pipe
    with os.fdopen(os.dup(reader), encoding="utf-8") as file:
        return file.read().splitlines()


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    with LogWriter(pipe[1]) as log:
        print("one", file=log)
        log.write("two\nthr")
        log.write("ee \udcff\nthe end")
    os.close(pipe[1])
    assert read_lines(pipe) == ["one", "two", "three \\udcff", "the end"]
    assert log.dropped == 0


@pytest.mark.parametrize(("line", "kept"), [("x", MAX_LINES), ("y" * 65_536, MAX_BYTES // 65_537)])
def test_what_does_not_fit_is_dropped_and_told_when_the_pipe_drains(
    pipe: Pipe, line: str, kept: int
) -> None:
    log = LogWriter(pipe[1], describe_dropped_lines_as_json)
    filler = "f" * 200_000  # more than a pipe holds: the thread waits in the middle of it
    print(filler, file=log)
    while log._lines:  # until the thread has taken it
        pass
    for _ in range(kept + 7):
        print(line, file=log)
    assert log.dropped == 7
    log.close()  # does not wait for a reader
    lines: list[str] = []
    with os.fdopen(os.dup(pipe[0]), encoding="utf-8") as file:
        while len(lines) < kept + 2:
            lines.append(file.readline().rstrip())
    assert lines[:2] == [filler, line] and lines[-2] == line
    assert json.loads(lines[-1])["lines"] == 7
    log._thread.join()
    os.close(pipe[1])


def test_a_reader_that_is_gone_ends_nothing(pipe: Pipe) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with LogWriter(writer) as log:
        print("for nobody", file=log)
    assert log.dropped == 1
    os.close(writer)
