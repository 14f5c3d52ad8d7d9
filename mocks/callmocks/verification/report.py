"""The result of a check, without credentials and anybody's values.

An endpoint may repeat them anywhere, so every text is redacted.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from callmocks.contract.findings import Evidence, Finding, Findings
from callmocks.provider.base import Provider
from callmocks.verification.redaction import FindingRedactor

REFUSAL_PROBES = ("errors", "frame-errors")  # probes whose requests a provider must refuse
REDACTED = "•••"
COMPARE = "compare"
FINDING_TEXTS = ("where", "expected", "got")


class SentRequest(msgspec.Struct):
    probe: str
    operation: str
    outcome: str  # HTTP status, status of a frame, or what came instead of an answer


@dataclass
class Probe:
    """One aspect of the contract. ``skipped`` is the reason why it was not checked."""

    name: str
    title: str
    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    is_cut_short: bool = False  # it could not go on with an answer
    operation: str = ""  # of a comparison, the probe of whose findings is `compare`

    @property
    def is_whole(self) -> bool:
        return not self.skipped and not self.is_cut_short

    def add(
        self,
        where: str,
        expected: str,
        got: object,
        evidence: Evidence = "documented",
        assumption: str | None = None,
    ) -> None:
        self.findings.add(where, expected, got, evidence, assumption)

    @property
    def id_start(self) -> str:
        """Behind the provider, of the ids of all its findings."""
        return f"{COMPARE}/{self.operation}/" if self.operation else f"{self.name}/"

    def identify(self, finding: Finding, provider: str) -> Finding:
        if not self.operation:
            return finding.with_id(provider, self.name)
        path = finding.where.removeprefix(f"{self.operation}: ").replace(": ", " ")
        named = msgspec.structs.replace(finding, where=path)
        id = named.with_id(provider, COMPARE, self.operation).id
        return msgspec.structs.replace(finding, id=id)

    @property
    def outcome(self) -> str:
        """``findings``, ``skipped`` or ``ok``."""
        return "findings" if len(self.findings) else "skipped" if self.skipped else "ok"


class CheckReport:
    def __init__(self, provider: Provider, url: str, secrets: Iterable[str] = ()) -> None:
        self.provider = provider
        self.url = url
        self.probes: list[Probe] = []
        self.sent: list[SentRequest] = []
        self.tolerated = Findings()  # deviations that the vendor's own example has too
        self.stopped = ""  # why the rest of the probes was skipped
        self.command = "check"
        self.left_out: Counter[tuple[str, str]] = Counter()  # recorded requests, and why
        fields = provider.load_harmless_fields()
        self._redactor = FindingRedactor(fields)
        self._protocol_words = fields.names | {""}  # are shown, whatever a credential is
        self._secrets = set(secrets) - self._protocol_words

    def add_secret(self, secret: str) -> None:
        self._secrets |= {secret} - self._protocol_words

    def list_findings(self, probe: Probe) -> list[Finding]:
        """As they are reported: without credentials, each with its id."""
        redacted = map(self._redact_finding, probe.findings)
        return [probe.identify(finding, self.provider.name) for finding in redacted]

    @property
    def finding_count(self) -> int:
        return sum(len(probe.findings) for probe in self.probes)

    def describe(self, text: str) -> str:
        """A sentence about the endpoint, which may quote it."""
        return self._redactor.redact_text(self._redact_secrets(text), "sentence")

    def list_tolerated(self) -> list[Finding]:
        return list(map(self._redact_finding, self.tolerated))

    def leave_out(self, operation: str, reason: str) -> None:
        self.left_out[operation, reason] += 1

    def summarize_requests(self) -> str:
        counts = Counter(
            "requests that must be refused" if sent.probe in REFUSAL_PROBES else sent.operation
            for sent in self.sent
        )
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{len(self.sent)} requests, none of which changes data" + (listed and f": {listed}")

    def _redact_finding(self, finding: Finding) -> Finding:
        texts = {name: self._redact_secrets(getattr(finding, name)) for name in FINDING_TEXTS}
        return self._redactor.redact(msgspec.structs.replace(finding, **texts))

    def _redact_secrets(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", REDACTED, text)
        return " ".join(text.split())
