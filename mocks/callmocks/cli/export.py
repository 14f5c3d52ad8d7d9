"""Writing frames of a view as JSON lines, CSV or Parquet."""

import codecs
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


def choose_format(given: str | None, output: str | None, bom: bool) -> str:
    """By the ending of the file's name when none is given; ``SettingsError`` for an unknown one."""
    suffix = Path(output or "").suffix
    if given is None and suffix and suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        text = f"{suffix} is none of {known}; --format says what it is"
        raise SettingsError(f"--output: {output}: {text}")
    file_format = given or _SUFFIXES.get(suffix.lower(), "jsonl")
    if bom and file_format != "csv":
        raise SettingsError(f"--bom: is for csv, not for {file_format}")
    return file_format


def write_frames(
    frames: Iterable[pl.DataFrame], file_format: str, output: str | None, bom: bool
) -> None:
    """Write all frames as one data set to a file, which appears when it is complete, or stdout."""
    if file_format == "parquet" and output is None and sys.stdout.isatty():
        raise SettingsError("--format: parquet is not for terminals; use --output")
    with _open_output(output) as file:
        if file_format == "parquet":
            _write_parquet(frames, file)
            return
        if bom:
            file.write(codecs.BOM_UTF8)
        for number, frame in enumerate(frames):
            shown = frame.with_columns(pl.col(pl.Datetime).dt.strftime(_TIME))
            is_csv = file_format == "csv"
            lines = _encode_csv(shown, not number) if is_csv else shown.write_ndjson().encode()
            file.write(lines)


@contextmanager
def _open_output(output: str | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    is_regular = path.is_file() or not path.exists()  # a device or a pipe is written directly
    part = path.with_name(path.name + ".part") if is_regular else path
    try:
        with part.open("wb") as file:
            yield file
        if is_regular:
            part.replace(path)
    except OSError as error:
        raise SettingsError(f"--output: {output}: {error.strerror}") from None
    finally:
        if is_regular:
            part.unlink(missing_ok=True)


def _write_parquet(frames: Iterable[pl.DataFrame], file: BinaryIO) -> None:
    """Stream frames of one schema; where it differs between days (truth), concatenate first."""
    rest = iter(frames)
    first = next(rest)
    if not first.columns or any(
        dtype.is_nested() and dtype != pl.List(pl.String) for dtype in first.dtypes
    ):
        pl.concat([first, *rest], how="vertical_relaxed").write_parquet(file)
        return
    try:
        source = register_io_source(lambda *_: chain([first], rest), schema=first.schema)
        source.sink_parquet(file)
    except pl.exceptions.ComputeError as error:  # a full disk, a closed pipe
        raise SettingsError(f"--output: {error}") from None


def _encode_csv(frame: pl.DataFrame, header: bool) -> bytes:
    """Columns that hold more than one value are JSON."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    flat = frame.with_columns(
        pl.Series(name, [json.dumps(value, ensure_ascii=False) for value in frame[name].to_list()])
        for name in nested
    )
    buffer = io.BytesIO()
    flat.write_csv(buffer, include_header=header)
    return buffer.getvalue()
