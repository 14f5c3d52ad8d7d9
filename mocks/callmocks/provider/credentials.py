"""Credentials that a client sends: reading and comparing them."""

import hmac
from base64 import b64decode
from functools import lru_cache
from typing import NamedTuple


class BasicCredentials(NamedTuple):
    user: str
    password: str


@lru_cache(maxsize=256)
def decode_basic(header: str) -> BasicCredentials | None:
    """Of a header ``Authorization: Basic …``; None when it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:  # bytes that are not UTF-8 become surrogates, which no user and no password has
        text = b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return None
    user, _, password = text.partition(":")
    return BasicCredentials(user, password)


def secrets_equal(given: str, expected: str) -> bool:
    # The time does not depend on where they differ.
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
