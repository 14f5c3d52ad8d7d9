"""What the learners of all providers share: experiments, run as the probes of a check.

::

    experiments ── requests ── exchanges ── deciders ── sightings ── decisions
    a recording ─────────────────┘
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from callmocks.provider.base import WireExchange
from callmocks.verification.decisions import Decision, Sighting, decide_all
from callmocks.verification.http_client import HttpResponse
from callmocks.verification.runner import ProbeStep, ProviderCheck, StopCheck

Experiment = ProbeStep


class Learner(ProviderCheck):
    """Stands before the provider's check among the bases, whose transport and login it uses."""

    reasons: ClassVar[Mapping[str, str]]  # why an assumption that no answer shows is undecided
    max_requests: ClassVar[int]

    def prepare(self) -> None:
        super().prepare()
        self.exchanges: list[WireExchange] = []
        self.own_sightings: list[Sighting] = []  # what shows in no recorded exchange

    def probe_steps(self) -> list[ProbeStep]:
        return self.list_experiments()

    def list_experiments(self) -> list[Experiment]:
        raise NotImplementedError

    def find_sightings(self) -> Iterator[Sighting]:
        raise NotImplementedError

    async def send_request(
        self, operation: str, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> HttpResponse:
        if len(self.exchanges) >= self.max_requests:
            raise StopCheck(f"{self.max_requests} requests were sent")
        response = await super().send_request(operation, method, url, headers, body)
        seen = (operation, body, response.body, response.status)
        self.exchanges.append(WireExchange(*seen, "http", response.headers.get("Content-Type", "")))
        return response

    def decide(self) -> list[Decision]:
        """After the experiments have run."""
        skipped = {
            f"{self.provider.name}.{probe.name}": self.report.describe(probe.skipped)
            for probe in self.report.probes
            if probe.skipped
        }
        reasons = {**self.reasons, **skipped}
        return decide_all(self.provider.name, self.find_sightings(), reasons, self.choices)
