"""The page's tables are those of the runs that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import report_page, same_job, tables
from benchmarks.cases import NAMES
from benchmarks.load import LoadRun
from benchmarks.peers.base import SAME_JOB, STUB
from benchmarks.results import CaseResult, ComparisonReport, load_report, save_report

from tests.examples.snippets import ROOT

RUNS = ROOT / "benchmarks" / "results" / "compare.json"


@pytest.mark.parametrize(
    ("page", "format_text"),
    [
        ("docs/performance.md", tables.format_summary),
        ("benchmarks/results/compare.md", tables.format_tables),
    ],
)
def test_pages_tell_the_kept_runs(page: str, format_text: object) -> None:
    assert callable(format_text)
    assert report_page.read_section(ROOT / page, "compare") == format_text(load_report(RUNS))


def test_every_case_was_measured_by_all() -> None:
    report = load_report(RUNS)
    assert report.cases == list(NAMES)
    for case in same_job.NAMES:
        for kind in (SAME_JOB, STUB):
            assert len(report.measured(case, kind)) >= 3, (case, kind)


def test_ratios_are_of_the_median_cpu_time(tmp_path: Path) -> None:
    report = ComparisonReport(
        [
            make_result("callmocks", "callmocks", 90, 100, 80),
            make_result("bare aiohttp", "bare", 30, 31, 29),
            make_result("quick", SAME_JOB, 300),
            make_result("slow", SAME_JOB, 900),
            make_result("quick", STUB, 60),
        ],
        [],
        {"cdr-1": 6},
        (0.1, 1.0),
        60,
    )
    save_report(report, tmp_path / "runs.json")
    assert len(json.loads((tmp_path / "runs.json").read_text())["runs"]) == 9
    summary = tables.format_summary(load_report(tmp_path / "runs.json"))
    title = "CDR, 1 row by call_session_id"
    assert f"| {title} | **90** | 300 | 900 |  | **0.30** | 0.5 |" in summary
    assert f"| {title} | **90** | 60 quick | 30 | **3.00** | 2.9 / 2.7 |" in summary


def make_result(server: str, kind: str, *cpu_us: int) -> CaseResult:
    runs = [LoadRun(1000, 1.0, 0.001, 0.002) for _ in cpu_us]
    return CaseResult("cdr-1", server, kind, 0.5, 1, runs=runs, cpu=[c / 1e6 for c in cpu_us])
