"""Traffic of a tenant as a recording, without a proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from lxml import etree

from callmocks.testing import Tenant
from tests.verification.conftest import DAY
from tests.verification.messages import property_xml, soap_envelope

RECORDED_AT = "2026-03-03T12:00:00"
ARM_COMMAND = "operator_call_history"


class TrafficLog:
    """Sends requests to a tenant and writes them with their answers as a recording."""

    def __init__(self, tenant: Tenant, path: Path) -> None:
        self.tenant = tenant
        self.path = path
        self._lines: list[str] = []

    def add(self, provider: str, operation: str, request: bytes, answer: requests.Response) -> None:
        sent = {"seq": len(self._lines) + 1, "at": RECORDED_AT, "provider": provider}
        sent |= {"operation": operation, "status": answer.status_code, "transport": "http"}
        sent |= {"request": request.decode(), "response": answer.text}
        content_type = answer.headers["Content-Type"]
        self._lines.append(json.dumps(sent | {"content_type": content_type}))
        self.path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")

    def cdr(self, method: str, **params: Any) -> None:
        token = f"{self.tenant.name}-token"
        body = {"jsonrpc": "2.0", "id": 1, "method": method}
        request = json.dumps({**body, "params": {"access_token": token, **params}}).encode()
        self.add("cdr", method, request, requests.post(self.tenant.cdr.url, request, timeout=20))

    def arm(self, operator: str = "101", **filters: Any) -> etree._Element:
        attributes = " ".join(f"{name}='{value}'" for name, value in filters.items())
        body = f"<in><request><filters {attributes}/></request></in>".encode()
        url = f"{self.tenant.arm.url}/{self.tenant.name}/service/cc/arm/{ARM_COMMAND}"
        answer = requests.post(url, body, auth=(operator, self.tenant.name), timeout=20)
        self.add("arm", ARM_COMMAND, body, answer)
        return etree.fromstring(answer.content)

    def onec(self, first: str, till: str) -> None:
        period = {"PeriodFrom": first, "PeriodTo": till}
        texts = [property_xml(name, f"{DAY}T{text}", "dateTime") for name, text in period.items()]
        request = soap_envelope(f"<p:Params>{''.join(texts)}</p:Params>").encode()
        auth = (self.tenant.name, self.tenant.name)
        answer = requests.post(self.tenant.onec.url, request, auth=auth, timeout=20)
        self.add("onec", "GetHistoryOfServiceCalls", request, answer)
