"""Faults that were to be applied a number of times and were not: their tests prove nothing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from callmocks.errors import AdminError, UnmetFaultWarning

if TYPE_CHECKING:
    from callmocks.testing.admin_client import AdminClient


class UnmetFault(NamedTuple):
    id: str
    provider: str
    operation: str | None
    met: int
    applied: int
    text: str


def find_unmet_faults(control: AdminClient, tenant: str) -> list[UnmetFault]:
    """Those of a tenant that are on, or were at the end of a ``with`` block.

    None is asked for when no handle has enabled one.
    """
    if tenant not in control.tenants_with_counted_faults:
        return []
    return [*control.faults_unmet_in_blocks.get(tenant, ()), *_find_active(control, tenant)]


def keep_unmet_fault(control: AdminClient, tenant: str, fault_id: str) -> None:
    """Before the end of a ``with`` block removes it, which nobody has asked for."""
    if tenant not in control.tenants_with_counted_faults:
        return
    with suppress(AdminError):  # the tenant is deleted already
        found = [each for each in _find_active(control, tenant) if each.id == fault_id]
        control.faults_unmet_in_blocks.setdefault(tenant, []).extend(found)


def _find_active(control: AdminClient, tenant: str) -> list[UnmetFault]:
    active = control.get(f"/api/tenants/{tenant}/faults")["faults"]
    return [
        UnmetFault(
            view["id"],
            view["provider"],
            view["operation"],
            view["met"],
            view["applied"],
            _describe_fault(view),
        )
        for view in active
        if view["times"] is not None and view["applied"] < view["times"]
    ]


def warn_of_unmet_faults(control: AdminClient, tenant: str, stacklevel: int) -> None:
    for fault in find_unmet_faults(control, tenant):
        text = f"tenant {tenant}: {fault.text}"
        warnings.warn(text, UnmetFaultWarning, stacklevel=stacklevel + 1)


def _describe_fault(view: Mapping[str, Any]) -> str:
    """``fault f1 (cdr rpc_error, mnemonic limit_exceeded) was applied 1 of 3 times``."""
    params = [f"{name} {value}" for name, value in view["params"].items() if value or value == 0]
    scope = [f"only {view['operation']}"] if view["operation"] else []
    scope += [f"after {view['skip']}"] if view["skip"] else []
    title = ", ".join([f"{view['provider']} {view['fault']}", *params, *scope])
    count = f"{view['applied']} of {view['times']} {'time' if view['times'] == 1 else 'times'}"
    met = f"{view['met']} {'request' if view['met'] == 1 else 'requests'}"
    return f"fault {view['id']} ({title}) was applied {count}; {met} matched it"
