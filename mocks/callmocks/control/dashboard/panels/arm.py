"""The workplace of ECSS-10."""

from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from callmocks.arm import frames, schema, tree
from callmocks.arm.provider import ARM
from callmocks.contract.truth import Call
from callmocks.control.dashboard.panels import base
from callmocks.control.dashboard.panels.copied_request import (
    CopiedRequest,
    find_basic_user,
    read_text,
    replace_value,
)
from callmocks.control.dashboard.texts import Texts, mark_text
from callmocks.errors import CallmocksError
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.journal import JournalRecord
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

_TIME = "%Y/%m/%d %H:%M:%S"
_LOGIN_ATTRIBUTE = "/in/request/@password"
_KNOWN_AT_END = {"talk_duration", "total_duration", "duration", "release_time", "release_reason"}
_KNOWN_WHEN_ANSWERED = {"waiting_duration", "answer_time"}
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


class ArmPanel(base.ProviderPanel):
    provider = ARM
    description = mark_text("operator's workplace, ECSS-10")
    open_all_rows = True

    def list_access(self, tenant: Tenant, url: str, texts: Texts) -> list[tuple[str, str]]:
        numbers = _numbers(tenant)
        shown = ", ".join(numbers[:3])
        if len(numbers) > 3:
            shown += f", … {numbers[-1]} ({len(numbers)})"
        return [
            (texts.gettext("Address"), _service_url(tenant, url)),
            (texts.gettext("Domain"), tenant.name),
            (texts.gettext("Operators"), shown),
            (texts.gettext("Password"), tenant.settings.arm.password),
        ]

    def make_examples(self, tenant: Tenant, url: str, texts: Texts) -> list[base.Snippet]:
        operator = _numbers(tenant)[0]
        login = {"login": operator, "password": tenant.settings.arm.password}
        path = tenant.assumptions.choices["arm.websocket-path"]
        address = f"ws{url.removeprefix('http')}/{tenant.name}/{path}"
        program = _WEBSOCKET.format(login=base.format_json(login), url=base.format_json(address))
        newest = _post_history(tenant, url, operator, {"offset": "0", "limit": "10"})
        history = texts.gettext("History of operator %(number)s over HTTP") % {"number": operator}
        return [
            base.Snippet(history, "shell", newest),
            base.Snippet(texts.gettext("The same as frames on a websocket"), "python", program),
        ]

    def find_rows(
        self, tenant: Tenant, truth: Call, now: datetime, texts: Texts
    ) -> list[base.ProviderRow]:
        begin, end = datetime_to_ms(truth.start), datetime_to_ms(truth.end)
        rows = [
            row
            for operator in _rung_operators(truth)
            for frame in tenant.history.arm_frames(operator, end, begin)
            for row in frame.to_dicts()
            if row["_leg_id"] in truth.cdr.leg_ids and row["_start"] <= datetime_to_ms(now)
        ]
        list_url = f"/tenants/{tenant.name}/arm?day={truth.start.date()}&operator="
        rows.sort(key=lambda row: row["_start"])
        return [_describe_row(list_url, row, now, texts) for row in rows]

    def explain_absence(self, truth: Call) -> str:
        return mark_text("No operator's phone rang: none of them has this call in his history.")

    def copy_request(
        self, settings: TenantSettings | None, url: str, record: JournalRecord, texts: Texts
    ) -> list[base.Snippet]:
        if record.is_frame:
            return _copy_frame(settings, url, record, texts)
        return super().copy_request(settings, url, record, texts)

    def put_credentials(
        self, copied: CopiedRequest, body: str, settings: TenantSettings, record: JournalRecord
    ) -> None:
        copied.body = replace_value(body, _LOGIN_ATTRIBUTE, settings.arm.password)
        user = record.user or find_basic_user(record)
        if user and record.operation != schema.LOGIN:
            copied.user = f"{user}:{settings.arm.password}"

    def make_call_examples(
        self, tenant: Tenant, url: str, truth: Call, texts: Texts
    ) -> list[base.Snippet]:
        begin, end = truth.start, truth.end
        period = {"from_date": f"{begin:{_TIME}}", "to_date": f"{end:{_TIME}}"}
        filters = {**period, "offset": "0", "limit": "10"}
        return [
            base.Snippet(
                texts.gettext("As operator %(number)s") % {"number": operator},
                "shell",
                _post_history(tenant, url, operator, filters),
            )
            for operator in _rung_operators(truth)
        ]


def _copy_frame(
    settings: TenantSettings | None, url: str, record: JournalRecord, texts: Texts
) -> list[base.Snippet]:
    """The frame as it can be sent again, and as a document by POST."""
    text, password = read_text(record), settings.arm.password if settings else ""
    if text is None:
        return []
    title = texts.gettext("The frame, to send on a websocket")
    try:
        frame = frames.decode_request(text.encode())
        body = frame.body.decode()
        if password:
            body = replace_value(body, _LOGIN_ATTRIBUTE, password)
        if body.encode() != frame.body:
            text = frames.encode_request(frame.id, frame.command, body.encode()).decode()
        document = tree.json_to_xml(body.encode()).decode()
    except CallmocksError:
        return [base.Snippet(title, "text", text)]
    domain = record.head.decode("utf-8", "replace").split("/")[1]
    address = f"{url}/{domain}/service/cc/arm/{frame.command}"
    posted = CopiedRequest("POST", address, [("Content-Type", "text/xml")], document)
    if record.user and password and frame.command != schema.LOGIN:
        posted.user = f"{record.user}:{password}"
    by_post = base.Snippet(texts.gettext("The same by POST"), "shell", posted.text)
    return [base.Snippet(title, "text", text), by_post]


def _numbers(tenant: Tenant) -> list[str]:
    today = tenant.clock.now().date()
    operators = tenant.history.directory.operators
    return [each.number for each in operators if not each.has_left(today)]


def _rung_operators(truth: Call) -> list[str]:
    return list(dict.fromkeys(row.operator for row in truth.arm))


def _service_url(tenant: Tenant, url: str) -> str:
    return f"{url}/{tenant.name}/service/cc/arm"


def _describe_row(
    list_url: str, row: dict[str, Any], now: datetime, texts: Texts
) -> base.ProviderRow:
    """A row; of a call under way without what only its end, or its answer, tells."""
    hidden: set[str] = set()
    title = texts.gettext("Operator %(number)s from %(time)s")
    if row["_release"] > datetime_to_ms(now):
        title = texts.gettext(
            "Operator %(number)s from %(time)s, under way: only with skip_incomplete=false"
        )
        hidden |= _KNOWN_AT_END
        if row["_answer"] is None or row["_answer"] > datetime_to_ms(now):
            hidden |= _KNOWN_WHEN_ANSWERED
    title %= {"number": row["digits"], "time": f"{row['start_time']:%H:%M:%S}"}
    return base.ProviderRow(
        title, list_url + row["digits"], base.describe_fields(row, _TIME, hidden)
    )


def _post_history(tenant: Tenant, url: str, operator: str, filters: dict[str, str]) -> str:
    attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in filters.items())
    return base.format_curl(
        ["-u", f"{operator}:{tenant.settings.arm.password}"],
        "text/xml",
        f"{_service_url(tenant, url)}/operator_call_history",
        f"<in><request><filters {attributes}/></request></in>",
        "XML",
    )
