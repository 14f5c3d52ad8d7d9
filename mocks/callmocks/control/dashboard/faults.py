"""The fault switches: what is on, and a form for each kind made from its parameters' schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.template_filters import PROVIDERS
from callmocks.control.faults import FaultView, describe_params, listing
from callmocks.control.problems import RefusedError
from callmocks.faults import KINDS
from callmocks.provider.base import provider as known_provider

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import Call


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a form, made from the JSON schema of a parameter."""

    name: str
    kind: str
    """``choice``, ``number``, ``whole``, ``yes-no``, ``text``, or ``object`` (as JSON)."""
    says: str
    required: bool
    default: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A kind of fault and what can be set of it."""

    name: str
    says: str
    providers: tuple[str, ...]
    frames_only: bool
    breaks_contract: bool
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class On:
    """A fault that is on."""

    fault: FaultView
    how: str

    @property
    def rests(self) -> bool:
        """Whether it has been applied as often as it was to be."""
        return self.fault.times is not None and self.fault.applied >= self.fault.times


async def page(call: Call) -> web.Response:
    """What is on, and what can be switched on at one provider."""
    tenant = call.tenant
    at = call.request.query.get("provider", "cdr")
    if at not in PROVIDERS:
        raise RefusedError(422, f"provider {at!r} is none of {', '.join(PROVIDERS)}")
    known = known_provider(at)
    operations = {entry.operation for entry in tenant.journal.lines() if entry.provider == at}
    return make_page(
        call,
        "faults.html",
        "faults",
        tenant,
        on=[On(each, _brief(each)) for each in (await listing(call)).faults],
        provider=at,
        switches=[each for each in switches() if at in each.providers],
        errors=() if known is None else tuple(known.errors()),
        operations=sorted(operations - {""}),
    )


@cache
def switches() -> tuple[Switch, ...]:
    """All kinds of faults: first those a provider's contract allows, then the broken ones."""
    made = [
        Switch(
            kind.name,
            kind.summary,
            kind.providers,
            "http" not in kind.transports,
            kind.breaks_contract,
            tuple(_controls(describe_params(kind))),
        )
        for kind in KINDS.values()
    ]
    return tuple(sorted(made, key=lambda each: (each.breaks_contract, each.name)))


def _controls(schema: dict[str, Any]) -> list[Control]:
    required = schema.get("required", ())
    return [_control(name, part, name in required) for name, part in schema["properties"].items()]


def _control(name: str, schema: dict[str, Any], required: bool) -> Control:
    default = schema.get("default", "")
    kind = _KINDS.get(schema.get("type", ""), "text")
    return Control(
        name,
        "choice" if "enum" in schema else kind,
        schema.get("description", ""),
        required,
        "" if isinstance(default, dict | list) or default is None else _plain(default),
        tuple(map(str, schema.get("enum", ()))),
        schema.get("minimum"),
        schema.get("maximum"),
    )


_KINDS = {"number": "number", "integer": "whole", "boolean": "yes-no", "object": "object"}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _brief(fault: FaultView) -> str:
    """Parameters and scope of a fault that is on, in one line."""
    said = [f"{name} {_plain(value)}" for name, value in fault.params.items() if value != {}]
    if fault.operation is not None:
        said.append(f"only {fault.operation}")
    if fault.skip:
        said.append(f"after {fault.skip}")
    if fault.times is not None:
        said.append("once" if fault.times == 1 else f"{fault.times} times")
    if fault.probability < 1:
        said.append(f"chance {fault.probability:g}")
    return ", ".join(said)
