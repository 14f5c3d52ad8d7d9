"""The comparison: every case against every server, runs interleaved."""

from __future__ import annotations

import http.client
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, same_job
from benchmarks.cases import NAMES, Case, fetch_answer, record_cases
from benchmarks.peers import Peer
from benchmarks.peers.base import SAME_JOB, STUB
from benchmarks.processes import BenchError
from benchmarks.results import CaseResult, ComparisonReport
from benchmarks.servers import (
    CACHE,
    MeasuredServer,
    install_peers,
    prepare_python,
    select_peers,
    start_bare_aiohttp,
    start_callmocks,
    start_peer,
)

_SETTLE_SECONDS = 1
_MAX_WARMUPS = 5

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ComparisonPlan:
    """How much is measured."""

    cases: tuple[str, ...] = NAMES
    peers: tuple[str, ...] = ()
    """Names of peers; none: all there are."""
    rounds: int = 5
    seconds: float = 2
    """Length of a run."""
    warmup: float = 3
    """Load before a case's first run, seconds."""
    java_warmup: float = 20
    starts: int = 3
    """Starts of callmocks and bare aiohttp; a peer is started once for each case."""

    @property
    def whole(self) -> bool:
        return set(self.cases) == set(NAMES) and not self.peers


class Comparison:
    """A run of a plan. Each server is paused while it is not measured."""

    def __init__(self, plan: ComparisonPlan, report_progress: ReportProgress) -> None:
        self._plan = plan
        self._report_progress = report_progress
        self._absent: list[str] = []
        self._results: list[CaseResult] = []
        self._servers: list[MeasuredServer] = []

    def run(self) -> ComparisonReport:
        if shutil.which("wrk") is None:
            raise BenchError("wrk is not installed (Debian: apt-get install wrk)")
        CACHE.mkdir(exist_ok=True)
        python = prepare_python()
        peers, modules = self._find_peers()
        before, begun = os.getloadavg()[0], time.perf_counter()
        try:
            cases = self._start_own_servers(python)
            for case in cases:
                self._measure_case(case, peers, modules)
        finally:
            for server in self._servers:
                server.process.stop()
        places = {case.name: same_job.place_of(case) for case in cases if case.expectations}
        spent = time.perf_counter() - begun
        load_average = (before, os.getloadavg()[0])
        absent = list(dict.fromkeys(self._absent))
        return ComparisonReport(self._results, absent, places, load_average, spent)

    def _find_peers(self) -> tuple[list[Peer], Path]:
        if self._plan.peers == ("none",):
            return [], Path()
        peers = select_peers(self._plan.peers)
        try:
            modules = install_peers()
        except BenchError as problem:
            self._absent += [f"{peer.name}: {problem}" for peer in peers]
            return [], Path()
        self._absent += [
            f"{peer.name} at the same job: {peer.no_same_job}" for peer in peers if peer.no_same_job
        ]
        return peers, modules

    def _start_own_servers(self, python: str) -> list[Case]:
        """callmocks and bare aiohttp; the cases with what callmocks answered."""
        callmocks, ports = start_callmocks(self._plan.starts, python)
        self._servers.append(callmocks)
        recorded = record_cases(ports, self._plan.cases)
        cases = [same_job.add_expectations(case, ports) for case in recorded]
        callmocks.process.stop()  # it has answered: its idle memory is that of a fresh one
        fresh, _ = start_callmocks(1, python)
        fresh.start_times = self._servers.pop().start_times
        self._servers.append(fresh)
        _settle_and_pause(fresh)
        self._servers.append(start_bare_aiohttp(cases, self._plan.starts, python))
        _settle_and_pause(self._servers[-1])
        return cases

    def _measure_case(self, case: Case, peers: Sequence[Peer], modules: Path) -> None:
        """Peers are started for each case, so that a journal holds the requests of one."""
        started: list[tuple[MeasuredServer, CaseResult]] = []
        try:
            for server in self._servers:
                started.append((server, self._add_result(case, server)))
            if case.expectations:
                for server, result in self._start_peers(case, peers, modules):
                    started.append((server, result))
            self._run_rounds(case, started)
            for server, result in started:
                result.final_bytes = server.process.rss
        finally:
            for server, _ in started:
                if server not in self._servers:
                    server.process.stop()

    def _start_peers(
        self, case: Case, peers: Sequence[Peer], modules: Path
    ) -> Iterator[tuple[MeasuredServer, CaseResult]]:
        """Each with its answers checked, started while the others are paused."""
        for peer, kind in [(p, kind) for p in peers if p.serves(case) for kind in p.kinds]:
            self._report_progress(f"{case.name}: start {peer.name}, {kind}")
            try:
                server = start_peer(peer, modules, [case], kind)
            except BenchError as problem:
                self._absent.append(f"{peer.name}, {kind}, in {case.name}: {problem}")
                continue
            _settle_and_pause(server)
            result = self._add_result(case, server)
            yield server, result
            server.process.resume()
            try:
                result.other_bytes = _check_answers(case, peer, server)
            except BenchError as problem:
                self._fail(result, problem)
            finally:
                server.process.pause()

    def _add_result(self, case: Case, server: MeasuredServer) -> CaseResult:
        start, idle = server.start_seconds, server.idle_bytes
        result = CaseResult(case.name, server.name, server.kind, start, idle)
        self._results.append(result)
        return result

    def _run_rounds(self, case: Case, started: list[tuple[MeasuredServer, CaseResult]]) -> None:
        for turn in range(self._plan.rounds):
            for server, result in started:
                if result.failed:
                    continue
                self._report_progress(f"{case.name}, run {turn + 1}: {server.name}, {server.kind}")
                try:
                    self._run_once(case, server, result, first=turn == 0)
                except BenchError as problem:
                    if server.kind in ("callmocks", "bare"):
                        raise
                    self._fail(result, problem)

    def _run_once(
        self, case: Case, server: MeasuredServer, result: CaseResult, *, first: bool
    ) -> None:
        address = server.address(case)
        assert address is not None
        port, path = address
        server.process.resume()
        try:
            if first:
                self._warm_up(case, server, port, path)
            before = server.process.cpu_seconds
            run = load.run_load(case, port, self._plan.seconds, CACHE / "work", path)
            result.runs.append(run)
            result.cpu.append((server.process.cpu_seconds - before) / run.requests)
        finally:
            server.process.pause()

    def _warm_up(self, case: Case, server: MeasuredServer, port: int, path: str) -> None:
        java = server.peer is not None and server.peer.java
        seconds = self._plan.java_warmup if java else self._plan.warmup
        for _ in range(_MAX_WARMUPS):
            # Until all requests were made: rows are rendered when they are sent for the first time.
            run = load.run_load(case, port, seconds, CACHE / "work", path)
            if run.requests >= len(case.bodies):
                break
        if server.peer is not None and server.peer.empty_journal:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(*server.peer.empty_journal)
            if connection.getresponse().status != 200:
                raise BenchError(f"{server.name} does not empty its journal")
            connection.close()

    def _fail(self, result: CaseResult, problem: BenchError) -> None:
        result.failed = str(problem)
        self._report_progress(f"  {problem}")
        name = f"{result.server}, {result.kind}, in {result.case}"
        self._absent.append(f"{name} after {len(result.runs)} runs: {problem}")


def _settle_and_pause(server: MeasuredServer) -> None:
    time.sleep(_SETTLE_SECONDS)
    server.idle_bytes = server.process.rss
    server.process.pause()


def _check_answers(case: Case, peer: Peer, server: MeasuredServer) -> bool:
    """Whether the answers are right in other bytes; ``BenchError`` when they are not right."""
    address = server.address(case)
    assert address is not None
    if server.kind != STUB:
        same_job.check_answers(case, f"{peer.name}, {server.kind}", address, peer.is_answer)
    status, _, body = fetch_answer(case, *address)
    if status != 200:
        raise BenchError(f"{peer.name}: {case.name} is answered with {status}")
    if server.kind == SAME_JOB and body != case.answer:
        raise BenchError(f"{peer.name}: {case.name} has other bytes")
    return body != case.answer
