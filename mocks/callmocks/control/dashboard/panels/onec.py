"""PartnerWebAPI2 of 1C-Connect."""

import shlex
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from callmocks.contract.truth import Call
from callmocks.control.dashboard.panels import base
from callmocks.control.dashboard.panels.copied_request import CopiedRequest, find_basic_user
from callmocks.control.dashboard.texts import Texts, mark_text
from callmocks.history.views.lists import LISTS, directory_names
from callmocks.history.walltime import datetime_to_ms
from callmocks.onec import contract
from callmocks.onec.limits import HourlyQuota
from callmocks.onec.provider import ONEC
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.journal import JournalRecord
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

_TIME = "%Y-%m-%dT%H:%M:%S"
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


class OnecPanel(base.ProviderPanel):
    provider = ONEC
    description = mark_text("1C-Connect, PartnerWebAPI2")

    def list_access(self, tenant: Tenant, url: str, texts: Texts) -> list[tuple[str, str]]:
        onec = tenant.settings.onec
        return [
            (texts.gettext("Address"), url),
            (texts.gettext("User"), onec.user),
            (texts.gettext("Password"), onec.password),
            (texts.gettext("WSDL"), f"{url}?wsdl"),
        ]

    def make_examples(self, tenant: Tenant, url: str, texts: Texts) -> list[base.Snippet]:
        now = tenant.clock.now()
        day = _post_history(tenant, url, now - timedelta(days=1), now)
        return [
            base.Snippet(texts.gettext("Service calls of the last 24 hours"), "shell", day),
            base.Snippet(
                texts.gettext("The WSDL"), "shell", f"curl -sS {shlex.quote(url + '?wsdl')}"
            ),
        ]

    def find_rows(
        self, tenant: Tenant, truth: Call, now: datetime, texts: Texts
    ) -> list[base.ProviderRow]:
        if truth.onec is None:
            return []
        frame = tenant.history.find_service_call(truth.onec.call_id, datetime_to_ms(now))
        title = texts.gettext("Row of GetHistoryOfServiceCalls")
        if truth.onec.vendor_scheme:
            title = texts.gettext(
                "Vendor scheme: client and specialist are those of another company"
            )
        href = f"/tenants/{tenant.name}/onec?day={truth.start.date()}"
        names = directory_names(tenant.history.directory)
        columns = [column.name for column in LISTS["onec"].columns]
        return [
            base.ProviderRow(title, href, base.describe_fields(row, _TIME, names=names))
            for row in frame.select(columns).to_dicts()
        ]

    def explain_absence(self, truth: Call) -> str:
        if truth.onec is not None:
            return mark_text("1C-Connect shows a call when it has ended and its lag is over.")
        if truth.direction == "internal":
            return mark_text("1C-Connect does not show calls between two operators.")
        if not truth.client_phone:
            return mark_text("1C-Connect does not show anonymous callers.")
        if truth.user_id is None:
            return mark_text("1C-Connect shows only users it knows; nobody has this number.")
        return mark_text("The call did not reach a line of 1C-Connect.")

    def make_call_examples(
        self, tenant: Tenant, url: str, truth: Call, texts: Texts
    ) -> list[base.Snippet]:
        text = _post_history(tenant, url, truth.start, truth.start + base.SECOND)
        return [base.Snippet(texts.gettext("Calls that began in this second"), "shell", text)]

    def put_credentials(
        self, copied: CopiedRequest, body: str, settings: TenantSettings, record: JournalRecord
    ) -> None:
        if find_basic_user(record) is not None:
            copied.user = f"{settings.onec.user}:{settings.onec.password}"

    async def read_limits(self, tenant: Tenant, texts: Texts) -> list[base.RemainingLimit]:
        exchange = Exchange.start(tenant, self.provider, b"")
        found = []
        name = texts.gettext("%(operation)s an hour")
        for operation in contract.load_operations().values():
            remaining = await HourlyQuota(exchange, operation).get_remaining_calls()
            if remaining is not None:
                found.append(base.RemainingLimit(name % {"operation": operation.name}, *remaining))
        return found


def _post_history(tenant: Tenant, url: str, start: datetime, end: datetime) -> str:
    onec = tenant.settings.onec
    properties = "\n".join(
        _PROPERTY.format(name=name, value=escape(time.isoformat(timespec="seconds")))
        for name, time in (("PeriodFrom", start), ("PeriodTo", end))
    )
    return base.format_curl(
        ["-u", f"{onec.user}:{onec.password}"],
        "application/soap+xml; charset=utf-8",
        url,
        _ENVELOPE.format(properties=properties),
        "XML",
    )
