"""The report of a check, with what its gate says of it, as text, JSON and JUnit XML."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from lxml import etree

from callmocks.contract.findings import Finding
from callmocks.contract.xml import replace_forbidden
from callmocks.verification.gate import Gate
from callmocks.verification.report import COMPARE, CheckReport, Probe


def render_text(report: CheckReport, gate: Gate) -> bytes:
    lines = [f"{report.provider.title} at {report.url}"]
    width = max(len(probe.name) for probe in report.probes)
    for probe in report.probes:
        outcome = "FOUND" if probe.outcome == "findings" else probe.outcome
        what = probe.skipped or "; ".join(probe.notes) or probe.title
        lines.append(f"  {probe.name:{width}}  {outcome:8} {report.describe(what)}")
        for finding in report.list_findings(probe):
            lines += [f"    {line}" for line in _iter_finding_lines(finding, gate)]
        if probe.findings.dropped:
            lines.append(f"    and {probe.findings.dropped} more")
    lines += [f"  {finding}" for finding in report.list_tolerated()]
    lines.append(f"sent: {report.summarize_requests()}")
    lines += [f"left out: {line}" for line in _list_left_out(report)]
    if report.stopped:
        lines.append(f"stopped: {report.describe(report.stopped)}")
    lines += [f"gone: {known.id}; remove it from the baseline" for known in gate.find_gone(report)]
    lines.append(_summarize_findings(report, gate))
    return ("\n".join(lines) + "\n").encode()


def render_json(report: CheckReport, gate: Gate) -> bytes:
    members = {
        "provider": report.provider.name,
        "url": report.url,
        "ok": gate.choose_exit_code(report) == 0,
        "stopped": report.describe(report.stopped),
        "new": gate.count_new(report),
        "gone": [known.id for known in gate.find_gone(report)],
        "unchecked": [probe.name for probe in gate.find_unchecked(report)],
        "probes": [_probe_to_dict(report, gate, probe) for probe in report.probes],
        "tolerated": [msgspec.structs.asdict(each) for each in report.list_tolerated()],
        "requests": [msgspec.structs.asdict(each) for each in report.sent],
    }
    if report.command == COMPARE:
        members["left_out"] = [
            {"operation": operation, "why": report.describe(reason), "count": count}
            for (operation, reason), count in report.left_out.items()
        ]
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def render_junit(report: CheckReport, gate: Gate) -> bytes:
    """A case for each probe, and one for the baseline when known findings are gone."""
    cases = [_make_case(report, gate, probe) for probe in report.probes]
    gone = gate.find_gone(report)
    if gone:
        case = etree.Element("testcase", _name_case(report, "baseline"))
        message = f"{len(gone)} known findings are gone: remove them from the baseline"
        _add_failure(case, message, "\n".join(known.id for known in gone))
        cases.append(case)
    outcomes = Counter(str(child.tag) for case in cases for child in case)
    counts = {
        "tests": str(len(cases)),
        "failures": str(outcomes["failure"]),
        "errors": "0",
        "skipped": str(outcomes["skipped"]),
    }
    root = etree.Element("testsuites", {"name": f"callmocks {report.command}", **counts})
    name = f"{report.provider.name} {report.url}"
    suite = etree.SubElement(root, "testsuite", {"name": name, **counts})
    suite.extend(cases)
    output = etree.SubElement(suite, "system-out")
    lines = [f"sent: {report.summarize_requests()}", *_list_left_out(report)]
    output.text = replace_forbidden("\n".join(lines))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


RENDERERS = {"text": render_text, "json": render_json, "junit": render_junit}


def _list_left_out(report: CheckReport) -> list[str]:
    return [
        f"{count} {operation or 'without an operation'}: {report.describe(reason)}"
        for (operation, reason), count in report.left_out.items()
    ]


def _iter_finding_lines(finding: Finding, gate: Gate) -> Iterator[str]:
    yield str(finding)
    yield f"  {finding.id}"
    known = gate.baseline.get(finding.id)
    if not gate.counts(finding):
        yield f"  not counted: {finding.evidence}"
    elif known is not None:
        yield f"  known: {known.why}"


def _summarize_findings(report: CheckReport, gate: Gate) -> str:
    count, new = report.finding_count, gate.count_new(report)
    text = f"{count or 'no'} finding{'' if count == 1 else 's'}"
    if count != new:
        text += f", {new or 'none'} of them new"
    unchecked = gate.find_unchecked(report)
    if unchecked:
        text += f"; required and not checked: {', '.join(probe.name for probe in unchecked)}"
    return text


def _probe_to_dict(report: CheckReport, gate: Gate, probe: Probe) -> dict[str, Any]:
    return {
        "name": probe.name,
        "title": probe.title,
        "outcome": probe.outcome,
        "skipped": report.describe(probe.skipped),
        "notes": [report.describe(note) for note in probe.notes],
        "findings": [
            msgspec.structs.asdict(finding) | {"new": gate.is_new(finding)}
            for finding in report.list_findings(probe)
        ],
    }


def _make_case(report: CheckReport, gate: Gate, probe: Probe) -> etree._Element:
    case = etree.Element("testcase", _name_case(report, probe.name))
    found = report.list_findings(probe)
    new = [finding for finding in found if gate.is_new(finding)]
    if new:
        message = f"{len(new)} findings: {probe.title}"
        text = "\n".join(line for each in new for line in _iter_finding_lines(each, gate))
        _add_failure(case, message, text)
    elif probe.skipped:
        required = "required: " if probe.name in gate.required else ""
        message = replace_forbidden(required + report.describe(probe.skipped))
        etree.SubElement(case, "skipped", {"message": message})
    elif found:
        lines = (line for each in found for line in _iter_finding_lines(each, gate))
        output = etree.SubElement(case, "system-out")
        output.text = replace_forbidden("\n".join(lines))
    return case


def _name_case(report: CheckReport, name: str) -> dict[str, str]:
    return {"classname": f"callmocks.{report.command}.{report.provider.name}", "name": name}


def _add_failure(case: etree._Element, message: str, text: str) -> None:
    attributes = {"message": message, "type": "contract"}
    etree.SubElement(case, "failure", attributes).text = replace_forbidden(text)
