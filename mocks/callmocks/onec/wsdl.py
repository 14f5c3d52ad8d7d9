"""The service's WSDL: served as text, and the schema inside it that validates both directions."""

from copy import deepcopy
from functools import cache

from lxml import etree

from callmocks.contract.resources import schema_path
from callmocks.contract.xml import make_parser
from callmocks.contract.xsd import XsdValidator
from callmocks.onec.namespaces import CORE, SERVICE, XS
from callmocks.onec.scalars import quote_attribute

PATH = "/cus/ws/PartnerWebAPI2"
_CORE_LOCATION = "core.xsd"
_PLACEHOLDER = b'location="LOCATION"'


def render_wsdl(address: str) -> bytes:
    return _read_wsdl().replace(_PLACEHOLDER, f"location={quote_attribute(address)}".encode())


@cache
def load_schemas() -> dict[str, bytes]:
    """The inline schemas by target namespace, each a document of its own."""
    found = {}
    for inline in etree.fromstring(_read_wsdl()).iter(f"{{{XS}}}schema"):
        for other in inline.iter(f"{{{XS}}}import"):
            # In the WSDL this import has no location.
            other.set("schemaLocation", _CORE_LOCATION)
        found[inline.get("targetNamespace", "")] = etree.tostring(inline)
    return found


@cache
def load_validator() -> XsdValidator:
    parser = make_parser()
    parser.resolvers.add(_InlineResolver())
    return XsdValidator(etree.XMLSchema(etree.fromstring(load_schemas()[SERVICE], parser)))


def copy_structure(call: etree._Element) -> etree._Element:
    """A call without the values of its parameters."""
    copy = deepcopy(call)
    for params in copy:
        for element in params:
            for value in element:
                value.clear(keep_tail=True)  # type: ignore[call-arg]  # the stubs lack it
    return copy


class _InlineResolver(etree.Resolver):
    def resolve(  # type: ignore[override]  # the stubs lack the context
        self, url: str, pubid: str, context: object
    ) -> object:
        if url.endswith(_CORE_LOCATION):
            return self.resolve_string(load_schemas()[CORE], context, base_url=_CORE_LOCATION)
        return None


@cache
def _read_wsdl() -> bytes:
    return schema_path("onec/PartnerWebAPI2.wsdl").read_bytes()
