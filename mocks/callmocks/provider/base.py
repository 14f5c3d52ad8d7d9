"""What a provider is: the one object by which the rest of callmocks knows it.

``arm/provider.py``, ``cdr/provider.py`` and ``onec/provider.py`` define one each. Nothing registers
itself: ``server/providers.py`` has the table of all three and passes it on, an ``Exchange`` carries
the provider it is for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from msgspec.structs import replace

from callmocks.contract.journal import ResponseSummary
from callmocks.contract.quoting import shorten_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from callmocks.contract.findings import ValidationResult
    from callmocks.contract.listed_names import Operations
    from callmocks.faults.base import Fault
    from callmocks.provider.harmless import HarmlessFields
    from callmocks.provider.recorded_rows import RowReader
    from callmocks.tenants.exchange import Exchange, Reply
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.settings import TenantSettings

# What a request asks for: its parameters by name, each as a text. Equal requests have equal keys:
# credentials, ids, the transport and defaults are left out.
RequestKey = dict[str, str]
_MAX_SUMMARY_CHARS = 300


class WireExchange(msgspec.Struct):
    """A request and its response as they stood on the wire, wherever they were seen."""

    operation: str
    request: bytes = b""
    response: bytes = b""
    status: int = 0  # HTTP's or the frame's; 0 without a response
    transport: str = "http"
    content_type: str = ""  # Of the response


class Credential(NamedTuple):
    """What a client sends and the registry finds its tenant by."""

    kind: str  # `CDR login`: title and setting; no two providers have the same kind
    value: str
    secret: bool = False  # The value must not be shown


class Provider(ABC):
    name: ClassVar[str]  # `arm`, `cdr` or `onec`: in settings, journals and the admin API
    title: ClassVar[str]  # `ARM`, `CDR` or `1C`
    # What follows `scheme://host:port` in the address that a client is given.
    url_path: ClassVar[str] = ""
    url_schemes: ClassVar[tuple[str, ...]] = ("http", "https")  # Of an endpoint that can be checked
    # What may be sent instead of login and password: `cookie` or `token`.
    credential_option: ClassVar[str] = ""
    proxy_port: ClassVar[int]
    relays_websockets: ClassVar[bool] = False
    # Of a tenant's state: they number tokens, and no token is given twice.
    token_counters: ClassVar[frozenset[str]] = frozenset()
    # Their parameters are credentials alone.
    session_operations: ClassVar[frozenset[str]] = frozenset()
    # Of a request: its window, and what a summary leaves out.
    window_fields: ClassVar[tuple[str, str]]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    # Of a request that its server reads.
    max_request_bytes: ClassVar[int]
    fault_types: ClassVar[Mapping[str, type[Fault]]]  # The faults that can be enabled, by name

    # Serving

    @abstractmethod
    def create_app(self, registry: Registry) -> web.Application: ...

    def list_credentials(self, settings: TenantSettings) -> list[Credential]:
        return []

    def quota_kind(self, key: str) -> type[int] | type[str] | None:
        """What is kept under a key of a tenant's state; None when it counts no quota."""
        return None

    # Requests

    @abstractmethod
    def find_operation(self, exchange: Exchange | WireExchange) -> str:
        """What the request asks for, as the journal names it; ``""`` when it cannot be told."""

    def find_excess(self, request: bytes, transport: str = "http") -> str:
        """Why its server would not read a request: ``has more than 9 bytes``; else empty."""
        if len(request) > self.max_request_bytes:
            return f"has more than {self.max_request_bytes} bytes"
        return self.find_content_excess(request, transport)

    @abstractmethod
    def find_content_excess(self, request: bytes, transport: str) -> str: ...

    @abstractmethod
    def read_fields(self, request: bytes) -> dict[str, object]:
        """A request as flat names and values, ``{"params.limit": 100}``; empty when unreadable."""

    @property
    @abstractmethod
    def operations(self) -> Operations:
        """The contract's, as the journal names them, with what ``read_fields`` may find."""

    @abstractmethod
    def request_key(self, request: bytes, transport: str = "http") -> RequestKey | None:
        """What a request asks for; None when it cannot be read."""

    def summarize_request(self, request: bytes) -> str:
        """Window and parameters in one line, without credentials; empty when unreadable."""
        found = {path.partition(".")[2]: value for path, value in self.read_fields(request).items()}
        start, end = (found.pop(name, None) for name in self.window_fields)
        window = f"{'' if start is None else start} … {'' if end is None else end}".strip()
        parts = [window] if window != "…" else []
        size = len(window)
        for name, value in found.items():
            if name and name not in self.secret_fields:
                parts.append(" ".join(f"{name} {self.describe_value(name, value)}".split()))
                size += len(parts[-1])
            if size > _MAX_SUMMARY_CHARS:
                break
        return shorten_text(" ".join(", ".join(parts).split()), _MAX_SUMMARY_CHARS)

    def describe_value(self, name: str, value: object) -> str:
        return str(value)

    @abstractmethod
    def summarize_response(self, response: bytes) -> ResponseSummary:
        """Of a whole response; empty when it cannot be read."""

    def guess_transport(self, request: bytes) -> str:
        return "http"

    def classify_request(
        self, method: str, path: str, query: str, endpoint_path: str
    ) -> tuple[str, bool]:
        """Operation, ``""`` when it is in the body; and whether the contract has the request."""
        if method == "POST" and endpoint_path in ("", path.rstrip("/")):
            return "", True
        return path, False

    # Validation

    @abstractmethod
    def preload_validator(self, contract: str) -> None:
        """Load what validation needs, so that the first message does not wait for it."""

    @abstractmethod
    def validate_request(self, exchange: WireExchange, contract: str) -> ValidationResult: ...

    @abstractmethod
    def validate_response(self, exchange: WireExchange, contract: str) -> ValidationResult: ...

    def check_endpoint(self, url: str, credential: str) -> None:  # noqa: B027
        """``SettingsError`` when it cannot be checked with this ``credential_option``."""

    # Masking

    @abstractmethod
    def load_harmless_fields(self) -> HarmlessFields:
        """What of its messages may be written without a mask."""

    # Replay

    @abstractmethod
    def replay_reply(self, exchange: Exchange, recorded: WireExchange) -> Reply | None:
        """The recorded response as this request gets it; None when it cannot be sent so."""

    @abstractmethod
    def no_match_reply(self, exchange: Exchange, text: str) -> Reply: ...

    @abstractmethod
    async def find_refusal(self, exchange: Exchange) -> Reply | None:
        """The error of a request that the contract refuses, whoever sends it; else None.

        Also None of an operation that is not served. Violations are added to the exchange.
        """

    @abstractmethod
    def make_row_reader(self) -> RowReader:
        """How rows of its recorded answers are served in other portions."""

    def unreadable_reply(self, exchange: Exchange) -> Reply | None:
        """The error for a request that cannot be read; None when there is no own one for that."""
        return None

    # Errors

    @abstractmethod
    def list_errors(self) -> Mapping[str, tuple[str, ...]]:
        """The errors ``error_reply`` can make, with the names that ``params`` of each may have."""

    @abstractmethod
    def error_reply(self, exchange: Exchange, name: str, params: Mapping[str, str]) -> Reply:
        """An error in the provider's own shape; ``KeyError`` when it has none of that name."""

    @abstractmethod
    def unavailable_reply(self, exchange: Exchange, text: str) -> Reply:
        """The shared state cannot be reached."""

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
