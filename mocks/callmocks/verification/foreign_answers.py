"""Whose an answer positively is, by its bytes: a check of a wrong address is no check."""

import re

WEB_PAGE = "web page"
HTTP_LOGIN = "demand for HTTP credentials"
_HEAD_BYTES = 4096
_PATTERNS = {
    WEB_PAGE: re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S),
    "1C": re.compile(
        rb"\s*(?:<\?xml[^>]*>\s*)?<(?:[\w.-]+:)?Envelope\b[^>]*"
        rb"(?:schemas\.xmlsoap\.org/soap|www\.w3\.org/2003/05/soap)-?/?envelope"
    ),
    "CDR": re.compile(rb'\s*\{(?=[^{}]*"jsonrpc"\s*:)(?=.*"error"\s*:\s*\{)', re.S),
    "ARM": re.compile(
        rb'\s*(?:<\?xml[^>]*>\s*)?<out\b[^>]*>\s*<error\b|\s*\[\s*\{\s*"_name"\s*:\s*"out"', re.S
    ),
}


def identify_answer(body: bytes) -> str:
    """The title of a provider, ``web page``, or ``""``."""
    head = body[:_HEAD_BYTES]
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(head)), "")
