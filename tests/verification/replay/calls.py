"""Calls of the three providers, live or in a replay, and their rows."""

from __future__ import annotations

from typing import Any

import requests
from lxml import etree

from tests.verification.conftest import DAY
from tests.verification.messages import property_xml, soap_envelope
from tests.verification.traffic import ARM_COMMAND

Rows = list[dict[str, Any]]


def call_cdr(url: str, method: str, **params: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
    body["params"] = {"access_token": params.pop("token", "any"), **params}
    answer: dict[str, Any] = requests.post(url, json=body, timeout=20).json()
    return answer


def hours(first: str, last: str) -> dict[str, str]:
    """``hours("09", "11")``: from nine to 11:59:59."""
    return {"date_from": f"{DAY} {first}:00:00", "date_till": f"{DAY} {last}:59:59"}


def call_arm(url: str, auth: tuple[str, str] | None = None, **filters: Any) -> etree._Element:
    attributes = " ".join(f"{name}='{value}'" for name, value in filters.items())
    body = f"<in><request><filters {attributes}/></request></in>"
    answer = requests.post(f"{url}/service/cc/arm/{ARM_COMMAND}", body, auth=auth, timeout=20)
    return etree.fromstring(answer.content)


def arm_rows(root: etree._Element) -> Rows:
    assert root.find("error") is None, root.findtext("error")
    return [
        {str(k): str(v) for k, v in row.attrib.items()}
        for row in root.findall("response/history/call_history")
    ]


def arm_tag(root: etree._Element) -> str:
    history = root.find("response/history")
    assert history is not None
    return str(history.get("tag"))


def call_onec(url: str, first: str, till: str, auth: tuple[str, str] | None = None) -> bytes:
    period = {"PeriodFrom": first, "PeriodTo": till}
    params = [property_xml(name, f"{DAY}T{text}", "dateTime") for name, text in period.items()]
    body = soap_envelope(f"<p:Params>{''.join(params)}</p:Params>")
    return requests.post(url, data=body, auth=auth, timeout=20).content


def onec_rows(answer: bytes) -> list[list[str | None]]:
    root = etree.fromstring(answer)
    assert root.find(".//faultstring") is None, root.findtext(".//faultstring")
    return [[cell.text for cell in row] for row in root.iter("{*}row")]
