"""What a check decides: which findings are new, which known ones are gone, what was not checked.

::

    new finding, or a known one that is gone          exit code 1
    a required probe that had nothing to look at      exit code 2
    else                                              exit code 0
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from callmocks.contract.findings import Evidence, Finding
from callmocks.verification.baseline import KnownFinding
from callmocks.verification.report import CheckReport, Probe

EVIDENCE: tuple[Evidence, ...] = ("documented", "observed", "assumed")


@dataclass(frozen=True)
class Gate:
    """``baseline`` are the known findings; findings of weaker evidence than ``min_evidence`` are
    shown and not counted.
    """

    baseline: Mapping[str, KnownFinding] = field(default_factory=dict)
    required: Collection[str] = ()
    min_evidence: Evidence = "assumed"

    def counts(self, finding: Finding) -> bool:
        return EVIDENCE.index(finding.evidence) <= EVIDENCE.index(self.min_evidence)

    def is_new(self, finding: Finding) -> bool:
        return self.counts(finding) and finding.id not in self.baseline

    def find_new(self, report: CheckReport, probe: Probe) -> list[Finding]:
        return [finding for finding in report.list_findings(probe) if self.is_new(finding)]

    def count_new(self, report: CheckReport) -> int:
        return sum(len(self.find_new(report, probe)) for probe in report.probes)

    def find_gone(self, report: CheckReport) -> list[KnownFinding]:
        """Known findings that the probe would have found, because it ran to its end."""
        found = {each.id for probe in report.probes for each in report.list_findings(probe)}
        whole = tuple(
            f"{report.provider.name}/{probe.id_start}" for probe in report.probes if probe.is_whole
        )
        return [
            known
            for known in self.baseline.values()
            if known.id.startswith(whole) and known.id not in found
        ]

    def find_unchecked(self, report: CheckReport) -> list[Probe]:
        """Required probes that were skipped."""
        return [probe for probe in report.probes if probe.skipped and probe.name in self.required]

    def choose_exit_code(self, report: CheckReport) -> int:
        if self.count_new(report) or self.find_gone(report):
            return 1
        return 2 if self.find_unchecked(report) else 0

    def list_known(self, report: CheckReport) -> list[KnownFinding]:
        """The next baseline: what was found, and what could not be found out."""
        found = [
            finding
            for probe in report.probes
            for finding in report.list_findings(probe)
            if self.counts(finding)
        ]
        entries = {each.id: self.baseline.get(each.id, KnownFinding(each.id)) for each in found}
        gone = {known.id for known in self.find_gone(report)}
        kept = {id: known for id, known in self.baseline.items() if id not in gone}
        return list((kept | entries).values())
