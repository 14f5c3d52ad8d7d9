"""What a provider is: the one object by which the rest of callmocks knows it.

``arm/provider.py``, ``cdr/provider.py`` and ``onec/provider.py`` define one each. Nothing registers
itself: ``server/providers.py`` has the table of all three and passes it on, an ``Exchange`` carries
the provider it is for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from callmocks.faults.base import Fault
    from callmocks.tenants.exchange import Exchange, Reply
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings


class Credential(NamedTuple):
    """What a client sends and the registry finds its tenant by."""

    kind: str
    """``CDR login``, for example; no two providers have the same kind."""
    value: str
    secret: bool = False
    """The value must not be shown."""


class Provider(ABC):
    name: ClassVar[str]
    """``arm``, ``cdr`` or ``onec``: in settings, journals and the admin API."""
    title: ClassVar[str]
    """``ARM``, ``CDR`` or ``1C``."""
    url_path: ClassVar[str] = ""
    """What follows ``scheme://host:port`` in the address that a client is given."""
    fault_types: ClassVar[Mapping[str, type[Fault]]]
    """The faults that can be enabled, by name."""

    # Serving

    @abstractmethod
    def create_app(self, registry: Registry) -> web.Application:
        """The application that serves every tenant of a registry."""

    def list_credentials(self, settings: TenantSettings) -> list[Credential]:
        """By what the tenant of a request is found, besides its name."""
        return []

    # Requests

    @abstractmethod
    def find_operation(self, exchange: Exchange) -> str:
        """What the request asks for, as the journal names it; ``""`` when it cannot be told."""

    @abstractmethod
    def read_fields(self, request: bytes) -> dict[str, object]:
        """A request as flat names and values, ``{"params.limit": 100}``; empty when unreadable."""

    # Errors

    @abstractmethod
    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The errors ``error_reply`` can make, with the names that ``params`` of each may have."""

    @abstractmethod
    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """An error in the provider's own shape; ``KeyError`` when it has none of that name."""

    @abstractmethod
    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """The answer when something behind the provider cannot be reached."""

    # What transport faults change: an answer is a document in an HTTP body, or in a frame

    def document_of(self, exchange: Exchange, reply: Reply) -> bytes:
        return reply.body

    def with_document(self, exchange: Exchange, reply: Reply, document: bytes) -> Reply:
        """The same answer with another document; lengths agree with it."""
        return replace(reply, body=document)

    def with_status(self, exchange: Exchange, reply: Reply, status: int) -> Reply:
        return replace(reply, status=status)

    def with_wrong_id(self, exchange: Exchange, reply: Reply) -> Reply | None:
        """The answer under an id that is not the request's; None when it carries none."""
        return None
