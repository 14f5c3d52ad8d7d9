"""What is compared: callmocks, bare aiohttp and the peers, each a process on the server's core."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cases import NOW, Case
from benchmarks.peers import PEERS, Peer
from benchmarks.peers.base import STUB, PeerSetup
from benchmarks.processes import BenchError, ServerProcess, free_port

CACHE = Path(".bench")  # not in git
_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = Path(__file__).with_name("package.json")
_INSTALL_SECONDS = 600
_HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass
class MeasuredServer:
    """``address`` is the port and path at which the server has a case."""

    name: str
    kind: str  # ``callmocks``, ``bare``, or how a peer serves (peers/base.py)
    process: ServerProcess
    address: Callable[[Case], tuple[int, str] | None]
    start_times: list[float] = field(default_factory=list)  # seconds to the first 200
    idle_bytes: int = 0  # memory before the first run

    peer: Peer | None = None

    @property
    def start_seconds(self) -> float:
        return statistics.median(self.start_times)


def prepare_python() -> str:
    """An environment with callmocks as a user has it: test tools make its start slower."""
    venv = CACHE / "venv"
    python = venv / "bin" / "python"
    installed, required = venv / ".made", (_ROOT / "pyproject.toml").read_bytes()
    if not installed.exists() or installed.read_bytes() != required:
        command = [sys.executable, str(_ROOT / "scripts" / "bootstrap"), str(venv)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
        if result.returncode:
            raise BenchError(f"callmocks cannot be installed: {result.stderr.strip()[-500:]}")
        installed.write_bytes(required)
    return str(python.absolute())


def install_peers() -> Path:
    """The peers' ``node_modules``, filled from the npm registry on first use."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise BenchError(f"{tool} is not installed")
    CACHE.mkdir(exist_ok=True)
    installed, required = CACHE / "package.json", _PACKAGES.read_bytes()
    if not installed.exists() or installed.read_bytes() != required:
        (CACHE / "package-lock.json").unlink(missing_ok=True)
        installed.write_bytes(required)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        result = subprocess.run(
            command, cwd=CACHE, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
        if result.returncode:
            installed.unlink()
            raise BenchError(f"npm install: {result.stderr.strip()[-500:]}")
    return CACHE / "node_modules"


def start_callmocks(
    starts: int = 1, python: str = sys.executable, **flags: str
) -> tuple[MeasuredServer, dict[str, int]]:
    """On free ports, with a frozen clock and without limits; ``flags`` are further settings."""
    ports = {name: free_port() for name in ("arm", "cdr", "onec", "control")}
    settings = {"limits": "off", "now": NOW, **flags}
    command = [python, "-m", "callmocks", "serve"]
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]

    def start() -> ServerProcess:
        return ServerProcess(
            "callmocks", command, ports["control"], _HEALTH, _log_file("callmocks")
        )

    process, times = _start_repeatedly(start, starts)
    return MeasuredServer(
        "callmocks",
        "callmocks",
        process,
        lambda case: (ports[case.provider], case.path),
        times,
    ), ports


@contextmanager
def running_callmocks(**flags: str) -> Iterator[tuple[MeasuredServer, dict[str, int]]]:
    """callmocks as a user has it, for as long as it is measured."""
    server, ports = start_callmocks(1, prepare_python(), **flags)
    try:
        yield server, ports
    finally:
        server.process.stop()


def start_bare_aiohttp(
    stubs: Sequence[Case], starts: int = 1, python: str = sys.executable
) -> MeasuredServer:
    work = _fresh_folder("bare")
    served = {}
    for stub in stubs:
        (work / stub.name).write_bytes(stub.answer)
        served[f"/{stub.name}"] = {
            "file": str(work / stub.name),
            "content_type": stub.content_type,
            "frame": stub.transport == "frame",
        }
    file = work / "stubs.json"
    file.write_text(json.dumps(served), encoding="utf-8")
    port = free_port()
    command = [python, "-m", "benchmarks.bare_aiohttp", str(port), str(file)]
    first = next(stub for stub in stubs if stub.transport == "http")
    ready = _raw_request(first, f"/{first.name}")
    process, times = _start_repeatedly(
        lambda: ServerProcess("bare aiohttp", command, port, ready, _log_file("bare")), starts
    )
    return MeasuredServer("bare aiohttp", "bare", process, lambda c: (port, f"/{c.name}"), times)


def start_peer(
    peer: Peer, modules: Path, cases: Sequence[Case], kind: str = STUB
) -> MeasuredServer:
    """With constant stubs for the cases, or with one case's expectations.

    ``BenchError`` when it cannot be started.
    """
    port = free_port()
    stubs = cases if kind == STUB else cases[0].expectations
    work = _fresh_folder(f"{peer.package.rpartition('/')[2]}-{kind.replace(' ', '-')}")
    setup = PeerSetup(modules, work, port, stubs, kind)
    ready = _raw_request(cases[0], peer.own_path or setup.path_of(cases[0]))
    log = _log_file(f"{peer.name}-{kind.replace(' ', '-')}")
    process = ServerProcess(peer.name, peer.command(setup), port, ready, log, cwd=work)

    def address_of(case: Case) -> tuple[int, str] | None:
        return port, peer.own_path or setup.path_of(case)

    return MeasuredServer(peer.name, kind, process, address_of, [process.start_seconds], peer=peer)


def select_peers(names: Sequence[str]) -> list[Peer]:
    """The peers of those names; all when there are none."""
    known = {peer.name.lower(): peer for peer in PEERS}
    if unknown := [name for name in names if name.lower() not in known]:
        raise BenchError(f"no peer {unknown[0]!r}; there are {', '.join(p.name for p in PEERS)}")
    return [known[name.lower()] for name in names] if names else list(PEERS)


def _start_repeatedly(
    start: Callable[[], ServerProcess], starts: int
) -> tuple[ServerProcess, list[float]]:
    """The server of the last start, and how long each start took."""
    times: list[float] = []
    while True:
        process = start()
        times.append(process.start_seconds)
        if len(times) == starts:
            return process, times
        process.stop()


def _raw_request(case: Case, path: str) -> bytes:
    body = case.bodies[0]
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in case.headers.items()]
    return ("\r\n".join([*head, "Connection: close"]) + "\r\n\r\n").encode() + body


def _fresh_folder(name: str) -> Path:
    work = CACHE / "work" / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work.resolve()


def _log_file(name: str) -> Path:
    (CACHE / "logs").mkdir(parents=True, exist_ok=True)
    return CACHE / "logs" / f"{name}.log"
