"""What a provider's panel shows, and how its example requests are written."""

import json
import shlex
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from callmocks.contract.truth import Call
from callmocks.control.dashboard.panels.copied_request import CopiedRequest, copy_http_request
from callmocks.control.dashboard.texts import Texts
from callmocks.provider.base import Provider
from callmocks.tenants.journal import JournalRecord
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant

SECOND = timedelta(seconds=1)


class Snippet(NamedTuple):
    """A text to copy; ``language`` is ``shell``, ``python`` or ``text``."""

    title: str
    language: str
    text: str


class FieldValue(NamedTuple):
    """A field by its name in the contract; ``meaning`` is the name of whom an id belongs to."""

    name: str
    value: str
    meaning: str = ""


class ProviderRow(NamedTuple):
    title: str
    href: str
    values: list[FieldValue]


class RemainingLimit(NamedTuple):
    name: str
    remaining: int
    maximum: int
    resets_in: timedelta | None
    """None when that is unknown."""

    @property
    def per_cent(self) -> float:
        return round(100 * self.remaining / self.maximum, 1) if self.maximum else 0.0


class ProviderPanel:
    """What the dashboard shows of one provider; ``url`` is where its server listens."""

    provider: ClassVar[Provider]
    description: ClassVar[str]
    open_all_rows: ClassVar[bool] = False
    """On the page of a call, instead of the first only."""
    always_show_limits: ClassVar[bool] = False
    """On the overview, even when nothing of them is used."""

    def list_access(self, tenant: Tenant, url: str, texts: Texts) -> list[tuple[str, str]]:
        """Address and credentials: label and value."""
        raise NotImplementedError

    def make_examples(self, tenant: Tenant, url: str, texts: Texts) -> list[Snippet]:
        """Requests for the last calls before the tenant's now."""
        raise NotImplementedError

    def find_rows(
        self, tenant: Tenant, truth: Call, now: datetime, texts: Texts
    ) -> list[ProviderRow]:
        raise NotImplementedError

    def explain_absence(self, truth: Call) -> str:
        """A key of the texts."""
        raise NotImplementedError

    def make_call_examples(
        self, tenant: Tenant, url: str, truth: Call, texts: Texts
    ) -> list[Snippet]:
        """Requests for this call alone."""
        raise NotImplementedError

    def copy_request(
        self, settings: TenantSettings | None, url: str, record: JournalRecord, texts: Texts
    ) -> list[Snippet]:
        """A request of the journal with its tenant's credentials, without settings as it was sent.

        Empty when it is not kept whole or is no text.
        """
        copied = copy_http_request(record, url)
        if copied.body is None:
            return []
        if settings is not None:
            self.put_credentials(copied, copied.body, settings, record)
        return [Snippet(texts.gettext("As a curl command"), "shell", copied.text)]

    def put_credentials(
        self, copied: CopiedRequest, body: str, settings: TenantSettings, record: JournalRecord
    ) -> None:
        raise NotImplementedError

    async def read_limits(self, tenant: Tenant, texts: Texts) -> list[RemainingLimit]:
        """Counters of the provider, read without using any of them up."""
        return []


def describe_fields(
    row: Mapping[str, Any],
    time_format: str,
    hidden: Collection[str] = (),
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> list[FieldValue]:
    """The visible fields of a row, empty for null and for ``hidden`` ones.

    ``names`` has, by field, the names that stand for ids.
    """
    return [
        FieldValue(
            name,
            "" if name in hidden else _format_value(value, time_format),
            (names or {}).get(name, {}).get(str(value), ""),
        )
        for name, value in row.items()
        if not name.startswith("_")
    ]


def _format_value(value: object, time_format: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:{time_format}}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def format_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def format_curl(options: list[str], content_type: str, url: str, body: str, delimiter: str) -> str:
    """A curl command that reads its body from the lines that follow."""
    words = ["curl", "-sS", *options, "-H", f"Content-Type: {content_type}"]
    address = shlex.quote(url)
    command = f"{shlex.join(words)} --data-binary @- \\\n  {address}"
    return f"{command} <<'{delimiter}'\n{body}\n{delimiter}"
