"""The result of a check as text, JSON and JUnit XML, without credentials.

An endpoint may repeat them anywhere, so every text is redacted.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from lxml import etree

from callmocks.contract.findings import Evidence, Finding, Findings
from callmocks.contract.xml import replace_forbidden
from callmocks.provider.base import Provider
from callmocks.verification.redaction import FindingRedactor

REFUSAL_PROBES = ("errors", "frame-errors")  # probes whose requests a provider must refuse
REDACTED = "•••"
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
        self._secrets = set(secrets)
        self._redactor = FindingRedactor(provider.load_harmless_fields())

    def add_secret(self, secret: str) -> None:
        self._secrets.add(secret)

    def list_findings(self, probe: Probe) -> list[Finding]:
        """As they are reported: without credentials, each with its id."""
        redacted = map(self._redact_finding, probe.findings)
        return [finding.with_id(self.provider.name, probe.name) for finding in redacted]

    @property
    def finding_count(self) -> int:
        return sum(len(probe.findings) for probe in self.probes)

    def render_text(self) -> str:
        lines = [f"{self.provider.title} at {self.url}"]
        width = max(len(probe.name) for probe in self.probes)
        for probe in self.probes:
            outcome = "FOUND" if probe.outcome == "findings" else probe.outcome
            what = probe.skipped or "; ".join(probe.notes) or probe.title
            lines.append(f"  {probe.name:{width}}  {outcome:8} {self._redact_text(what)}")
            for finding in self.list_findings(probe):
                lines += [f"    {finding}", f"      {finding.id}"]
            if probe.findings.dropped:
                lines.append(f"    and {probe.findings.dropped} more")
        lines += [f"  {self._redact_finding(finding)}" for finding in self.tolerated]
        lines.append(f"sent: {self._summarize_requests()}")
        if self.stopped:
            lines.append(f"stopped: {self._redact_text(self.stopped)}")
        count = self.finding_count
        lines.append("no findings" if not count else f"{count} finding{'s' if count > 1 else ''}")
        return "\n".join(lines)

    def render_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self._to_dict()), indent=2)

    def render_junit(self) -> bytes:
        outcomes = Counter(probe.outcome for probe in self.probes)
        counts = {
            "tests": str(len(self.probes)),
            "failures": str(outcomes["findings"]),
            "errors": "0",
            "skipped": str(outcomes["skipped"]),
        }
        root = etree.Element("testsuites", {"name": "callmocks check", **counts})
        name = f"{self.provider.name} {self.url}"
        suite = etree.SubElement(root, "testsuite", {"name": name, **counts})
        for probe in self.probes:
            names = {"classname": f"callmocks.check.{self.provider.name}", "name": probe.name}
            case = etree.SubElement(suite, "testcase", names)
            if probe.outcome == "findings":
                message = f"{len(probe.findings)} findings: {probe.title}"
                attributes = {"message": message, "type": "contract"}
                found = (f"{each}\n  {each.id}" for each in self.list_findings(probe))
                text = replace_forbidden("\n".join(found))
                etree.SubElement(case, "failure", attributes).text = text
            elif probe.outcome == "skipped":
                message = replace_forbidden(self._redact_text(probe.skipped))
                etree.SubElement(case, "skipped", {"message": message})
        output = etree.SubElement(suite, "system-out")
        output.text = replace_forbidden(f"sent: {self._summarize_requests()}")
        return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)

    def _to_dict(self) -> dict[str, Any]:
        return {
            "provider": self.provider.name,
            "url": self.url,
            "ok": not self.finding_count,
            "stopped": self._redact_text(self.stopped),
            "probes": [
                {
                    "name": probe.name,
                    "title": probe.title,
                    "outcome": probe.outcome,
                    "skipped": self._redact_text(probe.skipped),
                    "notes": [self._redact_text(note) for note in probe.notes],
                    "findings": list(map(msgspec.structs.asdict, self.list_findings(probe))),
                }
                for probe in self.probes
            ],
            "tolerated": [
                msgspec.structs.asdict(self._redact_finding(each)) for each in self.tolerated
            ],
            "requests": list(map(msgspec.structs.asdict, self.sent)),
        }

    def _redact_finding(self, finding: Finding) -> Finding:
        texts = {name: self._redact_text(getattr(finding, name)) for name in FINDING_TEXTS}
        return self._redactor.redact(msgspec.structs.replace(finding, **texts))

    def _summarize_requests(self) -> str:
        counts = Counter(
            "requests that must be refused" if sent.probe in REFUSAL_PROBES else sent.operation
            for sent in self.sent
        )
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{len(self.sent)} requests, none of which changes data: {listed}"

    def _redact_text(self, text: str) -> str:
        for secret in sorted(self._secrets - {""}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", REDACTED, text)
        return " ".join(text.split())
