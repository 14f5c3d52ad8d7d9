from __future__ import annotations

from typing import TYPE_CHECKING

from callmocks.errors import CallmocksError

if TYPE_CHECKING:
    from callmocks.testing.tenant import TenantHandle

_MAX_EXCHANGES = 1000


def format_section(tenant: TenantHandle, verbosity: int) -> tuple[str, str]:
    """Title and text; ``-vv`` shows all exchanges and whole messages."""
    title = f"callmocks: exchanges of tenant {tenant.name}"
    try:
        text = tenant.transcript(_MAX_EXCHANGES, None) if verbosity > 1 else tenant.transcript()
    except CallmocksError as error:
        text = f"(not available: {error})"
    return title, text
