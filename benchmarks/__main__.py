"""``python -m benchmarks``: see docs/performance.md."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks import (
    charts,
    compare,
    growth,
    memory,
    per_test,
    report_page,
    results,
    start,
    tables,
)
from benchmarks.cases import NAMES
from benchmarks.processes import BenchError
from benchmarks.servers import CACHE, prepare_python

_RESULTS = Path(__file__).with_name("results")
_PAGE = Path("docs/performance.md")
_START_ROUNDS = 7


def main(arguments: list[str]) -> int:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    plan = compare.ComparisonPlan()
    against = commands.add_parser("compare", help="against peers and bare aiohttp")
    against.add_argument("--cases", nargs="*", choices=NAMES, default=list(NAMES))
    against.add_argument("--peers", nargs="*", default=[], help="names, or none; all by default")
    against.add_argument("--rounds", type=int, default=plan.rounds)
    against.add_argument("--seconds", type=float, default=plan.seconds)
    against.add_argument("--warmup", type=float, default=plan.warmup)
    against.add_argument("--java-warmup", type=float, default=plan.java_warmup)
    against.add_argument("--starts", type=int, default=plan.starts)
    against.add_argument(
        "--publish", action="store_true", help="replace the results in the repository's pages"
    )
    grows = commands.add_parser("growth", help="cost against size; plotted to docs/growth")
    names = list(growth.EXPERIMENTS)
    grows.add_argument("experiments", nargs="*", default=names, metavar="|".join(names))
    holds = commands.add_parser("memory", help="idle, after a million requests, large answers")
    holds.add_argument("--requests", type=int, default=1_000_000)
    holds.add_argument("--report", type=Path, help="a page whose last result is replaced")
    commands.add_parser("test-cost", help="a test: tenant, pin, request, assertion, deletion")
    starts = commands.add_parser("start", help="ready, idle, first answers, against bare imports")
    starts.add_argument("--rounds", type=int, default=_START_ROUNDS)
    starts.add_argument("--report", type=Path, help="a page whose last result is replaced")
    commands.add_parser("plots", help="plot the growth that was measured last")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "compare":
            return _run_compare(chosen)
        if chosen.command in ("memory", "start"):
            if chosen.command == "memory":
                text = memory.measure_memory(chosen.requests, _print_progress)
            else:
                text = start.measure_table(prepare_python(), chosen.rounds, _print_progress)
            print(text)
            if chosen.report is not None:
                report_page.replace_section(chosen.report, chosen.command, text)
            return 0
        if chosen.command == "test-cost":
            print(per_test.format_table(per_test.measure_test_cost()))
            return 0
        if chosen.command == "growth":
            if unknown := set(chosen.experiments) - set(names):
                parser.error(f"no experiment {min(unknown)!r}; there are {', '.join(names)}")
            growth.run_experiments(chosen.experiments, _print_progress)
        for file in charts.draw_charts(growth.load_charts().values()):
            _print_progress(f"drawn {file}")
        return 0
    except BenchError as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
        return 1


def _run_compare(chosen: argparse.Namespace) -> int:
    plan = compare.ComparisonPlan(
        tuple(chosen.cases),
        tuple(chosen.peers),
        chosen.rounds,
        chosen.seconds,
        chosen.warmup,
        chosen.java_warmup,
        chosen.starts,
    )
    if chosen.publish and not plan.whole:
        raise BenchError("--publish needs every case and every peer")
    report = compare.Comparison(plan, _print_progress).run()
    file = (_RESULTS if chosen.publish else CACHE) / "compare.json"
    results.save_report(report, file)
    report = results.load_report(file)
    text, summary = tables.format_tables(report), tables.format_summary(report)
    print(f"{text}\n\n{summary}")
    if chosen.publish:
        report_page.replace_section(_RESULTS / "compare.md", "compare", text)
        report_page.replace_section(_PAGE, "compare", summary)
        _publish_start_and_tests()
    else:
        (CACHE / "compare.md").write_text(f"{text}\n\n{summary}\n", encoding="utf-8")
    _print_progress(f"kept in {file.parent}")
    return 0


def _publish_start_and_tests() -> None:
    # In a process of its own: this one has the objects of a whole comparison to collect.
    command = [sys.executable, "-m", "benchmarks", "test-cost"]
    cost = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    report_page.replace_section(_PAGE, "test-cost", cost)
    started = start.measure_table(prepare_python(), _START_ROUNDS, _print_progress)
    for page in (_RESULTS / "start.md", _PAGE):
        report_page.replace_section(page, "start", started)
    print(f"\n{cost}\n\n{started}")


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Servers are paused between runs: a benchmark that is told to end must end them, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
