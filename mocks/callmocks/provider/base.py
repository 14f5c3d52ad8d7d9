"""What tenants need to know of a provider without importing it.

::

    arm ─┐  register(Provider)          faults, journal verify
    cdr ─┼──────────────────▶ tenants ◀────────────────────────── control
    onec ┘                    provider("cdr").error_reply(…)

A provider registers itself when it is imported. This table holds code, never anybody's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange, Reply

PROVIDER_NAMES = ("arm", "cdr", "onec")


class Provider(Protocol):
    """A provider's own knowledge of its messages."""

    name: str

    def find_operation(self, exchange: Exchange) -> str:
        """What the request asks for, as the journal names it; ``""`` when it cannot be told."""

    def read_fields(self, request: bytes) -> dict[str, object]:
        """A request as flat names and values, ``{"params.limit": 100}``; empty when unreadable."""

    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The errors ``error_reply`` can make, with the names that ``params`` of each may have."""

    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """An error in the provider's own shape; ``KeyError`` when it has none of that name."""

    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """The answer when something behind the provider cannot be reached."""


_PROVIDERS: dict[str, Provider] = {}


def register_provider(provider: Provider) -> None:
    """Make a provider known."""
    _PROVIDERS[provider.name] = provider


def get_provider(name: str) -> Provider | None:
    """The provider of that name, None when its package was not imported."""
    return _PROVIDERS.get(name)


def provider_error_reply(exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply | None:
    """An error in the shape of the exchange's provider; None when it is not known here."""
    known = _PROVIDERS.get(exchange.provider)
    return known.error_reply(exchange, name, params) if known else None
