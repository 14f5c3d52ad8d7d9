"""Entries of a journal that contain a text."""

import re

from callmocks.tenants.journal import JournalRecord, TruncatedBody

_ESCAPED = re.compile(r"\\u([\da-fA-F]{4})")


class TextMatcher:
    """Upper and lower case are the same; of a body, what is kept is searched."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self._bytes = self._text.encode("utf-8", "replace")

    def matches(self, record: JournalRecord) -> bool:
        bodies = (record.head, record.request, record.response)
        return (
            any(self._text in text.lower() for text in self._list_texts(record))
            or any(map(self._is_in_body, bodies))
            or self._text in record.request_summary.lower()
            or self._text in str(record.response_summary).lower()
        )

    def _list_texts(self, record: JournalRecord) -> list[str]:
        return [
            *(record.operation, record.transmission.ended),
            *record.assumptions,
            *record.faults,
            *record.notes,
            *(f"{each.where} {each.expected} {each.got}" for each in record.violations),
        ]

    def _is_in_body(self, body: bytes | TruncatedBody) -> bool:
        data = body.data if isinstance(body, TruncatedBody) else body
        if self._text.isascii():
            return self._bytes in data.lower()
        text = data.decode("utf-8", "replace")
        if "\\u" in text:  # JSON may spell its letters so
            text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
        return self._text in text.lower()
