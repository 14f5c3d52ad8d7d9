"""Messages that a client of each provider sends."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import requests
import websockets

from callmocks.arm import frames
from tests.verification.conftest import DAY

WINDOW = {"date_from": f"{DAY} 09:00:00", "date_till": f"{DAY} 11:59:59"}


def post_legs(url: str, token: str, **params: Any) -> requests.Response:
    body = {"jsonrpc": "2.0", "id": "a-1", "method": "get.call_legs_report"}
    given = {"access_token": token, **WINDOW, "limit": 30, **params}
    return requests.post(url, json={**body, "params": given}, timeout=10)


def history_frame(**filters: object) -> bytes:
    given = {"offset": "0", "limit": "5", **{k: str(v) for k, v in filters.items()}}
    body = [
        {
            "_name": "in",
            "_content": [
                {"_name": "request", "_content": [{"_name": "filters", "_attributes": given}]}
            ],
        }
    ]
    text = json.dumps(body, separators=(",", ":")).encode()
    return frames.encode_request("0007", "operator_call_history", text)


def basic_auth(login: str, password: str) -> dict[str, str]:
    both = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"Authorization": f"Basic {both}"}


async def exchange_frames(url: str, headers: dict[str, str], *sent: bytes) -> list[bytes]:
    answers = []
    async with websockets.connect(url, additional_headers=headers, max_size=None) as connection:
        for frame in sent:
            await connection.send(frame.decode())
            answer = await asyncio.wait_for(connection.recv(), 10)
            answers.append(answer.encode() if isinstance(answer, str) else answer)
    return answers


def soap_envelope(body: str, version: str = "http://schemas.xmlsoap.org/soap/envelope/") -> str:
    return (
        f'<e:Envelope xmlns:e="{version}" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>'
        f'<p:GetHistoryOfServiceCalls xmlns:p="http://buhphone.com/PartnerWebAPI2">{body}'
        "</p:GetHistoryOfServiceCalls></e:Body></e:Envelope>"
    )


CORE = "http://v8.1c.ru/8.1/data/core"


def property_xml(name: str, value: str, kind: str) -> str:
    return (
        f'<Property xmlns="{CORE}" name="{name}"><Value xsi:type="xs:{kind}">{value}</Value>'
        "</Property>"
    )
