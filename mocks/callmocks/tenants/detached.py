"""An exchange without a server: for validating messages that were not sent to a mock."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from callmocks.history.factory import HistoryFactory
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.registry import Registry
from callmocks.tenants.tenant import Tenant

if TYPE_CHECKING:
    from callmocks.provider.base import Provider


@cache
def _detached_tenant() -> Tenant:
    return Registry(HistoryFactory(), {}).unmatched


def detached_exchange(
    provider: Provider, request: bytes = b"", transport: str = "http"
) -> Exchange:
    """Its tenant has no calls, and every assumption its default."""
    return Exchange.start(_detached_tenant(), provider, request, transport=transport)
