"""What was learnt, as text, as JSON and as the file that ``--assumptions`` takes."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from callmocks.contract.assumptions import load_default_choices
from callmocks.verification.decisions import Decision

_HEADER = "# Choices of the ledger, written by `callmocks learn`.\n\n[assumptions]\n"
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def render_text(decisions: Sequence[Decision], summary: str) -> bytes:
    return "".join(f"{line}\n" for line in _iter_lines(decisions, summary)).encode()


def _iter_lines(decisions: Sequence[Decision], summary: str) -> Iterator[str]:
    width = max((len(each.id) for each in decisions), default=0)
    for each in decisions:
        told = f"{each.choice}  ({each.evidence})" if each.decided else f"? {each.why}"
        yield f"  {each.id:{width}}  {told}"
    decided = sum(each.decided for each in decisions)
    yield f"decided {decided} of {len(decisions)} assumptions; the others keep their choice"
    if summary:
        yield summary


def render_json(decisions: Sequence[Decision], summary: str) -> bytes:
    encoded = msgspec.json.encode({"assumptions": decisions})
    return msgspec.json.format(encoded, indent=2) + b"\n"


RENDERERS = {"text": render_text, "json": render_json}


def render_choices(decisions: Iterable[Decision], choices: dict[str, str]) -> bytes:
    """``choices`` are those that the file had; what is undecided keeps them."""
    decided = {each.id: each for each in decisions}
    lines = [_HEADER]
    for id in load_default_choices():
        found = decided.get(id)
        if found is not None and not found.decided and id not in choices:
            lines.append(f"# {id}: {found.why}\n")
        elif found is not None and found.decided:
            lines.append(f'"{id}" = {_quote(found.choice)}\n')
        elif id in choices:
            lines.append(f'"{id}" = {_quote(choices[id])}\n')
    return "".join(lines).encode()


def _quote(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char, char) for char in text if char.isprintable()) + '"'
