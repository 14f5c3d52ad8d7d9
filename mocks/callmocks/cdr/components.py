"""Paid components of an account: what stops working when one is disabled.

Which component which method or field needs is the mock's own table
(``schemas/cdr/components.csv``); the vendor's document only shows the errors.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from callmocks.contract.resources import load_table

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange


@cache
def _load_components(kind: str) -> dict[str, str]:
    """Component by method or field."""
    return {
        name: row["component"]
        for row in load_table("cdr/components.csv")
        for name in row[kind].split()
    }


def list_components() -> tuple[str, ...]:
    """The components there are."""
    return tuple(row["component"] for row in load_table("cdr/components.csv"))


def find_disabled_component(exchange: Exchange, method: str) -> str | None:
    """The component the method needs and the account does not have, or None."""
    component = _load_components("methods").get(method)
    return component if component in exchange.tenant.settings.cdr.disabled_components else None


def find_disabled_fields(exchange: Exchange) -> dict[str, str]:
    """Fields that may not be named, each with the component it needs."""
    disabled = exchange.tenant.settings.cdr.disabled_components
    if not disabled:
        return {}
    return {name: part for name, part in _load_components("fields").items() if part in disabled}
