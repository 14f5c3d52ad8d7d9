"""The fault switches: what is on, and a form for each kind made from its parameters' schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from callmocks.control.dashboard.panels import PROVIDER_TITLES
from callmocks.control.dashboard.render import render_page
from callmocks.control.faults import FaultView, describe_params, list_faults
from callmocks.control.problems import ProblemError
from callmocks.server.providers import FAULT_TYPES

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext


@dataclass(frozen=True, slots=True)
class FormField:
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
class FaultForm:
    """A kind of fault and what can be set of it."""

    name: str
    says: str
    providers: tuple[str, ...]
    frames_only: bool
    breaks_contract: bool
    controls: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class ActiveFaultRow:
    """A fault that is on."""

    fault: FaultView
    how: str

    @property
    def rests(self) -> bool:
        """Whether it has been applied as often as it was to be."""
        return self.fault.times is not None and self.fault.applied >= self.fault.times


async def show_faults(context: RequestContext) -> web.Response:
    """What is on, and what can be switched on at one provider."""
    tenant = context.tenant
    at = context.request.query.get("provider", "cdr")
    if at not in PROVIDER_TITLES:
        raise ProblemError(422, f"provider {at!r} is none of {', '.join(PROVIDER_TITLES)}")
    operations = {
        entry.operation for entry in tenant.journal.read_summaries() if entry.provider == at
    }
    return render_page(
        context,
        "faults.html",
        "faults",
        tenant,
        on=[
            ActiveFaultRow(each, _summarize_fault(each))
            for each in (await list_faults(context)).faults
        ],
        provider=at,
        switches=[each for each in fault_forms() if at in each.providers],
        errors=tuple(context.registry.providers[at].list_errors()),
        operations=sorted(operations - {""}),
    )


@cache
def fault_forms() -> tuple[FaultForm, ...]:
    """All kinds of faults: first those a provider's contract allows, then the broken ones."""
    made = [
        FaultForm(
            kind.name,
            kind.summary,
            kind.providers,
            "http" not in kind.transports,
            kind.breaks_contract,
            tuple(_form_fields(describe_params(kind))),
        )
        for kind in FAULT_TYPES.values()
    ]
    return tuple(sorted(made, key=lambda each: (each.breaks_contract, each.name)))


def _form_fields(schema: dict[str, Any]) -> list[FormField]:
    required = schema.get("required", ())
    return [
        _form_field(name, part, name in required) for name, part in schema["properties"].items()
    ]


def _form_field(name: str, schema: dict[str, Any], required: bool) -> FormField:
    default = schema.get("default", "")
    kind = _KINDS.get(schema.get("type", ""), "text")
    return FormField(
        name,
        "choice" if "enum" in schema else kind,
        schema.get("description", ""),
        required,
        "" if isinstance(default, dict | list) or default is None else _format_value(default),
        tuple(map(str, schema.get("enum", ()))),
        schema.get("minimum"),
        schema.get("maximum"),
    )


_KINDS = {"number": "number", "integer": "whole", "boolean": "yes-no", "object": "object"}


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _summarize_fault(fault: FaultView) -> str:
    """Parameters and scope of a fault that is on, in one line."""
    said = [f"{name} {_format_value(value)}" for name, value in fault.params.items() if value != {}]
    if fault.operation is not None:
        said.append(f"only {fault.operation}")
    if fault.skip:
        said.append(f"after {fault.skip}")
    if fault.times is not None:
        said.append("once" if fault.times == 1 else f"{fault.times} times")
    if fault.probability < 1:
        said.append(f"chance {fault.probability:g}")
    return ", ".join(said)
