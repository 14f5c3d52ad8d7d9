"""Requests of the usual shape, validated without their XSD.

What is accepted here is valid, with the same attributes. Of anything else the XSD decides.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

import msgspec

from callmocks.arm import schema

_STRUCT = {"name": "_name", "attributes": "_attributes", "content": "_content"}
# By the type of an attribute; an empty value is not always a value.
_PATTERNS = {
    "xs:string": r"[^\x00-\x1f\ud800-\udfff\ufffe\uffff]+",
    "xs:integer": r"[+-]?[0-9]{1,18}",
    "xs:boolean": "true|false|1|0",
}


class _Filters(msgspec.Struct, rename=_STRUCT, forbid_unknown_fields=True):
    name: Literal["filters"]
    attributes: dict[str, str]


class _Request(msgspec.Struct, rename=_STRUCT, forbid_unknown_fields=True):
    name: Literal["request"]
    content: tuple[_Filters]


class _Input(msgspec.Struct, rename=_STRUCT, forbid_unknown_fields=True):
    name: Literal["in"]
    content: tuple[_Request]


_decoder = msgspec.json.Decoder(tuple[_Input])


class _FilterPatterns(NamedTuple):
    patterns: Mapping[str, re.Pattern[str]]
    required: frozenset[str]


def read_filters(body: bytes, contract: str) -> dict[str, str] | None:
    """The attributes of a request's JSON; None where the XSD is to be asked."""
    try:
        filters = _decoder.decode(body)[0].content[0].content[0].attributes
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    patterns, required = _load_patterns(contract)
    for name, value in filters.items():
        pattern = patterns.get(name)
        if pattern is None or not pattern.fullmatch(value):
            return None
    return filters if filters.keys() >= required else None


@cache
def _load_patterns(contract: str) -> _FilterPatterns:
    declared = schema.load_filter_types(contract)
    patterns = {
        each.name: re.compile(_PATTERNS.get(each.type) or "|".join(map(re.escape, each.choices)))
        for each in declared
    }
    return _FilterPatterns(patterns, frozenset(each.name for each in declared if each.required))
