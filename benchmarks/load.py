"""Load: wrk for HTTP, a client of our own for the workplace's frames. Every run is bounded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.processes import LOAD_CORE, BenchError, pin_to_core

CONNECTIONS = 16
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class LoadRun:
    """What one run measured; times in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rps(self) -> float:
        return self.requests / self.seconds


def run_load(case: Case, port: int, seconds: float, work: Path, path: str = "") -> LoadRun:
    """Load a server on a port with a case's requests; ``path`` instead of the case's own."""
    if case.transport == "frame":
        return _run_frames(case, port, seconds, work, path or case.path)
    return _run_wrk(case, port, seconds, work, path or case.path)


def _run_wrk(case: Case, port: int, seconds: float, work: Path, path: str) -> LoadRun:
    script = work / f"{case.name}.lua"
    script.write_text(_wrk_script(case.headers, case.bodies, path), encoding="utf-8")
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "--latency", "-s", str(script)]
    url = f"http://127.0.0.1:{port}"
    done = subprocess.run(
        pin_to_core([*command, url], LOAD_CORE),
        capture_output=True,
        text=True,
        timeout=whole + 30,
        check=True,
    )
    return _parse_wrk_output(done.stdout, case)


def _wrk_script(headers: dict[str, str], bodies: Sequence[bytes], path: str) -> str:
    """Requests made before the run, sent in turn."""
    lines = ["local made = {}", "local at = 0", "init = function(args)"]
    lines.append("  local headers = {}")
    lines += [f'  headers["{name}"] = "{value}"' for name, value in headers.items()]
    lines.append("  local bodies = {")
    lines += [f"[==[{body.decode()}]==]," for body in bodies]
    lines.append("  }")
    lines.append("  for i, body in ipairs(bodies) do")
    lines.append(f'    made[i] = wrk.format("POST", "{path}", headers, body)')
    lines.append("  end")
    lines.append("end")
    lines.append("request = function()")
    lines.append("  at = at % #made + 1")
    lines.append("  return made[at]")
    lines.append("end")
    return "\n".join(lines) + "\n"


def _parse_wrk_output(text: str, case: Case) -> LoadRun:
    bad = re.findall(r"(Non-2xx.*|Socket errors.*)", text)
    if bad:
        raise BenchError(f"{case.name}: not every answer was good: {'; '.join(bad)}")
    total = re.search(r"(\d+) requests in ([\d.]+)(\w+),", text)
    quantiles = dict(re.findall(r"^\s+(50|99)%\s+([\d.]+\w+)\s*$", text, re.MULTILINE))
    if total is None or len(quantiles) < 2:
        raise BenchError(f"wrk said something unexpected:\n{text}")
    seconds = float(total[2]) * _UNITS[total[3]]
    return LoadRun(
        int(total[1]), seconds, _parse_seconds(quantiles["50"]), _parse_seconds(quantiles["99"])
    )


def _parse_seconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:
        raise BenchError(f"wrk's {text!r} is no time")
    return float(match[1]) * _UNITS[match[2]]


def _run_frames(case: Case, port: int, seconds: float, work: Path, path: str) -> LoadRun:
    """The client runs on the load core in a process of its own, as wrk does."""
    request = work / f"{case.name}.frames"
    request.write_text(json.dumps([body.decode() for body in case.bodies]), encoding="utf-8")
    head = [f"{name}: {value}" for name, value in case.headers.items()]
    client = [sys.executable, "-m", "benchmarks.frame_load", str(port), path, str(request)]
    done = subprocess.run(
        pin_to_core([*client, str(seconds), str(CONNECTIONS), *head], LOAD_CORE),
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    if done.returncode:
        raise BenchError(f"{case.name}: {done.stderr.strip()}")
    return LoadRun(**json.loads(done.stdout))
