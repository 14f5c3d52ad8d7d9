"""The shape of answers: members with their order, kinds of values, enumerations; no value itself.

A side of a comparison is the sum of the shapes of its answers. What a row holds depends on the
call, so that these are no differences: a value that some rows lack, a rare member.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import log
from typing import NamedTuple

from callmocks.contract.findings import mask_characters
from callmocks.provider.harmless import FieldRule, has_form

ABSENT, NULL = "no member", "null"
EMPTY_TEXT, EMPTY_LIST, EMPTY_OBJECT = "an empty text", "an empty list", "an empty object"
EMPTY_DATE = "an empty date"
EMPTY_FORMS = frozenset({ABSENT, NULL, EMPTY_TEXT, EMPTY_LIST, EMPTY_OBJECT, EMPTY_DATE})
WORD = "a value of an enumeration"
ACCIDENT = -20.0  # logarithm of a chance that is none
_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d\b.*")


class ShapeDifference(NamedTuple):
    where: str
    expected: str
    got: str


@dataclass
class Shape:
    """``rows`` is None of an answer that is none of rows; ``outcome`` says what it is, and
    ``outcome_path`` where that stands.

    Members are by the path of their parent: each sequence of names, and how often it was seen.
    """

    separator: str = "."
    outcome: str = ""
    outcome_path: str = "answer"
    rows: int | None = None
    members: dict[str, Counter[tuple[str, ...]]] = field(default_factory=dict)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    words: dict[str, set[str]] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)  # what the request alone decides

    def add_members(self, path: str, names: Collection[str]) -> None:
        self.members.setdefault(path, Counter())[tuple(names)] += 1

    def add_value(self, path: str, kind: str) -> None:
        self.kinds.setdefault(path, Counter())[kind] += 1

    def add_text(self, path: str, text: str, rule: FieldRule) -> None:
        if not text:
            self.add_value(path, EMPTY_TEXT)
        elif has_form("word", text) and (rule.form == "word" or rule.words):
            self.add_value(path, WORD)
            self.words.setdefault(path, set()).add(text)
        else:
            self.add_value(path, describe_text(text, rule))

    def add_all(self, other: "Shape") -> None:
        self.details.update(other.details)
        self.rows = (self.rows or 0) + (other.rows or 0)
        for path, sequences in other.members.items():
            self.members.setdefault(path, Counter()).update(sequences)
        for path, kinds in other.kinds.items():
            self.kinds.setdefault(path, Counter()).update(kinds)
        for path, words in other.words.items():
            self.words.setdefault(path, set()).update(words)

    def count_kinds(self, path: str) -> Counter[str]:
        """Of the values of a member, with those of its parents that do not have it."""
        parent, _, name = path.rpartition(self.separator)
        counts = self.kinds.get(path, Counter()).copy()
        sequences = self.members.get(parent, Counter())
        absent = sum(count for names, count in sequences.items() if name not in names)
        if absent:
            counts[ABSENT] = absent
        return counts

    def join(self, parent: str, name: str) -> str:
        return f"{parent}{self.separator}{name}" if parent else name

    def list_names(self, parent: str) -> dict[str, None]:
        """Of all its members, in their order."""
        return dict.fromkeys(name for names in self.members.get(parent, ()) for name in names)


def describe_text(text: str, rule: FieldRule) -> str:
    """The kind of a text: of a time its format."""
    if rule.form == "time" and _TIME.match(text):
        return f"a time {mask_characters(text)}"
    if rule.form in ("number", "reference", "flag", "uuid") and has_form(rule.form, text):
        return f"a {rule.form}"
    return "a text"


def compare_members(
    recorded: Shape, got: Shape, optional: Collection[str] = ()
) -> Iterator[ShapeDifference]:
    """Of answers to one request; whether there is an ``optional`` one depends on the row."""
    for path, text in recorded.details.items():
        if text != got.details.get(path, text):
            yield ShapeDifference(path, text, got.details[path])
    for path in sorted(recorded.members.keys() & got.members.keys()):
        theirs, ours = recorded.list_names(path), got.list_names(path)
        always = set(theirs).intersection(*recorded.members[path])
        for name in theirs:
            if name in always and name not in ours and name not in optional:
                yield ShapeDifference(recorded.join(path, name), "this member", "none")
        for name in ours:
            if name not in theirs and name not in optional:
                yield ShapeDifference(recorded.join(path, name), "no such member", "one")
        yield from _compare_order(path, recorded.members[path], got.members[path])


def _compare_order(
    path: str, recorded: Collection[tuple[str, ...]], got: Collection[tuple[str, ...]]
) -> Iterator[ShapeDifference]:
    """The first two that come the other way round than in every recorded answer."""
    before = {(a, b) for names in recorded for at, a in enumerate(names) for b in names[at + 1 :]}
    known = {name for names in recorded for name in names}
    for names in got:
        for first, second in pairwise([name for name in names if name in known]):
            if (second, first) in before and (first, second) not in before:
                yield ShapeDifference(
                    path or "answer", f"{second} before {first}", "the other order"
                )
                return


def compare_kinds(recorded: Shape, got: Shape, known: Shape) -> Iterator[ShapeDifference]:
    """Of all answers of an operation; ``known`` are all that were recorded of it."""
    for path in sorted(got.kinds.keys() & known.kinds.keys()):
        kinds = known.kinds[path].keys() - EMPTY_FORMS
        other = got.kinds[path].keys() - EMPTY_FORMS - kinds
        if kinds and other:
            yield ShapeDifference(path, " or ".join(sorted(kinds)), " or ".join(sorted(other)))
    for path in sorted(recorded.kinds.keys() | got.kinds.keys()):
        theirs = EMPTY_FORMS & recorded.count_kinds(path).keys()
        ours = EMPTY_FORMS & got.count_kinds(path).keys()
        if theirs and ours and not theirs & ours:
            told = " or ".join(sorted(theirs))
            yield ShapeDifference(path, f"{told} for no value", " or ".join(sorted(ours)))


def compare_empty(recorded: Shape, got: Shape) -> Iterator[ShapeDifference]:
    """Of an answer and another one to the same request, the rows of which are not those of it."""
    for path in sorted(recorded.kinds.keys() | got.kinds.keys()):
        theirs, ours = recorded.count_kinds(path), got.count_kinds(path)
        counts = (theirs.total(), ours.total())
        filled = [sum(n for kind, n in side.items() if kind not in EMPTY_FORMS)
                  for side in (theirs, ours)]  # fmt: skip
        empty = [counts[0] - filled[0], counts[1] - filled[1]]
        if _is_no_accident(filled[0], counts[0], filled[1], counts[1]):
            yield ShapeDifference(path, "a value in some rows", "none in any")
        elif _is_no_accident(filled[1], counts[1], filled[0], counts[0]):
            yield ShapeDifference(path, "no value in any row", "one in some")
        elif _is_no_accident(empty[1], counts[1], empty[0], counts[0]):
            yield ShapeDifference(path, "a value in every row", "none in some")
        elif _is_no_accident(empty[0], counts[0], empty[1], counts[1]):
            yield ShapeDifference(path, "no value in some rows", "one in every")


def _is_no_accident(found: int, total: int, others: int, other_total: int) -> bool:
    """That the other side has none of what ``found`` of ``total`` have."""
    if not found or others or not other_total:
        return False
    chance = (total - found + 1) / (total + 2)
    return other_total * log(chance) < ACCIDENT


def compare_words(
    recorded: Shape, got: Shape, contract: Mapping[str, Collection[str]]
) -> Iterator[ShapeDifference]:
    """``contract`` has the values of each path that it lists."""
    for path, words in got.words.items():
        other = words - recorded.words.get(path, set()) - set(contract.get(path, ()))
        if other:
            text = "a value of the contract's list or of the recording"
            yield ShapeDifference(path, text, ", ".join(map(repr, sorted(other))))
