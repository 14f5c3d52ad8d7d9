"""The documents as a replica has them, and the tenants they describe."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from callmocks.errors import CallmocksError
from callmocks.replication import documents
from callmocks.replication.documents import BIRTH, Birth, Parts
from callmocks.replication.state import RedisState

if TYPE_CHECKING:
    from callmocks.replication.store import Documents, News
    from callmocks.tenants.registry import Registry
    from callmocks.tenants.tenant import Tenant

log = logging.getLogger(__name__)


class Books:
    """Documents by tenant, and the registry that is kept as they say."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._held: dict[str, Documents] = {}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why a tenant here is not what it is elsewhere; empty when all are."""
        return next(iter(self._problems.values()), "")

    def everything(self) -> Documents:
        """All documents by their keys."""
        return {
            f"{name}/{part}": document
            for name, held in self._held.items()
            for part, document in held.items()
        }

    def birth(self, name: str) -> Birth | None:
        """What the tenant of that name was made of."""
        document = self._held.get(name, {}).get(BIRTH)
        return None if document is None else documents.read_birth(document)

    def parts(self, name: str) -> list[str]:
        """Which documents there are of a tenant."""
        return list(self._held.get(name, ()))

    def note(self, name: str, parts: Parts) -> None:
        """Hold what was written of a tenant that is so already."""
        held = self._held.setdefault(name, {})
        for part, document in parts.items():
            if document is None:
                held.pop(part, None)
            else:
                held[part] = document
        if not held:
            del self._held[name]

    def take(self, news: News) -> None:
        """Hold what others wrote, and make the tenants so."""
        written, deleted = news.written, list(news.deleted)
        if news.whole:
            held = self.everything()
            deleted = [key for key in held if key not in written]
            written = {key: each for key, each in written.items() if held.get(key) != each}
        parts: defaultdict[str, Parts] = defaultdict(dict)
        for key, document in (*written.items(), *((key, None) for key in deleted)):
            name, _, part = key.partition("/")
            parts[name][part] = document
        births = {}
        for name, changed in parts.items():
            self.note(name, changed)
            birth = self._read(name)
            self._bury(name, birth)
            if birth is not None:
                births[name] = birth
        for name in sorted(births, key=lambda name: births[name].born):
            self._follow(name, births[name], parts[name])

    def _read(self, name: str) -> Birth | None:
        """What a tenant was made of; None too when that cannot be read."""
        self._problems.pop(name, None)
        try:
            return self.birth(name)
        except msgspec.MsgspecError as error:
            self._problem(name, error)
            return None

    def _bury(self, name: str, birth: Birth | None) -> None:
        """Take away a tenant that was deleted, even if another of its name was made since."""
        tenant = self._registry.get(name)
        if tenant is not None and (birth is None or _era(tenant).split(".")[0] != str(birth.born)):
            self._registry.delete(name)

    def _follow(self, name: str, birth: Birth, changed: Parts) -> None:
        try:
            tenant, anew = self._registry.get(name), False
            if tenant is None:
                tenant = self._registry.prepare(birth.settings, birth.parsed_world())
                self._registry.add(tenant)
                anew = True
            elif _era(tenant) != birth.era:
                tenant.begin_anew()
                anew = True
            set_era(tenant, birth)
            documents.apply(tenant, dict(self._held[name]) if anew else changed)
        except (CallmocksError, msgspec.MsgspecError, LookupError) as error:
            self._problem(name, error)

    def _problem(self, name: str, error: Exception) -> None:
        """A tenant that another version of callmocks wrote, or that cannot be made here."""
        self._problems[name] = text = f"tenant {name} cannot be followed: {error}"
        log.warning("callmocks: %s", text)


def _era(tenant: Tenant) -> str:
    assert isinstance(tenant.state, RedisState)
    return tenant.state.era


def set_era(tenant: Tenant, birth: Birth) -> None:
    """Let a tenant's sessions and counters be those of its present life."""
    assert isinstance(tenant.state, RedisState)
    tenant.state.era = birth.era


def state_key(tenant: Tenant) -> str:
    """The key of a tenant's sessions and counters."""
    assert isinstance(tenant.state, RedisState)
    return tenant.state.key
