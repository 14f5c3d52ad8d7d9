"""Faults that were to be applied a number of times and were not: their tests prove nothing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from callmocks.errors import UnmetFaultWarning

if TYPE_CHECKING:
    from callmocks.testing.admin_client import AdminClient


class UnmetFault(NamedTuple):
    applied: int
    text: str


def find_unmet_faults(control: AdminClient, tenant: str) -> list[UnmetFault]:
    """Those of a tenant that are on; none is asked for when no handle has enabled one."""
    if tenant not in control.tenants_with_counted_faults:
        return []
    active = control.get(f"/api/tenants/{tenant}/faults")["faults"]
    return [
        UnmetFault(view["applied"], _describe_fault(view))
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
