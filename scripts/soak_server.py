"""The server that `scripts/soak` runs, and the report."""

from __future__ import annotations

import asyncio
import base64
import json
import platform
import signal
import statistics
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

NOW = "2026-03-02T12:00:00"
WARM_UP_SHARE = 0.25
"""Part of the run after which memory beside the caches must not grow; requests are faster until
then."""
MEBIBYTE = 1024 * 1024
CACHES_SCRIPT = Path(__file__).with_name("soak-caches")
SOAP = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
    '<x:{0} xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>{1}</x:Params></x:{0}>'
    "</e:Body></e:Envelope>"
)
FROM = (
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">'
    '<Value xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:s="http://www.w3.org/2001/XMLSchema" i:type="s:dateTime">2026-03-01T00:00:00'
    "</Value></Property>"
)
TREE = (
    '[{"_name":"in","_content":[{"_name":"request","_content":'
    '[{"_name":"filters","_attributes":%s}]}]}]'
)


def basic_auth(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


class MemorySample(NamedTuple):
    """``at`` in seconds, the others in MiB.

    What is cached has limits, and may grow up to these. ``cached`` is the most until then: a
    process keeps the memory that a cache no longer needs.
    """

    at: float
    resident: float
    cached: float

    @property
    def uncached(self) -> float:
        return self.resident - self.cached


class SoakServer:
    """The process, its memory and its log."""

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.unexpected: list[str] = []
        self.logged: Counter[str] = Counter()
        self.memory: list[MemorySample] = []

    async def start(self, folder: str) -> None:
        """Serve on free ports, in that directory."""
        ports = [
            word for name in ("arm", "cdr", "onec", "control") for word in (f"--{name}-port", "0")
        ]
        more = ["--json", "--log", "json", "--now", NOW]
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CACHES_SCRIPT), "serve", *ports, *more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
        )
        assert self.process.stdout is not None
        self.urls = json.loads(await self.process.stdout.readline())
        self.reading = asyncio.create_task(self._read_log())

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            try:
                said = json.loads(line)
                assert said["level"] == "info"
                self.logged[said["event"]] += 1
            except (ValueError, KeyError, AssertionError):
                if len(self.unexpected) < 100:
                    self.unexpected.append(line.decode(errors="replace").rstrip())

    async def stop(self) -> int:
        """The exit code."""
        self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), 10)
        await self.reading
        return code

    async def sample_memory(self) -> None:
        started, cached = time.monotonic(), 0.0
        while True:
            at, cached = time.monotonic() - started, max(cached, await self.cached_mib())
            self.memory.append(MemorySample(at, self.resident_mib(), cached))
            await asyncio.sleep(5)

    async def cached_mib(self) -> float:
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        return int(await self.process.stdout.readline()) / MEBIBYTE

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def open_files(self) -> int:
        """Open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


def quarter_means(samples: list[MemorySample], seconds: float) -> list[MemorySample]:
    """Mean memory of the second quarter of a run and of the last."""
    quarters = (WARM_UP_SHARE, 2 * WARM_UP_SHARE), (1 - WARM_UP_SHARE, 2.0)
    means = []
    for begin, end in quarters:
        chosen = [each for each in samples if begin * seconds <= each.at < end * seconds]
        columns = zip(*chosen, strict=True)
        means.append(MemorySample(*map(statistics.fmean, columns)))
    return means


def compare_metrics(run: Any, text: str) -> None:
    """What Prometheus sees is what was sent."""
    seen: Counter[str] = Counter()
    faults = own = 0
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("callmocks_exchanges_total"):
            seen[name.split('provider="')[1].split('"')[0]] += int(float(value))
        elif name.startswith("callmocks_faults_total"):
            faults += int(float(value))
        elif name.startswith("callmocks_violations_total") and 'side="answer"' in name:
            own += int(float(value))
    run.expect(seen == run.sent, f"metrics: {dict(seen)}, sent {dict(run.sent)}")
    run.expect(faults == sum(run.faults.values()), f"metrics: {faults} faults")
    run.expect(own == 0, f"metrics: {own} violations of our own")


def render_report(result: dict[str, Any]) -> str:
    """The result as a table."""
    early, late, most = result["memory"]
    caches = f"{early.cached:.1f} → {late.cached:.1f}"
    sent = result["sent"]
    rows = {
        "date": date.today().isoformat(),
        "duration": f"{result['minutes']:.1f} minutes",
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "requests": ", ".join(f"{n} {sent.get(n, 0)}" for n in ("arm", "cdr", "onec")),
        "tenants made and deleted": str(result["tenants"]),
        "faults, each seen once": str(result["faults"]),
        "requests to control": str(result["admin"]),
        "restarts of the Redis of two replicas": str(result["restarts"]),
        "lines logged, all expected": str(result["lines"]),
        "memory, second quarter → last": f"{early.resident:.1f} → {late.resident:.1f} MiB "
        f"(at most {most:.1f}), of it limited caches {caches} MiB",
        "wrong": "; ".join(result["wrong"]) or "nothing",
    }
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]
    )
