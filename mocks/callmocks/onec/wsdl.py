"""The service's WSDL: served as text, and the schema inside it that validates both directions."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from lxml import etree

from callmocks.contract.resources import schema
from callmocks.onec.namespaces import CORE, SERVICE, XS
from callmocks.onec.scalars import quoted

PATH = "/cus/ws/PartnerWebAPI2"
"""Where the service lives on its host."""
_CORE_LOCATION = "core.xsd"
_PLACEHOLDER = b'location="LOCATION"'


def document(address: str) -> bytes:
    """The WSDL for a client that reached the service at ``address``."""
    return _text().replace(_PLACEHOLDER, f"location={quoted(address)}".encode())


@cache
def schemas() -> dict[str, bytes]:
    """The inline schemas by target namespace, each a document of its own.

    In the WSDL the service's schema imports the core's without saying where it is; standing
    alone it says ``core.xsd``.
    """
    found = {}
    for inline in etree.fromstring(_text()).iter(f"{{{XS}}}schema"):
        for other in inline.iter(f"{{{XS}}}import"):
            other.set("schemaLocation", _CORE_LOCATION)
        found[inline.get("targetNamespace", "")] = etree.tostring(inline)
    return found


@cache
def validator() -> etree.XMLSchema:
    """The compiled schema of the service's elements."""
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    parser.resolvers.add(_Inline())
    return etree.XMLSchema(etree.fromstring(schemas()[SERVICE], parser))


class Violation(NamedTuple):
    """Where an element leaves the schema; ``rule`` is libxml2's name of the broken rule."""

    path: str
    message: str
    rule: str


def violations(element: etree._Element) -> list[Violation]:
    """Where an element of the service leaves the WSDL's schema; empty when it keeps it."""
    if validator().validate(element):
        return []
    log: Any = validator().error_log
    return [Violation(error.path or "", error.message, error.type_name) for error in log]


class _Inline(etree.Resolver):
    """Finds the core schema in the WSDL instead of beside it."""

    def resolve(  # type: ignore[override]  # the stubs lack the context
        self, url: str, pubid: str, context: object
    ) -> object:
        if url.endswith(_CORE_LOCATION):
            return self.resolve_string(schemas()[CORE], context, base_url=_CORE_LOCATION)
        return None


@cache
def _text() -> bytes:
    return schema("onec/PartnerWebAPI2.wsdl").read_bytes()
