"""Clients of the three providers, as small as can be, over the standard library."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from callmocks.testing import Arm, Cdr, Onec

SOAP = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    '<x:GetHistoryOfServiceCalls xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>'
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">'
    '<Value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:dateTime">2026-03-02T00:00:00'
    "</Value></Property></x:Params></x:GetHistoryOfServiceCalls></e:Body></e:Envelope>"
)
TIMEOUT = 60.0
DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}


def post(url: str, body: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(url, body.encode(), dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def basic(user: str, password: str) -> dict[str, str]:
    """The header of Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def legs(cdr: Cdr, token: str | None = None, **params: object) -> Any:
    """The decoded answer of the legs' report over the second of March."""
    return call(
        cdr, "get.call_legs_report", **{"access_token": token or cdr.token, **DAY, **params}
    )


def call(cdr: Cdr, method: str, **params: object) -> Any:
    """The decoded answer of a method of the Data API."""
    params = {"access_token": cdr.token, **params}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.loads(post(cdr.url, json.dumps(request))[1])


def leg_ids(cdr: Cdr) -> list[int]:
    """The ids of that day's legs."""
    return [row["id"] for row in legs(cdr)["result"]["data"]]


def history(arm: Arm, operator: str = "101", **filters: object) -> tuple[int, str]:
    """Status and text of an operator's call history."""
    attributes = " ".join(f'{name}="{value}"' for name, value in {"limit": 50, **filters}.items())
    (login,) = [each for each in arm.operators if each.number == operator]
    return post(
        f"{arm.service_url}/operator_call_history",
        f"<in><request><filters {attributes}/></request></in>",
        basic(login.number, login.password),
    )


def service_calls(onec: Onec) -> tuple[int, str]:
    """Status and text of the calls on the partner's lines since the second of March."""
    headers = {"Content-Type": "text/xml; charset=utf-8", **basic(onec.user, onec.password)}
    return post(onec.url, SOAP, headers)
