"""The answer frame of the workplace, as far as faults cut it up.

::

    "01"  LLLLLLLLLL  IIII  SSS  JSON
    0     2           12    16   19        L: bytes of the whole frame, header included
"""

from __future__ import annotations

from dataclasses import replace

from callmocks.tenants.exchange import Reply

HEADER_BYTES = 19


def get_body(reply: Reply) -> bytes:
    """The JSON part."""
    return reply.body[HEADER_BYTES:]


def replace_body(reply: Reply, body: bytes) -> Reply:
    """The same frame around another JSON part, its length right again."""
    length = b"%010d" % (HEADER_BYTES + len(body))
    return replace(reply, body=reply.body[:2] + length + reply.body[12:HEADER_BYTES] + body)


def replace_length(reply: Reply, length: int) -> Reply:
    """A frame that declares another length."""
    return replace(reply, body=reply.body[:2] + b"%010d" % length + reply.body[12:])


def replace_id(reply: Reply, number: str) -> Reply:
    """A frame that answers another request."""
    return replace(reply, body=reply.body[:12] + number.encode() + reply.body[16:])


def replace_status(reply: Reply, status: int) -> Reply:
    """A frame with another status."""
    body = reply.body[:16] + b"%03d" % status + reply.body[HEADER_BYTES:]
    return replace(reply, body=body, status=status)
