"""The comparison as tables in Markdown: whole ones, and short ones with the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.cases import TITLES
from benchmarks.peers.base import PROTOCOL, SAME_JOB, STUB
from benchmarks.results import CaseResult, ComparisonReport


@dataclass(frozen=True)
class Target:
    """CPU time of a request relative to bare aiohttp: at most the floor, better the goal."""

    floor: float
    goal: float


TARGETS = {
    "cdr-1": Target(2.9, 2.7),
    "cdr-100": Target(2.9, 2.3),
    "onec-1": Target(3.3, 2.9),
    "onec-100": Target(3.0, 2.4),
    "arm-50-pages": Target(3.7, 2.5),
}
SAME_JOB_SHARE = 0.5
"""Of the CPU time of the fastest general mock at the same job; at most that."""
_OWN = ("callmocks", "bare")


def format_tables(report: ComparisonReport) -> str:
    """Both comparisons with every server, then start and memory."""
    places = ", ".join(f"{case} {place}" for case, place in report.places.items())
    parts = [
        "## The same job",
        f"Place of the asked request among the twelve: {places}.",
        *_format_cases(report, (*_OWN, SAME_JOB, PROTOCOL), lambda case: case in report.places),
        "## Constant stubs",
        *_format_cases(report, (*_OWN, STUB), lambda case: True),
        "## Start and memory",
        _format_servers(report.results),
        _format_notes(report),
    ]
    return "\n\n".join(part for part in parts if part)


def format_summary(report: ComparisonReport) -> str:
    """The page's tables: CPU microseconds of a request, and ratios against the targets."""
    parts = [_format_same_job(report), _format_stubs(report), _format_notes(report)]
    return "\n\n".join(part for part in parts if part)


def _format_cases(
    report: ComparisonReport, kinds: Sequence[str], wanted: Callable[[str], bool]
) -> Iterator[str]:
    head = "server | kind | CPU µs/request | × bare aiohttp | requests/s | p50 ms | p99 ms"
    for case in filter(wanted, report.cases):
        rows = report.measured(case, *kinds)
        bare = next((m.cpu_seconds for m in rows if m.kind == "bare"), None)
        lines = [f"{TITLES[case]}:", "", f"| {head} |", "|---|---|" + "--:|" * 5]
        yield "\n".join([*lines, *(_format_row(result, bare) for result in rows)])


def _format_row(result: CaseResult, bare: float | None) -> str:
    kind = "" if result.kind in _OWN else result.kind
    cells = [
        f"**{result.server}**" if result.kind == "callmocks" else result.server,
        f"{kind}, other bytes" if result.other_bytes else kind,
        _format_micros(result),
        "" if bare is None else f"{result.cpu_seconds / bare:.2f}",
        f"{result.rps:.0f}",
        f"{result.p50 * 1e3:.2f}",
        f"{result.p99 * 1e3:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _format_servers(results: Sequence[CaseResult]) -> str:
    """The median start; memory idle and the most after the runs of a case."""
    head = "server | kind | start s | idle MB | after its runs MB"
    lines = [f"| {head} |", "|---|---|" + "--:|" * 3]
    for server, kind in dict.fromkeys((m.server, m.kind) for m in results):
        those = [m for m in results if (m.server, m.kind) == (server, kind)]
        start = sorted(m.start_seconds for m in those)[len(those) // 2]
        idle, final = those[0].idle_bytes, max(m.final_bytes for m in those)
        cells = [server, "" if kind in _OWN else kind, f"{start:.2f}"]
        cells += [f"{idle / 1e6:.0f}", f"{final / 1e6:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_same_job(report: ComparisonReport) -> str:
    cases = [case for case in report.cases if report.measured(case, SAME_JOB)]
    if not cases:
        return ""
    names = list(dict.fromkeys(m.server for c in cases for m in report.measured(c, SAME_JOB)))
    names.sort()
    head = ["case", "callmocks", *names, "protocol server", "× fastest general mock", "target"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1)]
    for case in cases:
        own = report.measured(case, "callmocks")[0]
        general = report.measured(case, SAME_JOB)
        by_name = {m.server: m for m in general}
        cells = [TITLES[case], f"**{_format_micros(own)}**"]
        cells += [_format_micros(by_name.get(name)) for name in names]
        cells += [_format_named(report.measured(case, PROTOCOL))]
        cells += [f"**{own.cpu_seconds / general[0].cpu_seconds:.2f}**", f"{SAME_JOB_SHARE}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_stubs(report: ComparisonReport) -> str:
    head = "case | callmocks | best constant stub | bare aiohttp | × bare aiohttp | floor / goal"
    lines = [f"| {head} |", "|---|" + "--:|" * 5]
    for case in report.cases:
        own, bare = (report.measured(case, kind)[0] for kind in _OWN)
        target = TARGETS.get(case)
        cells = [
            TITLES[case],
            f"**{_format_micros(own)}**",
            _format_named(report.measured(case, STUB)),
            _format_micros(bare),
            f"**{own.cpu_seconds / bare.cpu_seconds:.2f}**",
            f"{target.floor} / {target.goal}" if target else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_micros(result: CaseResult | None) -> str:
    return "" if result is None else f"{result.cpu_seconds * 1e6:.0f}"


def _format_named(results: Sequence[CaseResult]) -> str:
    return f"{_format_micros(results[0])} {results[0].server}" if results else ""


def _format_notes(report: ComparisonReport) -> str:
    lines = [f"Left out: {text}." for text in report.absent]
    (before, after), minutes = report.load, report.seconds / 60
    lines += [f"Load average: {before:.1f} before, {after:.1f} after {minutes:.0f} minutes."]
    return "\n".join(lines)
