"""Validation by XSD in a time that grows with the length of a document, however wrong it is.

Of a tree, libxml2 tells each error with the path of its element, for which all siblings before it
are counted. Of a text it tells errors without paths: a tree that is not small is written as one.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple

from lxml import etree

from callmocks.contract.xml import make_parser

_SMALL_ELEMENTS: Final = 300


class XsdViolation(NamedTuple):
    element: etree._Element
    message: str  # libxml2's


class XsdValidator:
    def __init__(self, schema: etree.XMLSchema) -> None:
        self.schema = schema

    def is_valid(self, root: etree._Element) -> bool:
        if is_small(root):
            return self.schema.validate(root)
        return not _ViolationCollector(self.schema, 1).collect(_write_document(root))

    def find_violations(self, root: etree._Element, most: int) -> list[XsdViolation]:
        """The first of them. ``root`` has neither comments nor processing instructions."""
        if is_small(root) and self.schema.validate(root):
            return []
        document = _write_document(root)
        # This takes a tenth of the time, and the collector ends with the last violation.
        count = self._count_violations(document)
        if not count:
            return []
        found = _ViolationCollector(self.schema, min(count, most)).collect(document)
        elements = list(islice(root.iter(), max((n for n, _ in found), default=-1) + 1))
        return [XsdViolation(elements[number], message) for number, message in found]

    def _count_violations(self, document: bytes) -> int:
        parser: Any = make_parser(schema=self.schema, huge_tree=True)
        with suppress(etree.XMLSyntaxError):
            etree.fromstring(document, parser)
        return sum(1 for entry in parser.error_log if _is_violation(entry))


def _write_document(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", with_tail=False)


def _is_violation(entry: Any) -> bool:
    return bool(entry.domain == etree.ErrorDomains.SCHEMASV)


def is_small(root: etree._Element) -> bool:
    return next(islice(root.iter(), _SMALL_ELEMENTS, None), None) is None


class _ViolationCollector:
    """An lxml parser target; elements are numbered in the order of the document."""

    def __init__(self, schema: etree.XMLSchema, most: int) -> None:
        # A value may be as long as the document.
        self._parser: Any = make_parser(target=self, schema=schema, huge_tree=True)
        self._most = most
        self._found: dict[tuple[int, str], None] = {}
        self._told = 0
        self._log_length = 0
        self._open: list[tuple[int, str]] = [(0, "")]
        self._latest = self._open[0]
        self._count = 0

    def collect(self, document: bytes) -> list[tuple[int, str]]:
        with suppress(_EnoughFound, etree.XMLSyntaxError):
            etree.fromstring(document, self._parser)
        del self._parser  # which refers to its target
        return list(self._found)[: self._most]

    def start(self, tag: str, attributes: object) -> None:
        self._read_log()
        self._latest = (self._count, tag)
        self._open.append(self._latest)
        self._count += 1

    def end(self, tag: str) -> None:
        self._read_log()
        self._latest = self._open.pop()

    def close(self) -> None:
        self._read_log()

    def _read_log(self) -> None:
        """What was told since the latest element began or ended is about it or its parent."""
        log = self._parser.error_log
        if len(log) == self._log_length:
            return
        number, tag = self._latest
        has_begun = self._open[-1] == self._latest
        parent, _ = self._open[-2 if has_begun else -1]
        for entry in islice(log, self._log_length, None):
            if _is_violation(entry):
                is_about_it = entry.message.startswith(f"Element '{tag}'")
                # A text that is forbidden is told of with each of its pieces.
                self._found[number if is_about_it else parent, entry.message] = None
                self._told += 1
        self._log_length = len(log)
        if self._told >= self._most:
            raise _EnoughFound


class _EnoughFound(Exception):
    pass
