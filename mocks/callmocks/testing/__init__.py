"""callmocks in the tests of a client: a suite in the background, tenants, and handles on them.

::

    plugin (pytest)  ─┐
    running, arunning ┼─▶ Mocks ─▶ Tenant ─▶ Arm | Cdr | Onec
    connect ──────────┘     └────────┴──────────┴──▶ Control ──HTTP──▶ admin API

The handles know the admin API alone, so they do the same with a suite in this process, in another
one or in a container. Everything here is imported when first asked for: pytest loads the plugin in
every run, also where nobody needs callmocks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callmocks.contract.truth import Call
    from callmocks.testing.journal import Exchange
    from callmocks.testing.mocks import Mocks, connect
    from callmocks.testing.providers import Arm, Cdr, Fault, Onec, Operator
    from callmocks.testing.tenant import Tenant

__all__ = [
    "Arm",
    "Call",
    "Cdr",
    "Exchange",
    "Fault",
    "Mocks",
    "Onec",
    "Operator",
    "Tenant",
    "connect",
]

_MODULES = {
    "Call": "operations",
    "Exchange": "journal",
    "Mocks": "mocks",
    "Tenant": "tenant",
    "connect": "mocks",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'providers')}"), name)
