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

from callmocks.contract.findings import Verdict
from callmocks.errors import CheckError
from callmocks.verification.http_client import Got, NoAnswerError, Wire
from callmocks.verification.report import Probe, Report, Sent

SILENCES = 2
"""Requests without a proper answer, one after the other, after which a check gives up."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be checked, and as whom. Empty texts were not given."""

    url: str
    login: str = ""
    password: str = ""
    token: str = ""
    cookie: str = ""
    user_id: int | None = None
    day: date | None = None
    transports: tuple[str, ...] = ("http", "websocket")
    seconds: float = 10.0
    tls: ssl.SSLContext | bool = True

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no report may show."""
        return (self.login, self.password, self.token, self.cookie, self.cookie.partition("=")[2])


_ELSEWHERE = (301, 302, 303, 307, 308)
_NOT_HERE = (404, 405)


class SkipError(Exception):
    """A probe has nothing to look at; the text says what is missing."""


class StopError(Exception):
    """No more requests: a limit is reached."""


class BrokenError(Exception):
    """An answer was no use to its probe, which has a finding already."""


Step = tuple[str, str, Callable[[Probe], Awaitable[None]]]


class Check:
    """What the checks of the three providers share."""

    provider = ""
    example = ""
    """What its addresses look like."""

    def __init__(self, target: Target, wire: Wire) -> None:
        self.target = target
        self.wire = wire
        self.report = Report(self.provider, target.url, target.secrets)
        self._silences = 0

    def steps(self) -> Sequence[Step]:
        """The probes: name, what is looked at, how."""
        raise NotImplementedError

    async def finish(self) -> None:
        """Leave nothing behind."""

    async def run(self) -> Report:
        """Make all probes. ``CheckError`` when the endpoint could not be checked at all."""
        try:
            for name, title, step in self.steps():
                probe = self.report.begin(name, title)
                if self.report.stopped:
                    probe.skipped = "not looked at any more"
                else:
                    await self._one(probe, step)
            if not self.report.stopped:
                with suppress(NoAnswerError, BrokenError, StopError, SkipError, CheckError):
                    await self.finish()
        except StopError as why:
            raise CheckError(f"{self.target.url}: nothing could be checked: {why}") from None
        return self.report

    async def _one(self, probe: Probe, step: Callable[[Probe], Awaitable[None]]) -> None:
        try:
            await step(probe)
        except SkipError as why:
            probe.skipped = str(why)
        except BrokenError:
            pass
        except StopError as why:
            if len(self.report.probes) == 1:
                raise
            probe.skipped = self.report.stopped = str(why)
        except CheckError as why:
            if not self.report.findings:
                raise
            self.report.stopped = str(why)
        except NoAnswerError:
            if self._silences >= SILENCES:
                self.report.stopped = "the endpoint does not answer properly"

    async def send(
        self,
        probe: Probe,
        operation: str,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
    ) -> Got:
        """Ask over HTTP; an answer that does not come properly is a finding of the probe."""
        try:
            got = await self.wire.send(method, url, headers, body)
        except NoAnswerError as error:
            self.silence(probe, operation, str(error))
            raise
        self._silences = 0
        if not self.report.sent:
            self.mistaken(url, got.status, got.headers.get("Location", ""))
        self.note(probe, operation, str(got.status))
        return got

    def mistaken(self, url: str, status: int, location: str = "") -> None:
        """``CheckError`` when the very first answer says that the address is a mistake."""
        if status in _ELSEWHERE and location:
            raise CheckError(f"{url} answers {status} and leads to {location}: check that address")
        if status in _NOT_HERE:
            raise CheckError(f"{url} answers {status}: wrong path? URL is like {self.example}")

    def silence(self, probe: Probe, operation: str, did: str) -> None:
        """Note that no proper answer came."""
        self._silences += 1
        self.note(probe, operation, did)
        probe.add(f"connection ({operation})", "an answer", did)

    def note(self, probe: Probe, operation: str, outcome: str) -> None:
        """Note a request in the list of what was done."""
        self.report.sent.append(Sent(probe.name, operation, outcome))

    def judged(self, probe: Probe, verdict: Verdict, operation: str) -> None:
        """Take the findings of an answer over; what is tolerated is told once, at the end."""
        self.report.tolerated.take(each for each in verdict.findings if each.tolerated)
        probe.findings.take(verdict.counted, f"{operation}: ")
