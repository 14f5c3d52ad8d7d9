"""Bodies and queries of requests to control, from bytes to structs; ``ProblemError`` says where."""

from typing import Any

import msgspec
from aiohttp import web

from callmocks.config.validation import (
    Misfit,
    convert_document,
    find_missing_key,
    find_unknown_key,
    format_key,
    read_json,
)
from callmocks.contract.garbage import paused_collection
from callmocks.contract.json_values import has_fewer_values, measure_json
from callmocks.contract.quoting import shorten_text
from callmocks.control.problems import ProblemError

MAX_BODY_BYTES = 8 * 1024 * 1024
# While JSON is decoded no other thread runs: 0.1 s for these.
MAX_VALUES = 600_000
MAX_MEMBERS = 100_000
"""Of one object; the largest in use has a member for each day of a history."""


def decode_body(raw: bytes, model: type[msgspec.Struct]) -> Any:
    _check_size(raw)
    try:
        with paused_collection():
            return convert_document(read_json(raw), model)
    except Misfit as misfit:
        raise _describe_misfit(misfit, "$") from None
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from None


def _check_size(raw: bytes) -> None:
    if has_fewer_values(raw, MAX_MEMBERS):
        return
    size = measure_json(raw, MAX_VALUES)
    if size.values > MAX_VALUES:
        raise ProblemError(422, f"the body has more than {MAX_VALUES} values", where="$")
    if size.members > MAX_MEMBERS:
        text = f"an object of the body has more than {MAX_MEMBERS} members"
        raise ProblemError(422, text, where="$")


def read_query(request: web.Request, model: type[msgspec.Struct]) -> Any:
    raw: dict[str, str] = {}
    for name, value in request.query.items():
        if name in raw:
            raise ProblemError(422, f"{name} is given twice", where=name)
        raw[name] = value
    try:
        return convert_document(raw, model, strict=False)
    except Misfit as misfit:
        raise _describe_misfit(misfit, find_missing_key(misfit.reason)) from None


def _describe_misfit(misfit: Misfit, whole: str = "") -> ProblemError:
    """``whole`` is the place of what has none within."""
    path, reason = misfit.path, misfit.reason
    unknown, _ = find_unknown_key(reason)
    where = f"{path or '$'}{format_key(unknown)}" if unknown else path or whole
    return ProblemError(422, f"{shorten_text(path)}: {reason}" if path else reason, where=where)
