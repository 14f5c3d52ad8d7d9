"""What is compared: callmocks, the ceiling and the peers, each a process on the server's core."""

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
from benchmarks.peers.base import PeerSetup
from benchmarks.processes import BenchError, ServerProcess, free_port

CACHE = Path(".bench")
"""Peers' packages and what runs leave behind; not in git."""
_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = Path(__file__).with_name("package.json")
_INSTALL_SECONDS = 600
_HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass
class MeasuredServer:
    """A running server. ``place`` says where it serves a case: port and path."""

    name: str
    kind: str
    """``callmocks``, ``ceiling``, ``general`` or ``other``."""
    server: ServerProcess
    address: Callable[[Case], tuple[int, str] | None]
    start_times: list[float] = field(default_factory=list)
    """Seconds from the start of the process to the first answer with status 200."""
    idle_bytes: int = 0
    """Bytes of memory before the first run."""
    final_bytes: int = 0
    """Bytes of memory after the last run."""

    @property
    def start_seconds(self) -> float:
        """The median of its starts, seconds."""
        return statistics.median(self.start_times)


def prepare_python() -> str:
    """Python with callmocks as a user has it: what tests need besides makes its start slower."""
    venv = CACHE / "venv"
    python = venv / "bin" / "python"
    made, wanted = venv / ".made", (_ROOT / "pyproject.toml").read_bytes()
    if not made.exists() or made.read_bytes() != wanted:
        bootstrap = [sys.executable, str(_ROOT / "scripts" / "bootstrap"), str(venv)]
        done = subprocess.run(bootstrap, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
        if done.returncode:
            raise BenchError(f"callmocks cannot be installed: {done.stderr.strip()[-500:]}")
        made.write_bytes(wanted)
    return str(python.absolute())


def install_peers() -> Path:
    """The peers' packages, from the npm registry on first use; their ``node_modules``."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise BenchError(f"{tool} is not installed")
    CACHE.mkdir(exist_ok=True)
    there = CACHE / "package.json"
    wanted = _PACKAGES.read_bytes()
    if not there.exists() or there.read_bytes() != wanted:
        (CACHE / "package-lock.json").unlink(missing_ok=True)
        there.write_bytes(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            command, cwd=CACHE, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
        if done.returncode:
            there.unlink()
            raise BenchError(f"npm install: {done.stderr.strip()[-500:]}")
    return CACHE / "node_modules"


def start_callmocks(
    starts: int = 1, python: str = sys.executable, **flags: str
) -> tuple[MeasuredServer, dict[str, int]]:
    """callmocks on free ports, its clock standing, limits off; the ports by server.

    ``flags`` are further settings of ``callmocks serve``.
    """
    ports = {name: free_port() for name in ("arm", "cdr", "onec", "control")}
    settings = {"limits": "off", "now": NOW, **flags}
    command = [python, "-m", "callmocks", "serve"]
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]

    def make() -> ServerProcess:
        return ServerProcess(
            "callmocks", command, ports["control"], _HEALTH, _log_file("callmocks")
        )

    server, times = _start_repeatedly(make, starts)
    return MeasuredServer(
        "callmocks",
        "callmocks",
        server,
        lambda case: (ports[case.provider], case.path),
        times,
    ), ports


@contextmanager
def running_callmocks(**flags: str) -> Iterator[tuple[MeasuredServer, dict[str, int]]]:
    """callmocks as a user has it, for as long as it is measured."""
    subject, ports = start_callmocks(1, prepare_python(), **flags)
    try:
        yield subject, ports
    finally:
        subject.server.stop()


def start_bare_aiohttp(
    stubs: Sequence[Case], starts: int = 1, python: str = sys.executable
) -> MeasuredServer:
    """The bare aiohttp handlers."""
    work = _fresh_folder("ceiling")
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
    server, times = _start_repeatedly(
        lambda: ServerProcess("ceiling", command, port, ready, _log_file("ceiling")), starts
    )
    return MeasuredServer("bare aiohttp", "ceiling", server, lambda c: (port, f"/{c.name}"), times)


def start_peer(peer: Peer, modules: Path, stubs: Sequence[Case], starts: int = 1) -> MeasuredServer:
    """A peer with stubs for the cases it serves; ``BenchError`` when it cannot be started."""
    served = [stub for stub in stubs if peer.serves(stub)]
    if not served:
        raise BenchError("it serves none of the cases")
    port = free_port()
    ready = _raw_request(served[0], peer.path_of(served[0]))

    def make() -> ServerProcess:
        work = _fresh_folder(peer.package.rpartition("/")[2])
        command = peer.command(PeerSetup(modules, work, port, served))
        return ServerProcess(peer.name, command, port, ready, _log_file(peer.name), cwd=work)

    server, times = _start_repeatedly(make, starts)
    kind = "general" if peer.general else "other"

    def place(case: Case) -> tuple[int, str] | None:
        return (port, peer.path_of(case)) if peer.serves(case) else None

    return MeasuredServer(peer.name, kind, server, place, times)


def select_peers(names: Sequence[str]) -> list[Peer]:
    """The peers of those names; all when there are none."""
    known = {peer.name.lower(): peer for peer in PEERS}
    if unknown := [name for name in names if name.lower() not in known]:
        raise BenchError(f"no peer {unknown[0]!r}; there are {', '.join(p.name for p in PEERS)}")
    return [known[name.lower()] for name in names] if names else list(PEERS)


def _start_repeatedly(
    make: Callable[[], ServerProcess], starts: int
) -> tuple[ServerProcess, list[float]]:
    """The server of the last start, and how long each start took."""
    times: list[float] = []
    while True:
        server = make()
        times.append(server.start_seconds)
        if len(times) == starts:
            return server, times
        server.stop()


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
