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
class Limit:
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


async def limits_left(addresses: Addresses, tenant: Tenant) -> list[Limit]:
    """The counters of the providers that run; the workplace (ARM) has none."""
    found: list[Limit] = []
    if addresses.cdr:
        found += await _cdr(tenant)
    if addresses.onec:
        found += await _onec(tenant)
    return found


async def _cdr(tenant: Tenant) -> list[Limit]:
    from callmocks.cdr.limits import Points

    points = await Points(Exchange.of(tenant, "cdr", b"")).shown()
    return [
        Limit(
            "cdr",
            f"points a {window}",
            getattr(points, f"{window}_remaining"),
            getattr(points, f"{window}_limit"),
            timedelta(seconds=getattr(points, f"{window}_reset")),
        )
        for window in ("minute", "day")
    ]


async def _onec(tenant: Tenant) -> list[Limit]:
    from callmocks.onec import contract, limits

    exchange = Exchange.of(tenant, "onec", b"")
    found = []
    for operation in contract.served().values():
        left = await limits.left(exchange, operation)
        if left is not None:
            found.append(Limit("onec", f"{operation.name} an hour", *left))
    return found
