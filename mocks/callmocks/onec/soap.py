"""SOAP 1.1 and 1.2 by spyne: which operations there are, the envelope of an answer, faults.

One spyne application per version. A big ValueTable must not go through spyne's object model: it
makes the envelope around a mark, once for each operation, and the rendered bytes are put in the
mark's place. Requests are parsed once, by ``envelope``, with a hardened parser; taking them
through spyne's contexts too cost 65 µs a call, more than everything else an answer takes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal

from lxml import etree

from callmocks.onec import contract
from callmocks.onec.namespaces import CORE, SERVICE, SOAP11, SOAP12, XS, XSI
from callmocks.onec.spyne_compat import (
    AnyXml,
    Application,
    Fault,
    MethodContext,
    ServerBase,
    ServiceBase,
    Soap11,
    Soap12,
    rpc,
)

FaultCode = Literal["Client", "Server", "VersionMismatch", "MustUnderstand"]
"""SOAP 1.1's names; 1.2 says Sender for Client and Receiver for Server."""
_MARK: Final = "MARK"


class SoapError(Exception):
    """A request that gets a SOAP Fault."""

    def __init__(self, code: FaultCode, text: str) -> None:
        super().__init__(text)
        self.code: FaultCode = code
        self.text = text


class _StructureModel(AnyXml):  # type: ignore[misc]
    """The core type ``Structure``: an element on the way in, a mark on the way out."""

    __namespace__ = CORE
    __type_name__ = "Structure"


class _Soap11(Soap11):  # type: ignore[misc]
    soap_env = "soap"

    def fault_to_parent(
        self, ctx: Any, cls: Any, inst: Any, parent: Any, ns: str, **_: Any
    ) -> None:
        """The Fault without spyne's empty actor, which would be an address."""
        super().fault_to_parent(ctx, cls, inst, parent, ns)
        _remove_elements(parent, "faultactor")


class _Soap12(Soap12):  # type: ignore[misc]
    soap_env = "soap"

    def gen_fault_codes(self, faultstring: str) -> tuple[str, list[str]]:
        """All codes; spyne's own method knows two of the five."""
        names = {"Client": "Sender", "Server": "Receiver"}
        return f"{self.soap_env}:{names.get(faultstring, faultstring)}", []

    def fault_to_parent(
        self, ctx: Any, cls: Any, inst: Any, parent: Any, ns: str, **_: Any
    ) -> None:
        """The Fault without spyne's empty role, which would be an address."""
        super().fault_to_parent(ctx, cls, inst, parent, ns)
        _remove_elements(parent, f"{{{SOAP12}}}Role")


class _SpyneServer(ServerBase):  # type: ignore[misc]
    transport = "callmocks"


class SoapBinding:
    """One version of SOAP: ``SOAP11`` or ``SOAP12`` of this module."""

    def __init__(self, name: str, namespace: str, protocol: Any, content_type: str) -> None:
        self.name = name
        self.namespace = namespace
        self.content_type = content_type
        outgoing = protocol(xml_declaration=False, cleanup_namespaces=False)
        outgoing.serialization_handlers[_StructureModel] = _write_mark
        self._app = Application(
            [_make_service()],
            SERVICE,
            name="PartnerWebAPI2",
            in_protocol=protocol(),  # for the methods' names alone
            out_protocol=outgoing,
        )
        self._server = _SpyneServer(self._app)

    def find_operation(self, qualified: str) -> str | None:
        """The operation a Body's child of that name calls; None when none is served."""
        found = self._app.interface.service_method_map.get(qualified)
        return found[0].name if found else None

    def render_envelope(self, operation: str) -> tuple[bytes, bytes]:
        """The bytes around the properties of ``return`` in an answer."""
        context = MethodContext(self._server, MethodContext.SERVER)
        name = f"{{{SERVICE}}}{operation}"
        context.descriptor = self._app.interface.service_method_map[name][0]
        context.out_object = [_MARK]
        before, _, after = self._serialize(context, {"m": SERVICE}).partition(_MARK.encode())
        return before, after

    def render_fault(self, code: FaultCode, text: str) -> bytes:
        """An envelope with a Fault."""
        context = MethodContext(self._server, MethodContext.SERVER)
        context.out_error = Fault(code, _clean_text(text))
        return self._serialize(context, {})

    def get_status(self, code: FaultCode) -> int:
        """HTTP status of a fault: 1.1 knows 500 alone, 1.2 has 400 for the sender's."""
        return 400 if self.namespace == SOAP12 and code == "Client" else 500

    def _serialize(self, context: Any, prefixes: dict[str, str]) -> bytes:
        self._app.interface.nsmap = {"soap": self.namespace, **prefixes}
        self._server.get_out_string(context)
        return b"".join(context.out_string)  # without close(), which collects garbage


def _make_service() -> Any:
    """A spyne service with every served operation: Params: Structure → return: Structure."""
    made: dict[str, Any] = {}
    for name in contract.load_operations():

        def call(ctx: Any, Params: Any) -> None:  # noqa: N803 - the contract's name
            raise NotImplementedError  # spyne carries the protocol; service.py operates

        call.__name__ = name
        made[name] = rpc(_StructureModel, _returns=_StructureModel, _out_variable_name="return")(
            call
        )
    return type("PartnerWebAPI2", (ServiceBase,), made)


def _write_mark(ctx: Any, cls: Any, inst: str, parent: Any, ns: str, name: str, **_: Any) -> None:
    declared = {"xs": XS, "xsi": XSI}
    etree.SubElement(parent, f"{{{ns}}}{name}", nsmap=declared).text = inst


def _remove_elements(parent: etree._Element, tag: str) -> None:
    for element in list(parent.iter(tag)):
        holder = element.getparent()
        assert holder is not None
        holder.remove(element)


def _clean_text(text: str) -> str:
    """A fault may quote what the client sent; XML cannot hold all of it."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)


@cache
def get_binding(namespace: str) -> SoapBinding | None:
    """The version whose envelopes have that namespace."""
    if namespace == SOAP11:
        return SoapBinding("1.1", SOAP11, _Soap11, "text/xml;charset=utf-8")
    if namespace == SOAP12:
        return SoapBinding("1.2", SOAP12, _Soap12, "application/soap+xml;charset=utf-8")
    return None
