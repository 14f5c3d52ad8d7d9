"""What is left of the limits that providers set, read without using any of it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from callmocks.tenants.exchange import Exchange

if TYPE_CHECKING:
    from callmocks.control.addresses import Addresses
    from callmocks.tenants.tenant import Tenant


@dataclass(frozen=True, slots=True)
class RemainingLimit:
    """One counter."""

    provider: str
    what: str
    left: int
    most: int
    refills: timedelta | None
    """How long until it is whole again; None when that cannot be told."""

    @property
    def per_cent(self) -> float:
        """The part that is left."""
        return round(100 * self.left / self.most, 1) if self.most else 0.0


async def remaining_limits(addresses: Addresses, tenant: Tenant) -> list[RemainingLimit]:
    """The counters of the providers that run; the workplace (ARM) has none."""
    found: list[RemainingLimit] = []
    if addresses.cdr:
        found += await _cdr_limits(tenant)
    if addresses.onec:
        found += await _onec_limits(tenant)
    return found


async def _cdr_limits(tenant: Tenant) -> list[RemainingLimit]:
    from callmocks.cdr.limits import RateLimiter
    from callmocks.cdr.provider import CDR

    points = await RateLimiter(Exchange.start(tenant, CDR, b"")).get_limits()
    return [
        RemainingLimit(
            "cdr",
            f"points a {window}",
            getattr(points, f"{window}_remaining"),
            getattr(points, f"{window}_limit"),
            timedelta(seconds=getattr(points, f"{window}_reset")),
        )
        for window in ("minute", "day")
    ]


async def _onec_limits(tenant: Tenant) -> list[RemainingLimit]:
    from callmocks.onec import contract
    from callmocks.onec.limits import HourlyQuota
    from callmocks.onec.provider import ONEC

    exchange = Exchange.start(tenant, ONEC, b"")
    found = []
    for operation in contract.load_operations().values():
        left = await HourlyQuota(exchange, operation).get_remaining_calls()
        if left is not None:
            found.append(RemainingLimit("onec", f"{operation.name} an hour", *left))
    return found
