"""Writing frames of a view as JSON lines, CSV or Parquet."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from callmocks.errors import SettingsError

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_TIME = "%Y-%m-%d %H:%M:%S"


def choose_format(chosen: str | None, output: str | None) -> str:
    """The format asked for, else the one that the file's name ends with, else JSON lines."""
    return chosen or _SUFFIXES.get(Path(output or "").suffix.lower(), "jsonl")


def write_frames(frames: Iterable[pl.DataFrame], file_format: str, output: str | None) -> int:
    """Write all frames as one data set to a file, or to stdout when there is none.

    Returns the number of rows. A file appears when it is whole.
    """
    if file_format == "parquet" and output is None and sys.stdout.isatty():
        raise SettingsError("--format: parquet is not for terminals; use --output")
    with _open_output(output) as file:
        if file_format == "parquet":
            return _write_parquet(frames, file)
        rows = 0
        for number, frame in enumerate(frames):
            file.write(
                _encode_json_lines(frame)
                if file_format == "jsonl"
                else _encode_csv(frame, header=not number)
            )
            rows += frame.height
        return rows


@contextmanager
def _open_output(output: str | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    whole = path.is_file() or not path.exists()  # a device or a pipe is written to as it is
    part = path.with_name(path.name + ".part") if whole else path
    try:
        with part.open("wb") as file:
            yield file
        if whole:
            part.replace(path)
    except OSError as error:
        raise SettingsError(f"--output: {output}: {error.strerror}") from None
    finally:
        if whole:
            part.unlink(missing_ok=True)


def _write_parquet(frames: Iterable[pl.DataFrame], file: BinaryIO) -> int:
    """Stream frames of one schema; what differs from day to day (truth) is put together first."""
    rest = iter(frames)
    first = next(rest)
    if not first.columns or any(
        kind.is_nested() and kind != pl.List(pl.String) for kind in first.dtypes
    ):
        whole = pl.concat([first, *rest], how="vertical_relaxed")
        whole.write_parquet(file)
        return whole.height
    rows = 0

    def read_batches(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        nonlocal rows
        for frame in chain([first], rest):
            rows += frame.height
            yield frame

    try:
        register_io_source(read_batches, schema=first.schema).sink_parquet(file)
    except pl.exceptions.ComputeError as error:  # a full disk, a closed pipe
        raise SettingsError(f"--output: {error}") from None
    return rows


def _encode_json_lines(frame: pl.DataFrame) -> bytes:
    text: str = _format_times(frame).write_ndjson()
    return text.encode()


def _encode_csv(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Rows of CSV; columns that hold more than one value are JSON."""
    plain = _format_times(frame)
    nested = [name for name, kind in plain.schema.items() if kind.is_nested()]
    text = plain.with_columns(
        pl.Series(name, [json.dumps(value, ensure_ascii=False) for value in plain[name].to_list()])
        for name in nested
    )
    buffer = io.BytesIO()
    text.write_csv(buffer, include_header=header)
    return buffer.getvalue()


def _format_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as the text that CDR shows."""
    return frame.with_columns(pl.col(pl.Datetime).dt.strftime(_TIME))
