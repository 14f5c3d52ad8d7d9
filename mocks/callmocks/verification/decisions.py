"""What an endpoint's exchanges show of assumptions, and what is decided by it.

::

    exchange ── decider ── sightings: the choices that could have given this answer
                               └── of one assumption, intersected: one choice is left ── decided
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from callmocks.contract.assumptions import Assumption, load_ledger

# A choice that is any text is taken from an answer only when it looks like a name.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
NOT_SHOWN = "no answer that was looked at shows it"


@dataclass(frozen=True, slots=True)
class Sighting:
    """``choices`` are all those that could have given what was seen."""

    assumption: str
    choices: frozenset[str]
    evidence: str


class Decision(msgspec.Struct, frozen=True):
    """``choice`` of what is not decided is the one it had; ``why`` then says the reason."""

    id: str
    decided: bool
    choice: str
    evidence: str
    why: str


def see(assumption: str, choices: str | Collection[str], evidence: str) -> Iterator[Sighting]:
    named = (choices,) if isinstance(choices, str) else choices
    yield Sighting(assumption, frozenset(named), evidence)


def see_name(assumption: str, text: str, evidence: str) -> Iterator[Sighting]:
    """Of a choice that may be any text."""
    if _NAME.fullmatch(text):
        yield from see(assumption, text, evidence)


def decide_all(
    provider: str,
    sightings: Iterable[Sighting],
    reasons: Mapping[str, str],
    choices: Mapping[str, str],
) -> list[Decision]:
    """In the ledger's order; ``reasons`` and present ``choices`` of what is undecided, by id."""
    found: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        found.setdefault(sighting.assumption, []).append(sighting)
    entries = [entry for entry in load_ledger().values() if entry.provider == provider]
    return [_decide(each, found.get(each.id, []), reasons, choices[each.id]) for each in entries]


def _decide(
    entry: Assumption, sightings: list[Sighting], reasons: Mapping[str, str], choice: str
) -> Decision:
    evidence = "; ".join(dict.fromkeys(each.evidence for each in sightings))
    if not sightings:
        why = entry.no_alternative or reasons.get(entry.id, NOT_SHOWN)
        return Decision(entry.id, False, choice, "", why)
    left = frozenset.intersection(*(each.choices for each in sightings))
    known = {entry.default, *entry.alternatives}
    if "*" not in known:
        left &= known
    if len(left) == 1:
        return Decision(entry.id, True, min(left), evidence, "")
    if not left:
        unknown = "*" not in known and not any(each.choices & known for each in sightings)
        why = "the ledger does not know this answer" if unknown else "answers contradict another"
        return Decision(entry.id, False, choice, evidence, why)
    rest = f"it may be {' or '.join(sorted(left))}"
    return Decision(entry.id, False, choice, evidence, reasons.get(entry.id, rest))
