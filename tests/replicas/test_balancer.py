"""Three replicas behind nginx, as docker-compose.yml has them: a client sees one suite."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.deploy.test_balancer import NGINX, _wait_for, configured
from tests.replicas.conftest import FORBIDDEN, NOW, PORTS, Client, ReplicaProcess

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine")


@pytest.fixture(scope="module")
def balanced(
    three: list[ReplicaProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReplicaProcess]:
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        numbers = [listener.getsockname()[1] for listener in listeners]
    ports = dict(zip(PORTS, numbers, strict=True))
    path = configured(folder, ports, [replica.urls for replica in three])
    command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(path), "-g", "daemon off;"]
    with subprocess.Popen(command) as nginx:
        _wait_for(ports["control"])
        paths = {"cdr": "/v2.0", "onec": "/cus/ws/PartnerWebAPI2"}
        urls = {n: f"http://127.0.0.1:{ports[n]}{paths.get(n, '')}" for n in PORTS}
        yield ReplicaProcess(nginx, urls)  # type: ignore[arg-type]
        nginx.terminate()


async def test_whatever_is_changed_holds_for_the_next_request(
    balanced: ReplicaProcess, client: Client
) -> None:
    for _ in range(8):
        name = await client.tenant(balanced, now=NOW, limits="documented", cdr={"day_limit": 12})
        opened = await client.rpc(balanced, "login.user", login=name, password=name)
        token = opened["data"]["access_token"]
        path = f"/api/tenants/{name}"
        made = await client.control(balanced, "POST", f"{path}/faults", FORBIDDEN | {"times": 2})
        answers = [await client.rpc(balanced, "get.account", access_token=token) for _ in range(3)]
        assert [answer == "forbidden" for answer in answers] == [True, True, False]
        await client.control(balanced, "DELETE", f"{path}/faults/{made.json['id']}")
        pinned = (await client.control(balanced, "POST", f"{path}/calls", {"start": NOW})).json
        listed = (await client.control(balanced, "GET", f"{path}/calls")).json["calls"]
        assert [call["id"] for call in listed] == [pinned["id"]]
        await client.control(balanced, "POST", f"{path}/clock/advance", {"seconds": 60})
        shown = (await client.control(balanced, "GET", f"{path}/clock")).json["now"]
        assert shown == "2026-03-02T12:01:00"
        calls = (client.rpc(balanced, "get.account", access_token=token) for _ in range(20))
        answers = await asyncio.gather(*calls)
        assert answers.count("limit_exceeded") == 10
        await client.control(balanced, "DELETE", path)
        assert (await client.control(balanced, "GET", path)).status == 404
