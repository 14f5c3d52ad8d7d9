"""Runs the probes of a check one after the other, and stops early when it has to.

::

    run_probes ── for each probe ── requests ── validate ── findings
                     │                 └── limit reached, no responses ── stop: skip the rest
                     └── no data ── skip
"""

import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

from callmocks.config.types import PROVIDER_TITLES
from callmocks.contract.assumptions import Assumptions
from callmocks.contract.findings import ValidationResult
from callmocks.errors import CheckError
from callmocks.provider.base import Provider
from callmocks.verification.foreign_answers import HTTP_LOGIN, identify_answer
from callmocks.verification.http_client import HttpClient, HttpResponse, NoResponseError
from callmocks.verification.report import CheckReport, Probe, SentRequest

MAX_UNANSWERED = 2  # requests in a row without a whole response after which the check stops
FOREIGN_ANSWERS = 2  # so many in a row at the start are no accident
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
WRONG_PATH_STATUSES = (404, 405)
TRANSPORTS = ("http", "websocket")


@dataclass(frozen=True, slots=True)
class CheckTarget:
    url: str
    login: str = ""
    password: str = ""
    token: str = ""
    cookie: str = ""
    user_id: int | None = None
    day: date | None = None
    transports: tuple[str, ...] = TRANSPORTS
    assumptions: Assumptions = field(default_factory=Assumptions)  # it is judged by
    websocket_path: str = ""  # ARM: instead of the assumed one
    timeout: float = 10.0
    tls: ssl.SSLContext | bool = True

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.login, self.password, self.token, self.cookie, self.cookie.partition("=")[2])


class WrongEndpoint(CheckError):
    """It is positively something else: no finding about it makes sense."""


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
    has_http_login: ClassVar[bool] = True  # whether it may ask for HTTP credentials
    too_few_rows: ClassVar[str]  # why a probe is skipped that needs more rows than the endpoint has
    probe: Probe  # the one that is running
    row_probes: ClassVar[tuple[str, ...]]  # those that need rows to look at
    rows: Sequence[object] = ()

    def __init__(self, target: CheckTarget, http_client: HttpClient) -> None:
        self.target = target
        self.http_client = http_client
        self.choices = target.assumptions.choices
        self.report = CheckReport(self.provider, target.url, target.secrets)
        self._unanswered = 0
        self._foreign: list[str] = []  # what the first responses were instead of this provider's
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
            shown = self.report.describe(str(reason))
            raise CheckError(f"{self.target.url}: nothing could be checked: {shown}") from None
        return self.report

    async def _run_probe(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            with self.end_early():
                await step()
        except SkipProbe as reason:
            self.probe.skipped = str(reason)
        except StopCheck as reason:
            if len(self.report.probes) == 1:
                raise
            self.probe.skipped = self.report.stopped = str(reason)

    def has_results(self) -> bool:
        """Whether a report makes sense although the check ends early."""
        return self.report.finding_count > 0

    @contextmanager
    def end_early(self) -> Iterator[None]:
        """Around a step: what ends it cuts its probe short, and may stop the check.

        ``CheckError`` when there is nothing to report yet; ``SkipProbe`` and ``StopCheck`` pass.
        """
        try:
            yield
        except (SkipProbe, StopCheck):
            raise
        except CheckError as reason:
            if isinstance(reason, WrongEndpoint) or not self.has_results():
                raise
            self.probe.is_cut_short = True
            self.report.stopped = str(reason)
        except EndOfProbe:
            self.probe.is_cut_short = True
        except NoResponseError:
            self.probe.is_cut_short = True
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
        self._raise_if_foreign(url, response)
        if not self.report.sent:
            self.raise_if_wrong_url(url, response.status, response.headers.get("Location", ""))
        self.record_request(operation, str(response.status))
        return response

    def raise_if_wrong_url(self, url: str, status: int, location: str = "") -> None:
        """``CheckError`` when the first response of all shows that the address is wrong."""
        if status in REDIRECT_STATUSES and location:
            place = "".join(filter(str.isprintable, location.partition("?")[0]))
            raise CheckError(f"{url} answers {status} and leads to {place}: check that address")
        if status in WRONG_PATH_STATUSES:
            raise CheckError(f"{url} answers {status}: wrong path? URL is like {self.example_url}")

    def _raise_if_foreign(self, url: str, response: HttpResponse) -> None:
        """``WrongEndpoint`` when the first two responses are something else's."""
        if len(self._foreign) == len(self.report.sent) < FOREIGN_ANSWERS:
            found = identify_answer(response.body)
            if not self.has_http_login and "WWW-Authenticate" in response.headers:
                found = HTTP_LOGIN
            if found and found != self.provider.title:
                self._foreign.append(found)
        if len(self._foreign) == FOREIGN_ANSWERS:
            answer = self._foreign[-1]
            own = answer in PROVIDER_TITLES.values()
            text = f"answers as {answer} does" if own else f"answers with a {answer}"
            raise WrongEndpoint(f"{url} {text}, not as {self.provider.title}: wrong address?")

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
