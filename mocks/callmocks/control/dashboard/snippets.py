"""Requests to copy: complete commands with the tenant's addresses and credentials."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from callmocks.control.addresses import Addresses
    from callmocks.tenants.tenant import Tenant

_SERVICE = "service/cc/arm"
_ENVELOPE = """\
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"
               xmlns:par="http://buhphone.com/PartnerWebAPI2"
               xmlns:core="http://v8.1c.ru/8.1/data/core"
               xmlns:xs="http://www.w3.org/2001/XMLSchema"
               xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <soap:Body>
    <par:GetHistoryOfServiceCalls>
      <par:Params>
{properties}
      </par:Params>
    </par:GetHistoryOfServiceCalls>
  </soap:Body>
</soap:Envelope>"""
_PROPERTY = """\
        <core:Property name="{name}">
          <core:Value xsi:type="xs:dateTime">{value}</core:Value>
        </core:Property>"""
_WEBSOCKET = """\
# pip install websockets
import json
from websockets.sync.client import connect

def frame(number, command, request):
    tree = [{{"_name": "in", "_content": [{{"_name": "request", **request}}]}}]
    body = json.dumps(tree, separators=(",", ":")).encode()
    return b"01%010d%04d%-32b%b" % (48 + len(body), number, command.encode(), body)

login = {{"_attributes": {login}}}
newest = {{"_content": [{{"_name": "filters", "_attributes": {{"offset": "0", "limit": "10"}}}}]}}
with connect({url}) as arm:
    arm.send(frame(1, "login", login))
    print(arm.recv()[:19])
    arm.send(frame(2, "operator_call_history", newest))
    print(arm.recv().decode())"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text to copy."""

    title: str
    language: str
    """``shell`` or ``python``."""
    text: str


def example_requests(tenant: Tenant, addresses: Addresses) -> dict[str, list[Snippet]]:
    """By provider: how to get the last calls before the tenant's now."""
    now = tenant.clock.now().replace(microsecond=0)
    start = now - timedelta(days=1)
    operator = next(each.number for each in tenant.history.directory.operators if not each.deleted)
    made: dict[str, list[Snippet]] = {}
    if addresses.arm:
        made["arm"] = [
            Snippet(
                f"History of operator {operator} over HTTP",
                "shell",
                arm_post(tenant, addresses.arm, operator, {"offset": "0", "limit": "10"}),
            ),
            Snippet(
                "The same as frames on a websocket",
                "python",
                arm_frames(tenant, addresses.arm, operator),
            ),
        ]
    if addresses.cdr:
        made["cdr"] = [
            Snippet(
                "Call legs of the last 24 hours",
                "shell",
                cdr_report(tenant, addresses.cdr, "get.call_legs_report", start, now, limit=10),
            ),
            Snippet("Log in for a token of your own", "shell", cdr_login(tenant, addresses.cdr)),
        ]
    if addresses.onec:
        made["onec"] = [
            Snippet(
                "Service calls of the last 24 hours",
                "shell",
                onec_history(tenant, addresses.onec, start, now),
            ),
            Snippet("The WSDL", "shell", f"curl -s {shlex.quote(addresses.onec + '?wsdl')}"),
        ]
    return made


def arm_post(tenant: Tenant, url: str, operator: str, filters: dict[str, str]) -> str:
    """``operator_call_history`` by POST, with HTTP Basic."""
    named = " ".join(f"{name}={quoteattr(value)}" for name, value in filters.items())
    address = f"{url}/{tenant.name}/{_SERVICE}/operator_call_history"
    return _curl_command(
        ["-u", f"{operator}:{tenant.settings.arm.password}"],
        "text/xml",
        address,
        f"<in><request><filters {named}/></request></in>",
        "XML",
    )


def arm_frames(tenant: Tenant, url: str, operator: str) -> str:
    """A Python program that logs in on the websocket and asks for the newest calls."""
    login = {"login": operator, "password": tenant.settings.arm.password}
    path = tenant.assumptions.get_choice("arm.websocket-path")
    address = f"ws{url.removeprefix('http')}/{tenant.name}/{path}"
    return _WEBSOCKET.format(login=_json_text(login), url=_json_text(address))


def cdr_report(
    tenant: Tenant, url: str, method: str, start: datetime, end: datetime, **more: object
) -> str:
    """A report of the Data API with the static token."""
    params = {
        "access_token": tenant.settings.cdr.token,
        "date_from": start.isoformat(" "),
        "date_till": end.isoformat(" "),
        **more,
    }
    return _rpc_command(url, method, params)


def cdr_login(tenant: Tenant, url: str) -> str:
    """``login.user``."""
    cdr = tenant.settings.cdr
    return _rpc_command(url, "login.user", {"login": cdr.login, "password": cdr.password})


def onec_history(tenant: Tenant, url: str, start: datetime, end: datetime) -> str:
    """``GetHistoryOfServiceCalls``."""
    onec = tenant.settings.onec
    period = {"PeriodFrom": start, "PeriodTo": end}
    properties = "\n".join(
        _PROPERTY.format(name=name, value=escape(when.isoformat())) for name, when in period.items()
    )
    return _curl_command(
        ["-u", f"{onec.user}:{onec.password}"],
        "application/soap+xml; charset=utf-8",
        url,
        _ENVELOPE.format(properties=properties),
        "XML",
    )


def _rpc_command(url: str, method: str, params: dict[str, object]) -> str:
    named = ",\n".join(
        f"  {_json_text(name)}: {_json_text(value)}" for name, value in params.items()
    )
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": {_json_text(method)}, "params": {{\n{named}}}}}'
    return _curl_command([], "application/json", url, body, "JSON")


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _curl_command(
    options: list[str], content_type: str, url: str, body: str, delimiter: str
) -> str:
    """A curl command that reads its body from the lines that follow."""
    words = ["curl", "-s", *options, "-H", f"Content-Type: {content_type}"]
    address = shlex.quote(url)
    return (
        f"{shlex.join(words)} --data-binary @- \\\n  {address} <<'{delimiter}'\n{body}\n{delimiter}"
    )
