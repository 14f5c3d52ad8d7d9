"""callmocks in the tests of a client: a suite in the background, tenants, and handles on them.

::

    plugin (pytest)  ─┐
    running, arunning ┼─▶ Mocks ─▶ Tenant ─▶ Arm | Cdr | Onec
    connect ──────────┘     └────────┴──────────┴──▶ AdminClient ──HTTP──▶ admin API

The handles use the admin API alone, so they work with a suite in this process, in another one or in
a container. Everything is imported at its first use: pytest loads the plugin in every run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callmocks.contract.connections import Connection
    from callmocks.contract.journal import JournalEntry as Exchange
    from callmocks.contract.truth import Call
    from callmocks.testing.fault_handle import FaultHandle as Fault
    from callmocks.testing.mocks import Mocks, connect
    from callmocks.testing.providers import Arm, Cdr, Onec
    from callmocks.testing.providers import OperatorHandle as Operator
    from callmocks.testing.tenant import TenantHandle as Tenant

__all__ = [
    "Arm", "Call", "Cdr", "Connection", "Exchange", "Fault", "Mocks", "Onec", "Operator", "Tenant",
    "connect",
]  # fmt: skip

_DEFINED_IN = {
    "Arm": "testing.providers.Arm",
    "Call": "contract.truth.Call",
    "Cdr": "testing.providers.Cdr",
    "Connection": "contract.connections.Connection",
    "Exchange": "contract.journal.JournalEntry",
    "Fault": "testing.fault_handle.FaultHandle",
    "Mocks": "testing.mocks.Mocks",
    "Onec": "testing.providers.Onec",
    "Operator": "testing.providers.OperatorHandle",
    "Tenant": "testing.tenant.TenantHandle",
    "connect": "testing.mocks.connect",
}


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _DEFINED_IN[name].rpartition(".")
    return getattr(import_module(f"callmocks.{module}"), attribute)
