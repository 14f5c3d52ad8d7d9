"""Settings of a tenant: from the flags of ``serve``, or from the admin API."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.contract.cached_property import cached_property
from callmocks.contract.quoting import quote_text
from callmocks.contract.resources import load_table
from callmocks.errors import SettingsError
from callmocks.history.generator import derive_token
from callmocks.history.lags import NO_LAGS, Lag, check_lag
from callmocks.history.world import World
from callmocks.tenants.networks import NetworkSet

# As browsers write it.
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:\d+)?", re.ASCII)
TENANT_NAME = re.compile(r"[a-z0-9-]{1,40}")
Choices = Annotated[dict[str, str], Meta(max_length=1000)]
MAX_TEXT_CHARS = 1000
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
FewTexts = Annotated[list[Text], Meta(max_length=100)]
ManyTexts = Annotated[list[Text], Meta(max_length=5000)]
CDR_PREFIX_DIGITS = 16  # of a Data API session's token; they name its tenant


def cdr_token_prefix(tenant: str) -> str:
    return derive_token("cdr-session", tenant)[:CDR_PREFIX_DIGITS]


class ArmSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The workplace: every operator logs in with his internal number and this password.

    Pages of ``cors_origins`` may call it from a browser.
    """

    password: Text = ""
    contract: str = "documented"
    cors_origins: FewTexts = []

    def check(self) -> None:
        if self.contract not in ("documented", "strict"):
            text = f"{quote_text(self.contract)} is neither documented nor strict"
            raise SettingsError(f"arm.contract: {text}")
        for origin in self.cors_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                text = "is neither * nor an origin such as http://localhost:3000"
                raise SettingsError(f"arm.cors_origins: {quote_text(origin)} {text}")


class CdrUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user of one of a partner's customers; ``id`` is what ``user_id`` of a request names."""

    id: int
    login: Text
    name: Text
    customer_id: int
    description: Text | None = None


class CdrSettings(msgspec.Struct, forbid_unknown_fields=True, dict=True):
    """The Data API account.

    ``token`` is its static key; ``blocked_tokens`` and ``expired_tokens`` are keys (that one
    among them, if wished) which are refused so. A ``partner`` acts for ``customer_users``. An
    empty ``allowed_ips`` lets every address in. ``disabled_components`` are of those in
    ``schemas/cdr/components.csv``. Limits are points a day and a minute.
    """

    login: Text = ""
    password: Text = ""
    token: Text = ""
    blocked_tokens: ManyTexts = []
    expired_tokens: ManyTexts = []
    partner: bool = False
    customer_users: Annotated[list[CdrUser], Meta(max_length=5000)] = []
    active: bool = True
    allowed_ips: ManyTexts = []
    disabled_components: FewTexts = []
    day_limit: int = 3000
    minute_limit: int = 60

    @cached_property
    def allowed_networks(self) -> NetworkSet:
        """``SettingsError`` names the entry at fault."""
        return NetworkSet(self.allowed_ips)

    @cached_property
    def customer_ids(self) -> frozenset[int]:
        return frozenset(user.id for user in self.customer_users)

    def check(self) -> None:
        try:
            _ = self.allowed_networks
        except SettingsError as error:
            raise SettingsError(f"cdr.allowed_ips: {error}") from None
        known = [row["component"] for row in load_table("cdr/components.csv")]
        for component in self.disabled_components:
            if component not in known:
                text = f"{quote_text(component)} is not one of {', '.join(known)}"
                raise SettingsError(f"cdr.disabled_components: {text}")
        for name in ("day_limit", "minute_limit"):
            if getattr(self, name) < 0:
                raise SettingsError(f"cdr.{name}: use 0 or more")


class OnecSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The partner's API account of 1C-Connect; Basic authentication sends both in UTF-8."""

    user: Text = ""
    password: Text = ""

    def check(self) -> None:
        if ":" in self.user:
            text = f"{quote_text(self.user)} has a colon, which Basic authentication cannot carry"
            raise SettingsError(f"onec.user: {text}")


class TenantSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Everything a tenant is made from.

    Empty credentials become the tenant's name, its token ``NAME-token``. ``now`` is ``real`` or
    a naive ISO time that freezes the clock; ``calls_per_day`` None means the world's own. Without
    ``self_check`` our own answers are not held against the contract. Lags: ``history.lags``.
    """

    name: str
    seed: int = 42
    world: str | World = "default"
    calls_per_day: int | None = None
    now: str = "real"
    timezone: str = "Europe/Moscow"
    history_from: str = "2015-01-01"
    limits: str = "documented"
    self_check: bool = True
    arm_lag: Lag = 0
    cdr_lag: Lag = 0
    onec_lag: Lag = 0
    records_lag: Lag = 0
    assumptions: Choices = {}
    arm: ArmSettings = msgspec.field(default_factory=ArmSettings)
    cdr: CdrSettings = msgspec.field(default_factory=CdrSettings)
    onec: OnecSettings = msgspec.field(default_factory=OnecSettings)

    @property
    def world_title(self) -> str:
        return self.world if isinstance(self.world, str) else self.world.title or "…"

    @property
    def provider_settings(self) -> "dict[str, ArmSettings | CdrSettings | OnecSettings]":
        return {"arm": self.arm, "cdr": self.cdr, "onec": self.onec}

    @property
    def lags(self) -> dict[str, Lag]:
        return {name: getattr(self, name) for name in NO_LAGS}

    def with_defaults(self) -> "TenantSettings":
        """With the empty credentials filled in."""
        name, replace = self.name, msgspec.structs.replace
        arm, cdr, onec = self.arm, self.cdr, self.onec
        given = arm.password, cdr.login, cdr.password, cdr.token, onec.user, onec.password
        if all(given):
            return self
        login, password, token = cdr.login or name, cdr.password or name, cdr.token
        return replace(
            self,
            arm=replace(arm, password=arm.password or name),
            cdr=replace(cdr, login=login, password=password, token=token or f"{name}-token"),
            onec=replace(onec, user=onec.user or name, password=onec.password or name),
        )

    def check(self) -> None:
        """``SettingsError`` of the first setting at fault."""
        if not TENANT_NAME.fullmatch(self.name):
            text = f"tenant name {quote_text(self.name)}"
            raise SettingsError(f"{text}: use 1 to 40 of a-z, 0-9 and -")
        if self.limits not in ("documented", "off"):
            raise SettingsError(f"limits {quote_text(self.limits)}: use documented or off")
        for name, lag in self.lags.items():
            check_lag(name, lag)
        for part in self.provider_settings.values():
            part.check()
