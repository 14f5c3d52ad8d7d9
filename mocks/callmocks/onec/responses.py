"""An answer of the service as a client reads it."""

from __future__ import annotations

from lxml import etree

from callmocks.contract.xml import make_parser
from callmocks.errors import CallmocksError
from callmocks.onec.decoder import read_structure
from callmocks.onec.namespaces import RETURN, SOAP11, SOAP12
from callmocks.onec.values import BadValue, Structure

_PARSER = make_parser(huge_tree=True)


class SoapFault(CallmocksError):
    """The service answered a Fault. ``code`` is its code without the prefix."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def read_answer(body: bytes) -> Structure:
    """``ResultCode`` and ``ResultData`` of an answer in SOAP 1.1 or 1.2.

    ``SoapFault`` when it is a Fault, ``BadValue`` when it is neither.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise BadValue("body", "an XML document", str(error)) from None
    for namespace, code, text in (
        (SOAP11, "faultcode", "faultstring"),
        (SOAP12, f"{{{SOAP12}}}Code/{{{SOAP12}}}Value", f"{{{SOAP12}}}Reason/{{{SOAP12}}}Text"),
    ):
        fault = root.find(f"{{{namespace}}}Body/{{{namespace}}}Fault")
        if fault is not None:
            said = (fault.findtext(code) or "").rpartition(":")[2]
            raise SoapFault(said, fault.findtext(text) or "")
    answer = next(root.iter(RETURN), None)
    if answer is None:
        raise BadValue("Body", f"an answer with {RETURN}", str(root.tag))
    return read_structure(answer)
