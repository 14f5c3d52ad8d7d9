"""What a proxy has found while it ran: each finding once, with its exchanges counted."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
from lxml import etree

from callmocks.contract.findings import Evidence, Finding
from callmocks.contract.xml import replace_forbidden
from callmocks.verification.gate import EVIDENCE

MAX_FINDINGS = 1000  # with different ids


@dataclass(slots=True)
class RepeatedFinding:
    finding: Finding
    side: str
    operation: str
    first: int  # number of the exchange
    exchanges: int = 0


class ProxyReport:
    def __init__(self, provider: str, upstream: str) -> None:
        self.provider = provider
        self.upstream = upstream
        self.exchanges = 0
        self.dropped = 0
        self._found: dict[str, RepeatedFinding] = {}
        self._messages: Counter[tuple[str, str]] = Counter()  # by operation and side

    def add_exchange(self, operation: str, findings: list[tuple[str, Finding]]) -> None:
        self.exchanges += 1
        for side in ("request", "answer"):
            self._messages[operation, side] += 1
        for side, finding in findings:
            known = self._found.get(finding.id)
            if known is None:
                if len(self._found) >= MAX_FINDINGS:
                    self.dropped += 1
                    continue
                known = RepeatedFinding(finding, side, operation, self.exchanges)
                self._found[finding.id] = known
            known.exchanges += 1

    def count_failures(self, fail_on: Evidence | None) -> int:
        """Findings of that evidence or a stronger one; none without it."""
        return sum(_fails(each.finding, fail_on) for each in self._found.values())

    def render_json(self, fail_on: Evidence | None) -> bytes:
        members = {
            "provider": self.provider,
            "upstream": self.upstream,
            "ok": not self.count_failures(fail_on),
            "exchanges": self.exchanges,
            "findings": list(map(_to_dict, self._found.values())),
            "dropped": self.dropped,
        }
        return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"

    def render_junit(self, fail_on: Evidence | None) -> bytes:
        """A case for each operation and side; without ``fail_on`` each finding is a failure."""
        cases = [self._make_case(*key, fail_on or "assumed") for key in self._messages]
        failures = sum(case.find("failure") is not None for case in cases)
        counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
        root = etree.Element("testsuites", {"name": "callmocks proxy", **counts})
        name = f"{self.provider} {self.upstream}"
        suite = etree.SubElement(root, "testsuite", {"name": name, **counts, "skipped": "0"})
        suite.extend(cases)
        return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)

    def _make_case(self, operation: str, side: str, fail_on: Evidence) -> etree._Element:
        names = {"classname": f"callmocks.proxy.{self.provider}", "name": f"{operation} {side}"}
        case = etree.Element("testcase", names)
        found = [
            each
            for each in self._found.values()
            if (each.operation, each.side) == (operation, side) and _fails(each.finding, fail_on)
        ]
        if found:
            count = self._messages[operation, side]
            attributes = {"message": f"{len(found)} findings in {count} messages"}
            lines = (f"{each.finding}\n  {each.finding.id}" for each in found)
            failure = etree.SubElement(case, "failure", attributes | {"type": "contract"})
            failure.text = replace_forbidden("\n".join(lines))
        return case


def _fails(finding: Finding, fail_on: Evidence | None) -> bool:
    return fail_on is not None and EVIDENCE.index(finding.evidence) <= EVIDENCE.index(fail_on)


def _to_dict(each: RepeatedFinding) -> dict[str, Any]:
    members = msgspec.structs.asdict(each.finding)
    about = {"side": each.side, "operation": each.operation}
    return members | about | {"first": each.first, "exchanges": each.exchanges}
