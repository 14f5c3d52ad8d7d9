"""A container engine, played: it speaks enough of the Docker API for testcontainers.

A "container" is a process of this machine. Its ports are not those it was asked for but free ones,
and what the engine publishes are further ports that lead there: as with a real one, the suite in it
cannot know how it is reached.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.forked import ForkedCommand

SERVERS = {8086: "arm", 8087: "cdr", 8088: "onec", 8080: "control"}
IMAGE_ENV = {"CALLMOCKS_HOST": "0.0.0.0"}
EXITING_IMAGE = "dies"
"""An image whose container ends at once."""


@dataclass
class Container:
    config: dict[str, Any]
    """What the client asked for."""
    root: Path
    """What is ``/tmp`` in it."""
    process: ForkedCommand | None = None
    published: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    gates: list[asyncio.Server] = field(default_factory=list)
    log: bytes = b""


class DockerEngine:
    """An engine on a free port, from ``start`` to ``stop``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.containers: dict[str, Container] = {}
        self.removed: list[str] = []
        self.url = ""
        self.execs_served = 0
        self._execs: dict[str, tuple[Container, list[str]]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/version", self._version),
                web.get("/{v}/images/{name:.+}/json", self._image),
                web.get("/{v}/networks", self._nothing),
                web.post("/{v}/containers/create", self._create),
                web.post("/{v}/containers/{id}/start", self._start),
                web.get("/{v}/containers/{id}/json", self._inspect),
                web.get("/{v}/containers/{id}/logs", self._logs),
                web.delete("/{v}/containers/{id}", self._remove),
                web.post("/{v}/containers/{id}/exec", self._exec),
                web.post("/{v}/exec/{id}/start", self._exec_start),
                web.get("/{v}/exec/{id}/json", self._exec_inspect),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"tcp://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _end(self) -> None:
        for name in list(self.containers):
            await self._kill(name)
        await self._runner.cleanup()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.44", "Version": "28.0.0"})

    async def _image(self, request: web.Request) -> web.Response:
        return web.json_response({"Id": "sha256:0", "RepoTags": [request.match_info["name"]]})

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.json_response([])

    async def _create(self, request: web.Request) -> web.Response:
        name = f"{len(self.containers) + len(self.removed):064x}"
        root = self.folder / name
        root.mkdir()
        self.containers[name] = Container(await request.json(), root)
        return web.json_response({"Id": name, "Warnings": []}, status=201)

    async def _start(self, request: web.Request) -> web.Response:
        container = self.containers[request.match_info["id"]]
        if container.config["Image"] != EXITING_IMAGE:
            await self._run(container)
        return web.Response(status=204)

    async def _run(self, container: Container) -> None:
        given = dict(each.split("=", 1) for each in container.config["Env"])
        given = {name: self._here(container, value) for name, value in given.items()}
        ports = {f"CALLMOCKS_{name.upper()}_PORT": "0" for name in SERVERS.values()}
        container.process = ForkedCommand("serve", "--json", env=IMAGE_ENV | given | ports)
        line = await asyncio.to_thread(container.process.stdout.readline)
        if not line:
            container.log = container.process.stderr.read()
            return
        ready = json.loads(line)
        for exposed in container.config["ExposedPorts"]:
            url = ready[SERVERS[int(exposed.split("/")[0])]]
            await self._publish(container, exposed, url)

    def _here(self, container: Container, value: str) -> str:
        """A path in the container as the path on this machine."""
        for bind in container.config["HostConfig"].get("Binds") or []:
            source, inside, _ = bind.split(":")
            if value == inside:
                return str(source)
        return re.sub("^/tmp/", f"{container.root}/", value)

    async def _publish(self, container: Container, exposed: str, url: str | None) -> None:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if url is None:
                writer.close()
                return
            port = int(re.findall(r":(\d+)", url)[0])
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

        gate = await asyncio.start_server(forward, "127.0.0.1", 0)
        container.gates.append(gate)
        place = {"HostIp": "0.0.0.0", "HostPort": str(gate.sockets[0].getsockname()[1])}
        container.published[exposed] = [place]

    async def _inspect(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        container = self.containers[name]
        alive = container.process is not None and container.process.returncode is None
        return web.json_response(
            {
                "Id": name,
                "Name": "/mocks",
                "Image": "sha256:0",
                "State": {"Status": "running" if alive else "exited", "Running": alive},
                "Config": container.config,
                "NetworkSettings": {"Ports": container.published, "Networks": {}},
            }
        )

    async def _logs(self, request: web.Request) -> web.Response:
        return web.Response(body=_framed(self.containers[request.match_info["id"]].log))

    async def _remove(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        await self._kill(name)
        self.removed.append(name)
        return web.Response(status=204)

    async def _kill(self, name: str) -> None:
        container = self.containers.pop(name)
        for gate in container.gates:
            gate.close()
        if container.process is not None:
            with container.process as process:
                process.kill()

    async def _exec(self, request: web.Request) -> web.Response:
        container = self.containers[request.match_info["id"]]
        name = str(len(self._execs))
        self._execs[name] = (container, (await request.json())["Cmd"])
        return web.json_response({"Id": name}, status=201)

    async def _exec_start(self, request: web.Request) -> web.StreamResponse:
        container, command = self._execs[request.match_info["id"]]
        process = await asyncio.create_subprocess_exec(
            *(self._here(container, word) for word in command), stdout=asyncio.subprocess.PIPE
        )
        output = _framed((await process.communicate())[0])
        answer = web.StreamResponse()
        answer.force_close()  # the client reads until the end of the connection
        answer.content_length = len(_framed(b"")) + len(output)
        await answer.prepare(request)
        self.execs_served += 1
        if self.execs_served > 1:  # the first output is lost: it comes with the headers
            await answer.write(_framed(b""))
            await asyncio.sleep(0.1)
            await answer.write(output)
        else:
            await answer.write(output + _framed(b""))
        await answer.write_eof()
        return answer

    async def _exec_inspect(self, request: web.Request) -> web.Response:
        return web.json_response({"ExitCode": 0, "Running": False})


def _framed(text: bytes) -> bytes:
    """As the API sends output: a header with the stream's number and the length, the text."""
    return struct.pack(">BxxxI", 1, len(text)) + text


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
