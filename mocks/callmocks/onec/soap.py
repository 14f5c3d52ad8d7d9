"""SOAP 1.1 and 1.2 by spyne: the served operations, the envelope of an answer, faults.

A big ValueTable must not go through spyne's object model: spyne writes the envelope around a mark,
once for each operation, and the rendered bytes replace the mark. Requests are parsed once, by
``envelope``: spyne's contexts cost 65 µs a call, more than everything else an answer takes.
"""

from functools import cache
from typing import Any, Final, Literal

from lxml import etree

from callmocks.contract.quoting import MAX_ERROR_CHARS, shorten_text
from callmocks.onec.contract import load_operations
from callmocks.onec.namespaces import CONTENT_TYPES, CORE, SERVICE, SOAP11, SOAP12, XS, XSI
from callmocks.onec.spyne_compat import spyne

FaultCode = Literal["Client", "Server", "VersionMismatch", "MustUnderstand"]
"""SOAP 1.1's names; 1.2 says Sender for Client and Receiver for Server."""
_MARK: Final = "MARK"


class SoapError(spyne.Fault):  # type: ignore[misc]
    """A request that gets a SOAP Fault, and the violation that the journal notes of it."""

    __type_name__ = "Fault"
    assumption = ""

    def __init__(
        self, code: FaultCode, text: str, violation: tuple[str, str, str] | None = None
    ) -> None:
        """``violation``: where, what was expected, what was there."""
        text = shorten_text(text, MAX_ERROR_CHARS)
        super().__init__(code, _clean_text(text))
        self.code: FaultCode = code
        self.text = text
        self.violation = violation or ("Envelope", "a request as the WSDL describes", text)


class _StructureModel(spyne.AnyXml):  # type: ignore[misc]
    __namespace__ = CORE
    __type_name__ = "Structure"


class _Soap11(spyne.protocol.soap.Soap11):  # type: ignore[misc]
    soap_env = "soap"

    def fault_to_parent(
        self, ctx: Any, cls: Any, inst: Any, parent: Any, ns: str, **_: Any
    ) -> None:
        super().fault_to_parent(ctx, cls, inst, parent, ns)
        # spyne writes an empty one, and it would be an address.
        for actor in list(parent.iter("faultactor", f"{{{SOAP12}}}Role")):
            actor.getparent().remove(actor)


class _Soap12(_Soap11, spyne.protocol.soap.Soap12):  # type: ignore[misc]
    def gen_fault_codes(self, faultstring: str) -> tuple[str, list[str]]:
        # spyne's own method has two of the five codes.
        names = {"Client": "Sender", "Server": "Receiver"}
        return f"{self.soap_env}:{names.get(faultstring, faultstring)}", []


class _SpyneServer(spyne.server.ServerBase):  # type: ignore[misc]
    transport = "callmocks"


class SoapBinding:
    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.content_type = CONTENT_TYPES[namespace]
        protocol = _Soap11 if namespace == SOAP11 else _Soap12
        out = protocol(xml_declaration=False, cleanup_namespaces=False)
        out.serialization_handlers[_StructureModel] = _write_mark
        self._app = spyne.Application(
            [_make_service()], SERVICE, "PartnerWebAPI2", in_protocol=protocol(), out_protocol=out
        )
        self._server = _SpyneServer(self._app)
        methods = self._app.interface.service_method_map
        self._methods = {tag: found[0] for tag, found in methods.items()}
        served = load_operations()
        self.operations = {tag: served[found.name] for tag, found in self._methods.items()}

    def render_envelope(self, operation: str) -> tuple[bytes, bytes]:
        """The bytes around the properties of ``return`` in an answer."""
        context = spyne.MethodContext(self._server, spyne.MethodContext.SERVER)
        context.descriptor = self._methods[f"{{{SERVICE}}}{operation}"]
        context.out_object = [_MARK]
        before, _, after = self._serialize(context, {"m": SERVICE}).partition(_MARK.encode())
        # spyne declares all prefixes on the envelope, the live service this one where it is used.
        declared, tag = f' xmlns:m="{SERVICE}"'.encode(), f"<m:{operation}Response".encode()
        return before.replace(declared, b"").replace(tag, tag + declared), after

    def render_fault(self, error: SoapError) -> bytes:
        context = spyne.MethodContext(self._server, spyne.MethodContext.SERVER)
        # A new one, without frames: spyne's contexts are cycles.
        context.out_error = SoapError(error.code, error.text)
        return self._serialize(context, {})

    def _serialize(self, context: Any, prefixes: dict[str, str]) -> bytes:
        self._app.interface.nsmap = {"soap": self.namespace, **prefixes}
        self._server.get_out_string(context)
        return b"".join(context.out_string)  # without close(), which collects garbage


@cache
def get_binding(namespace: str) -> SoapBinding:
    return SoapBinding(namespace)


def _make_service() -> Any:
    """A spyne service with every served operation: Params: Structure → return: Structure."""
    methods: dict[str, Any] = {}
    for name in load_operations():

        def operation_stub(ctx: Any, Params: Any) -> None:  # noqa: N803 - the contract's name
            raise NotImplementedError  # spyne carries the protocol; service.py executes

        operation_stub.__name__ = name
        declare = spyne.rpc(_StructureModel, _returns=_StructureModel, _out_variable_name="return")
        methods[name] = declare(operation_stub)
    return type("PartnerWebAPI2", (spyne.ServiceBase,), methods)


def _write_mark(ctx: Any, cls: Any, inst: str, parent: Any, ns: str, name: str, **_: Any) -> None:
    etree.SubElement(parent, f"{{{ns}}}{name}", nsmap={"xs": XS, "xsi": XSI}).text = inst


def _clean_text(text: str) -> str:
    """A fault may quote what the client sent; XML cannot hold all of it."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)
