"""Comparing what a client sent with what is right, in a time that tells nothing about either."""

from __future__ import annotations

import hmac


def secrets_equal(given: str, expected: str) -> bool:
    """Whether two texts are equal; how long that takes does not depend on where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
