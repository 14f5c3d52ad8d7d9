"""Scenes of the operator's workplace."""

import re

from aiohttp import WSServerHandshakeError

from callmocks.arm import frames
from tests.tenants.assumption_cases import MESSAGE_TYPES, RecordingClient

COMMAND = "operator_call_history"


def history_request(**filters: object) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in filters.items())
    return f"<in><request><filters{attributes}/></request></in>"


async def post_history(client: RecordingClient, tenant: str = "free", **filters: object) -> bytes:
    url = f"{client.urls['arm']}/{tenant}/service/cc/arm/{COMMAND}"
    headers = {} if filters.pop("session", None) else client.basic_auth("101", tenant)
    return await client.post(url, data=history_request(**filters), headers=headers)


async def filter_case(client: RecordingClient) -> None:
    """Filters and limits."""
    page = await post_history(client, limit=50)
    await post_history(client, limit=5000)
    await post_history(client, limit=0)
    await post_history(client, limit=50, from_date="2026/03/02")
    await post_history(client, limit=50, number="", offset="")
    names = re.findall(r'remote_display_name="([^"]{8,})"', page.decode())
    await post_history(client, limit=50, display_name=names[0][1:6])
    await post_history(client, limit=50, from_date="2026/03/01", number="7%")
    for minute in range(0, 60, 2):
        await post_history(client, limit=50, to_date=f"2026/03/02 10:{minute:02}:00")


async def paging_case(client: RecordingClient) -> None:
    """Tags: with other filters, and past the end."""
    window = {"from_date": "2026/03/02 09:00:00"}
    first = await post_history(client, limit=2, direction="in", **window)
    tag = re.findall(r' tag="([^"]+)"', first.decode())[0]
    await post_history(client, limit=2, direction="out", tag=tag)
    for _ in range(20):
        page = (await post_history(client, limit=50, tag=tag)).decode()
        if "<call_history " not in page:
            break
        tag = re.findall(r' tag="([^"]+)"', page)[0]


async def charset_case(client: RecordingClient) -> None:
    """A document that only its Content-Type tells the charset of."""
    url = f"{client.urls['arm']}/free/service/cc/arm/{COMMAND}"
    content_type = {"Content-Type": "text/xml; charset=windows-1251"}
    headers = client.basic_auth("101", "free") | content_type
    body = history_request(limit=5, from_date="2026/03/02", display_name="ов")
    await client.post(url, data=body.encode("windows-1251"), headers=headers)


async def tag_case(client: RecordingClient) -> None:
    """A page whose tag carries a filter."""
    await post_history(client, limit=2, direction="in", from_date="2026/03/02")


async def unfinished_case(client: RecordingClient) -> None:
    """A call that has not ended."""
    await client.set_clock("2026-03-02T11:30:00")
    for operator in range(101, 113):
        url = f"{client.urls['arm']}/free/service/cc/arm/{COMMAND}"
        headers = client.basic_auth(str(operator), "free")
        body = history_request(limit=1, skip_incomplete="false")
        await client.post(url, data=body, headers=headers)


async def late_case(client: RecordingClient) -> None:
    """Calls that ended minutes ago, whose rows and records are late."""
    await post_history(client, "late", limit=50, skip_incomplete="false")


async def media_case(client: RecordingClient) -> None:
    """A record, asked for without a login."""
    page = (await post_history(client, limit=50)).decode()
    record = re.findall(r' call_record="([^"]+)"', page)[0]
    async with client.http.get(record) as answer:
        client.responses.append(answer.status)


async def websocket_case(client: RecordingClient) -> None:
    """The websocket: where it is, who may open it, what it sends."""
    body = (
        b'[{"_name":"in","_content":[{"_name":"request","_content":'
        b'[{"_name":"filters","_attributes":{"limit":"5"}}]}]}]'
    )
    message = frames.encode_request("0001", COMMAND, body)
    for headers in (
        client.basic_auth("101", "free"),
        client.basic_auth("101", "wrong"),
        {},
    ):
        try:
            url = f"{client.urls['arm']}/free/service/cc/arm"
            async with client.http.ws_connect(url, headers=headers, compress=15) as socket:
                client.responses.append(socket.compress)
                wrong = message[:2] + b"0000000007" + message[12:]
                for send in (
                    socket.send_bytes(message),
                    socket.send_str(message.decode()),
                    socket.send_bytes(wrong),
                ):
                    await send
                    answer = await socket.receive(2)
                    client.responses.append((MESSAGE_TYPES.get(answer.type), answer.data))
        except WSServerHandshakeError as error:
            client.responses.append(error.status)


async def session_case(client: RecordingClient) -> None:
    """A session that is left alone for longer and longer."""
    login = f"{client.urls['arm']}/free/service/cc/arm/login"
    for minutes in (7, 20, 40, 90, 150, 300, 600, 800):
        body = '<in><request login="101" password="free"/></in>'
        await client.post(login, data=body)
        await client.advance_clock(minutes, "free")
        await post_history(client, limit=1, session=True)


CASES = (
    *(filter_case, charset_case, paging_case, tag_case, unfinished_case, late_case),
    *(media_case, websocket_case, session_case),
)
