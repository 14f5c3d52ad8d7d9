"""The Data API of CoMagic and UIS."""

from datetime import datetime, timedelta

from callmocks.cdr.limits import RateLimiter
from callmocks.cdr.provider import CDR
from callmocks.contract.truth import Call
from callmocks.control.dashboard.panels import base
from callmocks.control.dashboard.panels.copied_request import CopiedRequest, replace_value
from callmocks.control.dashboard.texts import Texts, mark_text
from callmocks.history.views.lists import add_record_ids
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.journal import JournalRecord
from callmocks.tenants.settings import CdrSettings, TenantSettings
from callmocks.tenants.tenant import Tenant

_TIME = "%Y-%m-%d %H:%M:%S"
_WINDOWS = {"minute": mark_text("points a minute"), "day": mark_text("points a day")}


class CdrPanel(base.ProviderPanel):
    provider = CDR
    description = mark_text("CoMagic / UIS Data API")
    always_show_limits = True

    def list_access(self, tenant: Tenant, url: str, texts: Texts) -> list[tuple[str, str]]:
        cdr = tenant.settings.cdr
        return [
            (texts.gettext("Address"), url),
            (texts.gettext("Login"), cdr.login),
            (texts.gettext("Password"), cdr.password),
            (texts.gettext("Static token"), cdr.token),
        ]

    def make_examples(self, tenant: Tenant, url: str, texts: Texts) -> list[base.Snippet]:
        cdr, now = tenant.settings.cdr, tenant.clock.now()
        start = now - timedelta(days=1)
        legs = _call_report(tenant, url, "get.call_legs_report", start, now, limit=10)
        login = _call_method(url, "login.user", {"login": cdr.login, "password": cdr.password})
        return [
            base.Snippet(texts.gettext("Call legs of the last 24 hours"), "shell", legs),
            base.Snippet(texts.gettext("Log in for a token of your own"), "shell", login),
        ]

    def find_rows(
        self, tenant: Tenant, truth: Call, now: datetime, texts: Texts
    ) -> list[base.ProviderRow]:
        history, number = tenant.history, truth.session_id
        list_url, query = f"/tenants/{tenant.name}/cdr", f"?day={truth.start.date()}"
        sessions = history.find_session(number, datetime_to_ms(now))
        legs = history.legs_of_session(number, datetime_to_ms(now))
        return [
            base.ProviderRow(
                f"{title} {row['id']}", f"{list_url}{path}{query}", base.describe_fields(row, _TIME)
            )
            for title, path, frame in (
                (texts.gettext("Session"), "", sessions),
                (texts.gettext("Leg"), "/legs", legs),
            )
            for row in add_record_ids(frame).to_dicts()
        ]

    def explain_absence(self, truth: Call) -> str:
        return mark_text("The Data API shows a call when it has ended and its lag is over.")

    def make_call_examples(
        self, tenant: Tenant, url: str, truth: Call, texts: Texts
    ) -> list[base.Snippet]:
        begin, end = truth.start, truth.end
        snippets = []
        for title, method, name in (
            (texts.gettext("Its session"), "get.calls_report", "id"),
            (texts.gettext("Its legs"), "get.call_legs_report", "call_session_id"),
        ):
            only = {"field": name, "operator": "=", "value": truth.session_id}
            text = _call_report(tenant, url, method, begin, end, filter=only)
            snippets.append(base.Snippet(title, "shell", text))
        return snippets

    def put_credentials(
        self, copied: CopiedRequest, body: str, settings: TenantSettings, record: JournalRecord
    ) -> None:
        copied.body = _put_credentials(body, settings.cdr)

    async def read_limits(self, tenant: Tenant, texts: Texts) -> list[base.RemainingLimit]:
        points = await RateLimiter(Exchange.start(tenant, self.provider, b"")).get_limits()
        return [
            base.RemainingLimit(
                texts.gettext(name),
                getattr(points, f"{window}_remaining"),
                getattr(points, f"{window}_limit"),
                timedelta(seconds=getattr(points, f"{window}_reset")),
            )
            for window, name in _WINDOWS.items()
        ]


def _put_credentials(body: str, cdr: CdrSettings) -> str:
    if CDR.read_fields(body.encode()).get("method") == "login.user":
        body = replace_value(body, "params.login", cdr.login)
        return replace_value(body, "params.password", cdr.password)
    sent = CDR.read_fields(body.encode()).get("params.access_token")
    own = (cdr.token, *cdr.blocked_tokens, *cdr.expired_tokens)
    return body if sent in own else replace_value(body, "params.access_token", cdr.token)


def _call_report(
    tenant: Tenant, url: str, method: str, start: datetime, end: datetime, **more: object
) -> str:
    params = {
        "access_token": tenant.settings.cdr.token,
        "date_from": start.isoformat(" ", "seconds"),
        "date_till": end.isoformat(" ", "seconds"),
        **more,
    }
    return _call_method(url, method, params)


def _call_method(url: str, method: str, params: dict[str, object]) -> str:
    members = ",\n".join(
        f"  {base.format_json(name)}: {base.format_json(value)}" for name, value in params.items()
    )
    head = f'"jsonrpc": "2.0", "id": 1, "method": {base.format_json(method)}'
    body = f'{{{head}, "params": {{\n{members}}}}}'
    return base.format_curl([], "application/json", url, body, "JSON")
