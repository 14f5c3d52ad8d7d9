import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit
from weakref import finalize

from callmocks.contract.cached_property import cached_property
from callmocks.contract.urls import bracket_host
from callmocks.errors import AdminError
from callmocks.testing.hidden_frames import hide_frame
from callmocks.testing.kept_connections import KeptConnections

if TYPE_CHECKING:
    import http.client as http_client

    from callmocks.testing.unmet_faults import UnmetFault
else:
    # A copy: vcrpy puts its own classes into the module, and requests to control, which are the
    # test's and not its client's, would go into the cassette.
    _spec = find_spec("http.client")
    http_client = module_from_spec(_spec)
    _spec.loader.exec_module(http_client)

__tracebackhide__ = hide_frame
_TIMEOUT_SECONDS = 60.0  # a truth of many days takes long when they are not generated yet
EXPECTED_SERVICE = "the control address of a callmocks suite"


class _SingleWriteConnection(http_client.HTTPConnection):
    """Sends a request's head and body together: apart, each of them wakes the server."""

    _unsent = b""

    def send(self, data: Any) -> None:
        self._unsent += data

    def getresponse(self) -> http_client.HTTPResponse:
        unsent, self._unsent = self._unsent, b""
        super().send(unsent)
        return super().getresponse()


class _SecureSingleWriteConnection(_SingleWriteConnection, http_client.HTTPSConnection):
    pass


class AdminClient:
    """The admin API at an address such as ``http://127.0.0.1:8080``.

    An admin token goes in as the password: ``http://any:TOKEN@host:8080``. ``ca_pem`` is what to
    trust when the suite uses TLS with a CA of its own. Handles may be used from any thread:
    a connection is kept for the next request, and is another thread's as soon as it is not in use.
    """

    def __init__(self, url: str, ca_pem: bytes | None = None) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host:
            example = "http://127.0.0.1:8080"
            raise AdminError(f"{url!r} is not the address of a suite, such as {example}")
        self._host, self._port, self._path = host, port, parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._ca_pem = ca_pem
        address = bracket_host(host) + (f":{port}" if port else "")
        self.url = f"{parts.scheme}://{address}{self._path}"  # without the token
        # By name, until they are deleted.
        self.tenants_with_counted_faults: set[str] = set()
        self.faults_unmet_in_blocks: dict[str, list[UnmetFault]] = {}
        self._kept = KeptConnections()
        finalize(self, self._kept.close)
        self._headers: dict[str, str] = {}
        if parts.password:
            login = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
            self._headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self.request("GET", f"{path}?{urlencode(given)}" if given else path)

    def post(self, path: str, body: object = None) -> Any:
        return self.request("POST", path, body)

    def put(self, path: str, body: object) -> Any:
        return self.request("PUT", path, body)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """``AdminError`` when it is refused or cannot be sent."""
        sent = None if body is None else json.dumps(body, default=str).encode()
        headers = self._headers | ({} if sent is None else {"Content-Type": "application/json"})
        try:
            status, raw = self._exchange(method, self._path + path, sent, headers)
        except (OSError, http_client.HTTPException) as error:
            reason = error if str(error) else type(error).__name__
            raise AdminError(f"callmocks at {self.url} cannot be reached: {reason}") from None
        if status >= 400:
            raise AdminError(self._describe_problem(status, raw, path), status)
        if not raw:
            return None
        try:
            return json.loads(raw)
        except ValueError:
            raise AdminError(f"{self.url} is not {EXPECTED_SERVICE}") from None

    def close(self) -> None:
        """Close the connections that are kept; a later request opens one."""
        self._kept.close()

    def _exchange(self, *request: Any) -> tuple[int, bytes]:
        kept = self._kept.take()
        if kept is not None:
            try:
                return self._exchange_over(kept, *request)
            except ConnectionError:  # the server may have closed it meanwhile, or be gone
                if request[0] != "GET":  # it may have been carried out
                    raise
        return self._exchange_over(self._open_connection(), *request)

    def _exchange_over(
        self, connection: http_client.HTTPConnection, *request: Any
    ) -> tuple[int, bytes]:
        """Status and body."""
        try:
            connection.request(*request)
            answer = connection.getresponse()
            raw = answer.read()
        except BaseException:
            connection.close()
            raise
        self._kept.put(connection)
        return answer.status, raw

    @cached_property
    def fault_kinds(self) -> dict[str, dict[str, Any]]:
        """By name, as ``GET /api/faults`` describes them."""
        return {kind["fault"]: kind for kind in self.get("/api/faults")["faults"]}

    def _describe_problem(self, status: int, raw: bytes, path: str) -> str:
        try:
            text = str(json.loads(raw)["detail"])
        except (ValueError, KeyError, TypeError):
            return f"{self.url} is not {EXPECTED_SERVICE}: {path} was answered with {status}"
        if status == 401:
            with_token = self.url.replace("://", "://any:TOKEN@")
            text += f"; it goes into the address, as in {with_token}"
        return text

    def _open_connection(self) -> http_client.HTTPConnection:
        host, port, timeout = self._host, self._port, _TIMEOUT_SECONDS
        if self._secure:
            return _SecureSingleWriteConnection(
                host, port, timeout=timeout, context=self._ssl_context
            )
        return _SingleWriteConnection(host, port, timeout=timeout)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        cadata = self._ca_pem.decode() if self._ca_pem else None
        return ssl.create_default_context(cadata=cadata)
