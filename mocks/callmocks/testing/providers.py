from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from callmocks.contract.connections import Connection, EndMethod
from callmocks.contract.expectations import Expectation
from callmocks.contract.journal import JournalEntry
from callmocks.contract.json_model import from_json
from callmocks.contract.similar_names import find_similar_name
from callmocks.errors import AdminError
from callmocks.testing.expectations import format_violations
from callmocks.testing.fault_handle import FaultHandle
from callmocks.testing.hidden_frames import hide_frame
from callmocks.testing.operations import TenantOperations

if TYPE_CHECKING:
    from callmocks.testing.tenant import TenantHandle

__tracebackhide__ = hide_frame
_SERVICE_PATH = "service/cc/arm"  # of commands and of the websocket, below the domain
_RESULT_CODE = "INTERNAL_ERROR"
_JSON_SCALARS = (str, int, float, bool)


class ProviderHandle(TenantOperations):
    name: ClassVar[str]
    _datetime_format: ClassVar[str]

    def __init__(self, tenant: TenantHandle, access: Mapping[str, Any]) -> None:
        self.tenant = tenant
        self.url: str = access["url"]

    def __repr__(self) -> str:
        return f"<callmocks {self.name} of tenant {self.tenant.name!r} at {self.url}>"

    def fault(
        self,
        kind: str,
        /,
        *,
        operation: str | None = None,
        times: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        unlisted: bool = False,
        **params: Any,
    ) -> FaultHandle:
        """Enable a fault, for ``times`` answers or until it is removed.

        It concerns requests for ``operation`` alone, which is one of the contract unless
        ``unlisted``, after the first ``skip`` ones. ``params`` are the kind's own. ``AdminError``
        says which kinds, operations, parameters and values there are.
        """
        if self._is_error(kind):
            raise AdminError(f"{self.name} has no fault {kind!r}; use fail_next({kind!r})")
        return self._enable_fault(kind, params, operation, times, skip, probability, unlisted)

    def _enable_fault(self, kind: str, params: Mapping[str, Any], *scope: object) -> FaultHandle:
        names = ("operation", "times", "skip", "probability", "unlisted")
        body: dict[str, object] = {"provider": self.name, "fault": kind, "params": params}
        given = zip(names, scope, strict=True)
        body |= {name: value for name, value in given if value is not None}
        handle = FaultHandle(self.tenant, self.tenant.request("POST", "faults", body))
        if "times" in body:
            self.tenant.control.tenants_with_counted_faults.add(self.tenant.name)
        return handle

    def fail_next(
        self,
        error: str | int,
        /,
        *,
        times: int = 1,
        operation: str | None = None,
        skip: int = 0,
        unlisted: bool = False,
        **params: Any,
    ) -> FaultHandle:
        """Make the next request fail.

        By a kind of fault, with an error of the provider, or with a status such as 503 and its name
        as the body.
        """
        if not isinstance(error, int | str):
            raise AdminError(f"fail_next takes an error, a fault or a status, not {error!r}")
        if isinstance(error, int):
            phrases = {status.value: status.phrase for status in HTTPStatus}
            text = phrases.get(error, "error")  # instead of a result with that status
            kind, params = "status", {"status": int(error), "body": text, **params}
        elif error in self.tenant.control.fault_kinds:
            kind = error
        else:
            kind, params = self._fault_of_error(error, params)
        scope = (operation, times, skip, 1.0, unlisted)
        return self._enable_fault(kind, params, *scope)

    def expect(
        self,
        operation: str | None = None,
        /,
        *,
        times: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        status: int | None = None,
        violations: bool | None = None,
        headers: Mapping[str, str | None] | None = None,
        request: Mapping[str, object] | None = None,
        unlisted: bool = False,
        **params: Any,
    ) -> Expectation:
        """The requests of ``assert_called``, for ``Tenant.verify``."""
        expected = self._make_expectation(
            operation,
            (times, at_least, at_most),
            status=status,
            violations=violations,
            headers=headers,
            request=request,
            unlisted=unlisted,
            **params,
        )
        self.tenant.check_expectation(expected)
        return expected

    def _make_expectation(
        self,
        operation: str | None,
        counts: tuple[int | None, int | None, int | None],
        *,
        status: int | None = None,
        violations: bool | None = None,
        headers: Mapping[str, str | None] | None = None,
        request: Mapping[str, object] | None = None,
        unlisted: bool = False,
        **params: Any,
    ) -> Expectation:
        fields = {self._field_path(operation, name): value for name, value in params.items()}
        fields |= request or {}
        encoded = {name: self._encode_value(value) for name, value in fields.items()}
        sent = dict(headers or {})
        return Expectation(
            self.name, operation, status, encoded, violations, sent, *counts, unlisted=unlisted
        )

    def assert_called(
        self,
        operation: str | None = None,
        /,
        *,
        times: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        status: int | None = None,
        violations: bool | None = None,
        headers: Mapping[str, str | None] | None = None,
        request: Mapping[str, object] | None = None,
        unlisted: bool = False,
        **params: Any,
    ) -> None:
        """``AssertionError`` unless such requests came: at least one when no count is given.

        ``params`` are parameters of the operation, as the client sends them or as times; None
        means that the parameter is absent. What is not named may have any value. ``request`` names
        fields by their paths (``{"jsonrpc": "2.0"}``), ``headers`` have whole values or None for
        an absent one, ``status`` is that of the answer, ``violations`` whether the request broke
        the contract. ``AdminError`` for an operation or a parameter that the contract does not
        have, unless ``unlisted``.
        """
        expected = self._make_expectation(
            operation,
            (times, at_least, at_most),
            status=status,
            violations=violations,
            headers=headers,
            request=request,
            unlisted=unlisted,
            **params,
        )
        self.tenant.verify(expected)

    def assert_not_called(
        self,
        operation: str | None = None,
        /,
        *,
        headers: Mapping[str, str | None] | None = None,
        request: Mapping[str, object] | None = None,
        unlisted: bool = False,
        **params: Any,
    ) -> None:
        """``AssertionError`` if such a request came; names are checked as by ``assert_called``."""
        never = (0, None, None)
        expected = self._make_expectation(
            operation, never, headers=headers, request=request, unlisted=unlisted, **params
        )
        self.tenant.verify(expected)

    def assert_no_violations(self) -> None:
        """``AssertionError`` if a request to this provider broke the contract, saying where."""
        text = format_violations(self.name, self.exchanges())
        if text:
            raise AssertionError(text)

    def exchanges(
        self, operation: str | None = None, *, unlisted: bool = False
    ) -> list[JournalEntry]:
        return self.tenant.exchanges(operation, provider=self.name, unlisted=unlisted)

    def _fault_of_error(self, error: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def _is_error(self, kind: str) -> bool:
        """Whether it is what ``fail_next`` takes and ``fault`` does not."""
        if not isinstance(kind, str) or kind in self.tenant.control.fault_kinds:
            return isinstance(kind, int)
        try:
            self._fault_of_error(kind, {})
        except AdminError:
            return False
        return True

    def _unknown_error(self, error: str, summary: str, *errors: str) -> AdminError:
        every = self.tenant.control.fault_kinds.values()
        kinds = [kind["fault"] for kind in every if self.name in kind["providers"]]
        near = find_similar_name(error, (*errors, *kinds))
        known = f"use {summary}, a status such as 503, or one of {', '.join(kinds)}"
        hint = f"; did you mean {near}?" if near else ""
        if error.isdecimal():
            hint = f"; did you mean {error} without quotes?"
        return AdminError(f"{self.name} has no error {error!r}: {known}{hint}")

    def _field_path(self, operation: str | None, name: str) -> str:
        raise NotImplementedError

    def _encode_value(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {str(name): self._encode_value(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._encode_value(each) for each in value]
        if isinstance(value, date):  # a datetime is one too
            return self._format_datetime(value)
        return value if value is None or isinstance(value, _JSON_SCALARS) else str(value)

    def _format_datetime(self, value: date) -> str:
        time = value if isinstance(value, datetime) else datetime(*value.timetuple()[:3])
        if time.tzinfo is not None:
            raise AdminError(f"{value} has an offset; the tenant's wall clock has none")
        return time.strftime(self._datetime_format)

    def _get_tenant(self) -> TenantHandle:
        return self.tenant


@dataclass(frozen=True, slots=True)
class OperatorHandle:
    """An operator's internal number and password for the ARM."""

    number: str
    password: str


class Arm(ProviderHandle):
    """The ARM of a tenant; ``url`` has no path."""

    name = "arm"
    _datetime_format = "%Y/%m/%d %H:%M:%S"

    def __init__(self, tenant: TenantHandle, access: Mapping[str, Any]) -> None:
        super().__init__(tenant, access)
        self.domain: str = access["domain"]
        pairs = ((each["number"], each["password"]) for each in access["operators"])
        self.operators = tuple(OperatorHandle(*pair) for pair in pairs)

    @property
    def service_url(self) -> str:
        """Where commands are posted: ``{service_url}/operator_call_history``."""
        return f"{self.url}/{self.domain}/{_SERVICE_PATH}"

    @property
    def websocket_url(self) -> str:
        return f"ws{self.service_url.removeprefix('http')}"

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The open websockets, oldest first."""
        return self._decode_connections(self.tenant.request("GET", "connections"))

    def drop(
        self, connection: Connection | None = None, /, *, how: EndMethod = "close"
    ) -> tuple[Connection, ...]:
        """End a websocket, or all, and return those that were open.

        ``close`` sends a close frame with code 1001, ``reset`` resets the TCP connection.
        """
        if connection is None:
            return self._decode_connections(
                self.tenant.request("DELETE", f"connections?how={quote(how)}")
            )
        try:
            self.tenant.request("DELETE", f"connections/{connection.id}?how={quote(how)}")
        except AdminError as error:
            if error.status != 404:
                raise
            return ()
        return (connection,)

    def _decode_connections(self, answer: Mapping[str, Any]) -> tuple[Connection, ...]:
        return tuple(from_json(Connection, raw) for raw in answer["connections"])

    def _fault_of_error(self, error: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if error == "cannot_perform_cmd":
            return "command_error", params
        raise self._unknown_error(error, "cannot_perform_cmd", "cannot_perform_cmd")

    def _field_path(self, operation: str | None, name: str) -> str:
        return f"{'request' if operation == 'login' else 'filters'}.{name}"


class Cdr(ProviderHandle):
    """The Data API of a tenant; ``url`` ends with ``/v2.0``."""

    name = "cdr"
    _datetime_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self, tenant: TenantHandle, access: Mapping[str, Any]) -> None:
        super().__init__(tenant, access)
        self.login: str = access["login"]
        self.password: str = access["password"]
        self.token: str = access["token"]  # the static key, good without a login

    def _fault_of_error(self, error: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        shape = self.tenant.control.fault_kinds["rpc_error"]["params"]["properties"]["mnemonic"]
        if error not in shape["enum"]:
            raise self._unknown_error(error, f"one of {', '.join(shape['enum'])}", *shape["enum"])
        texts = {name: str(value) for name, value in params.items()}
        return "rpc_error", {"mnemonic": error, "params": texts}

    def _field_path(self, operation: str | None, name: str) -> str:
        return f"params.{name}"


class Onec(ProviderHandle):
    """1C-Connect of a tenant; ``url`` is the service's, ``url`` and ``?wsdl`` the WSDL's."""

    name = "onec"
    _datetime_format = "%Y-%m-%dT%H:%M:%S"

    def __init__(self, tenant: TenantHandle, access: Mapping[str, Any]) -> None:
        super().__init__(tenant, access)
        self.user: str = access["user"]
        self.password: str = access["password"]

    @property
    def wsdl_url(self) -> str:
        return f"{self.url}?wsdl"

    def _fault_of_error(self, error: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if error.isupper():
            return "result_code", {"code": error, **params}
        summary = f"a ResultCode in capitals such as {_RESULT_CODE}"
        raise self._unknown_error(error, summary, _RESULT_CODE)

    def _field_path(self, operation: str | None, name: str) -> str:
        return f"Params.{name}"
