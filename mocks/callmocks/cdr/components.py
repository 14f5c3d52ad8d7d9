"""Paid components of an account: what stops working when one is disabled.

Which component which method or field needs is the mock's own table
(``schemas/cdr/components.csv``); the vendor's document only shows the errors.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from callmocks.contract.resources import table

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange


@cache
def _needed(kind: str) -> dict[str, str]:
    """Component by method or field."""
    return {
        name: row["component"] for row in table("cdr/components.csv") for name in row[kind].split()
    }


def names() -> tuple[str, ...]:
    """The components there are."""
    return tuple(row["component"] for row in table("cdr/components.csv"))


def disabled_for_method(exchange: Exchange, method: str) -> str | None:
    """The component the method needs and the account does not have, or None."""
    component = _needed("methods").get(method)
    return component if component in exchange.tenant.settings.cdr.disabled_components else None


def disabled_fields(exchange: Exchange) -> dict[str, str]:
    """Fields that may not be named, each with the component it needs."""
    disabled = exchange.tenant.settings.cdr.disabled_components
    if not disabled:
        return {}
    return {name: part for name, part in _needed("fields").items() if part in disabled}
