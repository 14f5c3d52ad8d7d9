"""The service's WSDL: served as text, and the schema inside it that validates both directions."""

from functools import cache
from typing import Any, NamedTuple

from lxml import etree

from callmocks.contract.resources import schema_path
from callmocks.contract.xml import make_parser
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
def load_validator() -> etree.XMLSchema:
    parser = make_parser()
    parser.resolvers.add(_InlineResolver())
    return etree.XMLSchema(etree.fromstring(load_schemas()[SERVICE], parser))


class WsdlViolation(NamedTuple):
    path: str
    message: str
    rule: str  # libxml2's name

    @property
    def is_of_value(self) -> bool:
        """Whether a parameter's value is not of its type: below /X/Params/Property/Value."""
        depth = self.path.count("/") - 4
        return depth > 0 or (depth == 0 and self.rule != "SCHEMAV_ELEMENT_CONTENT")


def find_wsdl_violations(element: etree._Element) -> list[WsdlViolation]:
    if load_validator().validate(element):
        return []
    log: Any = load_validator().error_log
    return [WsdlViolation(error.path or "", error.message, error.type_name) for error in log]


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
