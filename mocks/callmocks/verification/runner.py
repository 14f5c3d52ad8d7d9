"""The frame of every check: probes one after the other, and the reasons to stop early.

::

    run ── for each probe ── requests ── judge ── findings
              │                 └── limit, silence ── stop: the rest is skipped
              └── nothing to look at ── skipped
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from callmocks.contract.findings import ValidationResult
from callmocks.errors import CheckError
from callmocks.verification.http_client import HttpClient, HttpResponse, NoResponseError
from callmocks.verification.report import CheckReport, Probe, SentRequest

MAX_UNANSWERED = 2
"""Requests without a proper answer, one after the other, after which a check gives up."""


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """What is to be checked, and as whom. Empty texts were not given."""

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
        """What no report may show."""
        return (self.login, self.password, self.token, self.cookie, self.cookie.partition("=")[2])


REDIRECT_STATUSES = (301, 302, 303, 307, 308)
WRONG_PATH_STATUSES = (404, 405)


class SkipProbeError(Exception):
    """A probe has nothing to look at; the text says what is missing."""


class StopCheckError(Exception):
    """No more requests: a limit is reached."""


class UnusableResponseError(Exception):
    """An answer was no use to its probe, which has a finding already."""


ProbeStep = tuple[str, str, Callable[[Probe], Awaitable[None]]]


class ProviderCheck:
    """What the checks of the three providers share."""

    provider = ""
    example_url = ""
    """What its addresses look like."""

    def __init__(self, target: CheckTarget, http_client: HttpClient) -> None:
        self.target = target
        self.http_client = http_client
        self.report = CheckReport(self.provider, target.url, target.secrets)
        self._unanswered = 0

    def probe_steps(self) -> Sequence[ProbeStep]:
        """The probes: name, what is looked at, how."""
        raise NotImplementedError

    async def log_out(self) -> None:
        """Leave nothing behind."""

    async def run_probes(self) -> CheckReport:
        """Make all probes. ``CheckError`` when the endpoint could not be checked at all."""
        try:
            for name, title, step in self.probe_steps():
                probe = self.report.start_probe(name, title)
                if self.report.stopped:
                    probe.skipped = "not looked at any more"
                else:
                    await self._run_probe(probe, step)
            if not self.report.stopped:
                with suppress(
                    NoResponseError,
                    UnusableResponseError,
                    StopCheckError,
                    SkipProbeError,
                    CheckError,
                ):
                    await self.log_out()
        except StopCheckError as why:
            raise CheckError(f"{self.target.url}: nothing could be checked: {why}") from None
        return self.report

    async def _run_probe(self, probe: Probe, step: Callable[[Probe], Awaitable[None]]) -> None:
        try:
            await step(probe)
        except SkipProbeError as why:
            probe.skipped = str(why)
        except UnusableResponseError:
            pass
        except StopCheckError as why:
            if len(self.report.probes) == 1:
                raise
            probe.skipped = self.report.stopped = str(why)
        except CheckError as why:
            if not self.report.finding_count:
                raise
            self.report.stopped = str(why)
        except NoResponseError:
            if self._unanswered >= MAX_UNANSWERED:
                self.report.stopped = "the endpoint does not answer properly"

    async def send_request(
        self,
        probe: Probe,
        operation: str,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
    ) -> HttpResponse:
        """Ask over HTTP; an answer that does not come properly is a finding of the probe."""
        try:
            got = await self.http_client.send_request(method, url, headers, body)
        except NoResponseError as error:
            self.record_no_answer(probe, operation, str(error))
            raise
        self._unanswered = 0
        if not self.report.sent:
            self.raise_if_wrong_url(url, got.status, got.headers.get("Location", ""))
        self.record_request(probe, operation, str(got.status))
        return got

    def raise_if_wrong_url(self, url: str, status: int, location: str = "") -> None:
        """``CheckError`` when the very first answer says that the address is a mistake."""
        if status in REDIRECT_STATUSES and location:
            raise CheckError(f"{url} answers {status} and leads to {location}: check that address")
        if status in WRONG_PATH_STATUSES:
            raise CheckError(f"{url} answers {status}: wrong path? URL is like {self.example_url}")

    def record_no_answer(self, probe: Probe, operation: str, outcome: str) -> None:
        """Note that no proper answer came."""
        self._unanswered += 1
        self.record_request(probe, operation, outcome)
        probe.add(f"connection ({operation})", "an answer", outcome)

    def record_request(self, probe: Probe, operation: str, outcome: str) -> None:
        """Note a request in the list of what was done."""
        self.report.sent.append(SentRequest(probe.name, operation, outcome))

    def add_verdict(self, probe: Probe, verdict: ValidationResult, operation: str) -> None:
        """Take the findings of an answer over; what is tolerated is told once, at the end."""
        self.report.tolerated.add_all(each for each in verdict.findings if each.tolerated)
        probe.findings.add_all(verdict.failures, f"{operation}: ")
