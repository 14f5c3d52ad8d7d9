"""Names of the wire: namespaces, elements (in Clark notation) and what each version of SOAP has."""

from typing import Final

SERVICE: Final = "http://buhphone.com/PartnerWebAPI2"
CORE: Final = "http://v8.1c.ru/8.1/data/core"
XS: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"

XSI_TYPE: Final = f"{{{XSI}}}type"
XSI_NIL: Final = f"{{{XSI}}}nil"
PROPERTY: Final = f"{{{CORE}}}Property"
COLUMN: Final = f"{{{CORE}}}column"
ROW: Final = f"{{{CORE}}}row"
VALUE: Final = f"{{{CORE}}}Value"
PARAMS: Final = f"{{{SERVICE}}}Params"
RETURN: Final = f"{{{SERVICE}}}return"

SOAP_VERSIONS: Final = {SOAP11: "1.1", SOAP12: "1.2"}
CONTENT_TYPES: Final = {
    SOAP11: "text/xml;charset=utf-8",
    SOAP12: "application/soap+xml;charset=utf-8",
}
FAULT_PATHS: Final = {
    SOAP11: ("faultcode", "faultstring"),
    SOAP12: (f"{{{SOAP12}}}Code/{{{SOAP12}}}Value", f"{{{SOAP12}}}Reason/{{{SOAP12}}}Text"),
}


def name_namespace(namespace: str) -> str:
    """As an error tells it."""
    return namespace or "no namespace"


def split_name(name: str) -> tuple[str, str]:
    """Namespace (empty when there is none) and local part of a name in Clark notation."""
    namespace, _, local = name.removeprefix("{").rpartition("}")
    return namespace, local
