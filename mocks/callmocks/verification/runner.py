"""Runs the probes of a check one after the other, and stops early when it has to.

::

    run_probes ── for each probe ── requests ── validate ── findings
                     │                 └── limit reached, no responses ── stop: skip the rest
                     └── no data ── skip
"""

import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from callmocks.contract.findings import ValidationResult
from callmocks.errors import CheckError
from callmocks.provider.base import Provider
from callmocks.verification.http_client import HttpClient, HttpResponse, NoResponseError
from callmocks.verification.report import CheckReport, Probe, SentRequest

MAX_UNANSWERED = 2  # requests in a row without a whole response after which the check stops
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
WRONG_PATH_STATUSES = (404, 405)


@dataclass(frozen=True, slots=True)
class CheckTarget:
    url: str
    login: str = ""
    password: str = ""
    token: str = ""
    cookie: str = ""
    user_id: int | None = None
    day: date | None = None
    transports: tuple[str, ...] = ("http", "websocket")
    timeout: float = 10.0
    tls: ssl.SSLContext | bool = True

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.login, self.password, self.token, self.cookie, self.cookie.partition("=")[2])


class EndOfProbe(Exception):
    """The probe cannot go on with a response; it has a finding already."""


class SkipProbe(EndOfProbe):
    """The endpoint has no data for this probe; the text says what is missing."""


class StopCheck(EndOfProbe):
    """No more requests may be sent: a limit is reached."""


ProbeStep = tuple[str, str, Callable[[], Awaitable[None]]]  # name, title, function


class ProviderCheck:
    provider: ClassVar[Provider]
    example_url: ClassVar[str]
    too_few_rows: ClassVar[str]  # why a probe is skipped that needs more rows than the endpoint has
    probe: Probe  # the one that is running
    rows: Sequence[object] = ()

    def __init__(self, target: CheckTarget, http_client: HttpClient) -> None:
        self.target = target
        self.http_client = http_client
        self.report = CheckReport(self.provider, target.url, target.secrets)
        self._unanswered = 0
        self.prepare()

    def prepare(self) -> None:
        """Set up what the probes share."""

    def basic_header(self) -> str:
        """The value of ``Authorization`` for HTTP Basic, which no report shows."""
        credentials = b64encode(f"{self.target.login}:{self.target.password}".encode()).decode()
        self.report.add_secret(credentials)
        return f"Basic {credentials}"

    def require_rows(self, count: int = 1) -> None:
        if len(self.rows) < count:
            raise SkipProbe(self.too_few_rows)

    def probe_steps(self) -> Sequence[ProbeStep]:
        raise NotImplementedError

    async def log_out(self) -> None:
        """End the session that the check has opened, if any."""

    async def run_probes(self) -> CheckReport:
        """``CheckError`` when the endpoint could not be checked at all."""
        try:
            for name, title, step in self.probe_steps():
                self.probe = Probe(name, title)
                self.report.probes.append(self.probe)
                if self.report.stopped:
                    self.probe.skipped = "skipped after the stop"
                else:
                    await self._run_probe(step)
            if not self.report.stopped:
                self.probe = self.report.probes[0]
                with suppress(NoResponseError, EndOfProbe, CheckError):
                    await self.log_out()
        except StopCheck as reason:
            raise CheckError(f"{self.target.url}: nothing could be checked: {reason}") from None
        return self.report

    async def _run_probe(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except SkipProbe as reason:
            self.probe.skipped = str(reason)
        except StopCheck as reason:
            if len(self.report.probes) == 1:
                raise
            self.probe.skipped = self.report.stopped = str(reason)
        except CheckError as reason:
            if not self.report.finding_count:
                raise
            self.report.stopped = str(reason)
        except EndOfProbe:
            pass
        except NoResponseError:
            if self._unanswered >= MAX_UNANSWERED:
                self.report.stopped = "the endpoint does not answer properly"

    async def send_request(
        self, operation: str, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> HttpResponse:
        """``NoResponseError`` after it is noted as a finding of the probe."""
        try:
            response = await self.http_client.send_request(method, url, headers, body)
        except NoResponseError as error:
            self.record_no_answer(operation, str(error))
            raise
        self._unanswered = 0
        if not self.report.sent:
            self.raise_if_wrong_url(url, response.status, response.headers.get("Location", ""))
        self.record_request(operation, str(response.status))
        return response

    def raise_if_wrong_url(self, url: str, status: int, location: str = "") -> None:
        """``CheckError`` when the first response of all shows that the address is wrong."""
        if status in REDIRECT_STATUSES and location:
            raise CheckError(f"{url} answers {status} and leads to {location}: check that address")
        if status in WRONG_PATH_STATUSES:
            raise CheckError(f"{url} answers {status}: wrong path? URL is like {self.example_url}")

    def record_no_answer(self, operation: str, outcome: str) -> None:
        self._unanswered += 1
        self.record_request(operation, outcome)
        self.probe.add(f"{operation}: connection", "an answer", outcome)

    def record_request(self, operation: str, outcome: str) -> None:
        self.report.sent.append(SentRequest(self.probe.name, operation, outcome))

    def add_result(self, result: ValidationResult, operation: str) -> None:
        """Tolerated findings are listed once, at the end of the report."""
        self.report.tolerated.add_all(each for each in result.findings if each.tolerated)
        self.probe.findings.add_all(result.failures, f"{operation}: ")
