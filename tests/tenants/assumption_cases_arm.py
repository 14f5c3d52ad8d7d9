"""Scenes of the operator's workplace."""

import re

from aiohttp import WSServerHandshakeError

from callmocks.arm import frames
from tests.tenants.assumption_cases import KINDS, Stage

COMMAND = "operator_call_history"


def request(**filters: object) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in filters.items())
    return f"<in><request><filters{attributes}/></request></in>"


async def post(stage: Stage, tenant: str = "free", **filters: object) -> bytes:
    url = f"{stage.urls['arm']}/{tenant}/service/cc/arm/{COMMAND}"
    headers = {} if filters.pop("session", None) else stage.basic("101", tenant)
    return await stage.post(url, data=request(**filters), headers=headers)


async def filters(stage: Stage) -> None:
    """Filters and limits."""
    page = await post(stage, limit=50)
    await post(stage, limit=5000)
    await post(stage, limit=0)
    await post(stage, limit=50, from_date="2026/03/02")
    await post(stage, limit=50, number="")
    names = re.findall(r'remote_display_name="([^"]{8,})"', page.decode())
    await post(stage, limit=50, display_name=names[0][1:6])
    for minute in range(0, 60, 2):
        await post(stage, limit=50, to_date=f"2026/03/02 10:{minute:02}:00")


async def pages(stage: Stage) -> None:
    """Tags: with other filters, and past the end."""
    window = {"from_date": "2026/03/02 09:00:00"}
    first = await post(stage, limit=2, direction="in", **window)
    tag = re.findall(r' tag="([^"]+)"', first.decode())[0]
    await post(stage, limit=2, direction="out", tag=tag)
    for _ in range(20):
        page = (await post(stage, limit=50, tag=tag)).decode()
        if "<call_history " not in page:
            break
        tag = re.findall(r' tag="([^"]+)"', page)[0]


async def sockets(stage: Stage) -> None:
    """The websocket: where it is, who may open it, what it sends."""
    body = (
        b'[{"_name":"in","_content":[{"_name":"request","_content":'
        b'[{"_name":"filters","_attributes":{"limit":"5"}}]}]}]'
    )
    message = frames.encode_request("0001", COMMAND, body)
    for headers in (stage.basic("101", "free"), {}):
        try:
            url = f"{stage.urls['arm']}/free/service/cc/arm"
            async with stage.http.ws_connect(url, headers=headers) as socket:
                for send in (socket.send_bytes(message), socket.send_str(message.decode())):
                    await send
                    answer = await socket.receive(2)
                    stage.seen.append((KINDS.get(answer.type), answer.data))
        except WSServerHandshakeError as error:
            stage.seen.append(error.status)


async def sessions(stage: Stage) -> None:
    """A session that is left alone for longer and longer."""
    login = f"{stage.urls['arm']}/free/service/cc/arm/login"
    for minutes in (7, 20, 40, 90, 150, 300, 600, 800):
        body = '<in><request login="101" password="free"/></in>'
        await stage.post(login, data=body)
        await stage.advance(minutes, "free")
        await post(stage, limit=1, session=True)


SCENES = (filters, pages, sockets, sessions)
