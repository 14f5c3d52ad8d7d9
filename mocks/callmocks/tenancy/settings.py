"""What can be set of a tenant: by a flag at start, or by the admin API when it is made."""

import re

import msgspec

from callmocks.errors import SettingsError

NAME = re.compile(r"[a-z0-9-]{1,40}")


class ArmSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The workplace: every operator logs in with his internal number and this password."""

    password: str = ""
    contract: str = "documented"


class CdrSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The Data API account."""

    login: str = ""
    password: str = ""
    token: str = ""


class OnecSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The partner's API account of 1C-Connect."""

    user: str = ""
    password: str = ""


class TenantSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Everything a tenant is made from.

    Empty credentials become the tenant's name, its token ``NAME-token``. ``now`` is ``real`` or
    a naive ISO time that freezes the clock; ``calls_per_day`` None means the world's own.
    """

    name: str
    seed: int = 42
    world: str = "default"
    calls_per_day: int | None = None
    now: str = "real"
    timezone: str = "Europe/Moscow"
    history_from: str = "2015-01-01"
    limits: str = "documented"
    assumptions: dict[str, str] = {}
    arm: ArmSettings = msgspec.field(default_factory=ArmSettings)
    cdr: CdrSettings = msgspec.field(default_factory=CdrSettings)
    onec: OnecSettings = msgspec.field(default_factory=OnecSettings)

    def completed(self) -> "TenantSettings":
        """A copy with the empty credentials filled in; ``SettingsError`` on a bad value."""
        if not NAME.fullmatch(self.name):
            raise SettingsError(f"tenant name {self.name!r}: use 1 to 40 of a-z, 0-9 and -")
        if self.limits not in ("documented", "off"):
            raise SettingsError(f"limits {self.limits!r}: use documented or off")
        if self.arm.contract not in ("documented", "strict"):
            raise SettingsError(f"contract {self.arm.contract!r}: use documented or strict")
        name, replace = self.name, msgspec.structs.replace
        return replace(
            self,
            arm=replace(self.arm, password=self.arm.password or name),
            cdr=replace(
                self.cdr,
                login=self.cdr.login or name,
                password=self.cdr.password or name,
                token=self.cdr.token or f"{name}-token",
            ),
            onec=replace(
                self.onec, user=self.onec.user or name, password=self.onec.password or name
            ),
        )
