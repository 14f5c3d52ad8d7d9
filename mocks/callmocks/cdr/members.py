"""JSON objects taken apart one level deep; what is not touched keeps its bytes."""

from __future__ import annotations

import msgspec

Members = dict[str, msgspec.Raw]

_shallow = msgspec.json.Decoder(Members)


def split_members(body: bytes | msgspec.Raw) -> Members:
    """The members of a JSON object; empty when it is something else."""
    try:
        return _shallow.decode(body)
    except (ValueError, RecursionError):
        return {}


def join_members(members: Members) -> bytes:
    """The members as a JSON object again."""
    return msgspec.json.encode(members)
