"""Findings of validation, the same for every provider."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from callmocks.contract.quoting import shorten_text

# Of the statement that a message contradicts.
Evidence = Literal["documented", "observed", "assumed"]

# Of one message; the same finding in many rows is one, and counted.
MAX_FINDINGS = 50
_MAX_TEXT_CHARS = 160
_LINE = re.compile(r"line (\d+), column (\d+)")
# What differs from one message to the next: quoted text, ids, times, numbers.
_VARIABLE = re.compile(
    r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|"""
    r"""\d+(?:[-/.:T ]\d+)*|[•…]+"""
)
_MAX_RULE_CHARS = 100


class Finding(msgspec.Struct, frozen=True):
    """``where`` is the provider's kind of path: an XPath, a dotted path, bytes of a frame."""

    where: str
    expected: str
    got: str
    evidence: Evidence = "documented"
    times: int = 1  # in the message; `where` is the first place
    tolerated: bool = False  # the vendor's own example does the same: shown, and not counted
    assumption: str | None = None  # the entry of the ledger that it is about
    id: str = ""  # set when it is reported

    def __str__(self) -> str:
        again = f" ({self.times} times)" if self.times > 1 else ""
        how: str = "tolerated" if self.tolerated else self.evidence
        how = f"{how} {self.assumption}" if self.assumption else how
        return f"{self.where}: expected {self.expected}, got {self.got}{again} [{how}]"

    def with_id(self, provider: str, probe: str, operation: str = "") -> "Finding":
        """``provider/probe/operation/path/rule``, the same for the same deviation in any message.

        Without an ``operation`` it is what stands before the path: ``get.account: result.data``.
        """
        path = self.where
        if not operation:
            operation, colon, rest = path.partition(": ")
            operation, path = (operation, rest) if colon else ("-", path)
        named = (operation, generalize(path).strip("/"))
        place = [re.sub(r"[ (),]+", "-", each).strip("-") for each in named]
        rule = re.sub(r"[^\w*.]+", "-", generalize(self.expected)).strip("-")
        return replace(self, id="/".join((provider, probe, *place, rule[:_MAX_RULE_CHARS])))


class Findings:
    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}
        # Findings beyond `MAX_FINDINGS`.
        self.dropped = 0

    def add(
        self,
        where: str,
        expected: str,
        got: object,
        evidence: Evidence = "documented",
        assumption: str | None = None,
    ) -> None:
        self.add_all([Finding(where, expected, str(got), evidence, assumption=assumption)])

    def tolerate(self, where: str, expected: str, got: str, times: int = 1) -> None:
        self.add_all([Finding(where, expected, got, times=times, tolerated=True)])

    def add_all(self, findings: Iterable[Finding], path_prefix: str = "") -> None:
        for new in findings:
            where = path_prefix + new.where
            key = (generalize(where), generalize(new.expected), new.evidence)
            known = self._found.get(key)
            if known is not None:
                self._found[key] = replace(known, times=known.times + new.times)
            elif len(self._found) >= MAX_FINDINGS:
                self.dropped += 1
            else:
                where, got = _shorten_text(where), _shorten_text(new.got)
                self._found[key] = replace(new, where=where, got=got)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)


class ValidationResult(msgspec.Struct):
    """``operation`` is the command, method or operation, empty when it is unknown."""

    provider: str
    kind: str
    side: Literal["request", "answer"]
    operation: str = ""
    findings: list[Finding] = []

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.tolerated]

    @property
    def title(self) -> str:
        """``SOAP 1.2 request, GetHistoryOfServiceCalls``."""
        return f"{self.kind}, {self.operation}" if self.operation else self.kind


def generalize(text: str) -> str:
    """Indices, counts, ids, times and quoted text as ``*``."""
    return _VARIABLE.sub("*", text)


def mask_characters(text: str) -> str:
    """Digits as 9, letters as x: a contract speaks of the form of names and numbers alone."""
    return "".join("9" if char.isdigit() else "x" if char.isalpha() else char for char in text)


def xml_error_position(document: bytes, error: str) -> str:
    """``byte 118`` of a document that is no XML, from the line and column libxml2 tells."""
    places = _LINE.findall(error)
    if not places:
        return "document"
    line, column = map(int, places[-1])
    before = document.split(b"\n")[: line - 1]
    return f"byte {sum(len(each) + 1 for each in before) + column}"


def _shorten_text(text: str) -> str:
    return shorten_text(text, _MAX_TEXT_CHARS)
