from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from callmocks.contract.quoting import quote_text
from callmocks.errors import SettingsError
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.world import World
from callmocks.tenants.journal import JournalBudget
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.state import State
from callmocks.tenants.tenant import Observer, Tenant
from callmocks.tenants.worker import run_if_long

if TYPE_CHECKING:
    from callmocks.provider.base import Credential, Provider

UNMATCHED = "nobody"


class TenantConflict(SettingsError):
    """The tenant's name or one of its credentials belongs to another tenant.

    ``where`` is the setting: `name`, `cdr.login`.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(reason)
        self.where = where


class Registry:
    """Tenants by name and by credential.

    ``unmatched`` gets the exchanges whose sender is unknown, so that a journal shows them.
    """

    def __init__(
        self,
        histories: HistoryFactory,
        providers: Mapping[str, Provider],
        create_state: Callable[[str], State] = lambda _: State(),
    ) -> None:
        self.providers = providers
        self._histories = histories
        self._create_state = create_state
        self._tenants: dict[str, Tenant] = {}
        self._by_credential: dict[tuple[str, str], Tenant] = {}
        self._budget = JournalBudget()
        self.observers: list[Observer] = []
        unmatched = TenantSettings(UNMATCHED, world="empty")
        self.unmatched = self._build_tenant(unmatched.with_defaults(), None)

    def create(self, settings: TenantSettings) -> Tenant:
        """``TenantConflict`` when the name or a credential is in use."""
        tenant = self.prepare_tenant(settings)
        self.add(tenant)
        return tenant

    async def load_history(self, settings: TenantSettings, world: World | None = None) -> History:
        """What a tenant of these settings needs; while it is held, to create one takes no time."""
        settings.check()
        is_long = self._histories.takes_long(settings, world)
        create = partial(self._histories.create, settings, world)
        # Other replicas' tenants are loaded with the request that finds them.
        return await run_if_long(create, is_long, is_shared=True, is_slow=True)

    def prepare_tenant(
        self, settings: TenantSettings, world: World | None = None, replaced: Tenant | None = None
    ) -> Tenant:
        """A tenant that cannot be found yet; ``TenantConflict`` when it cannot be added.

        ``world`` is a world file's of another machine. A tenant that is not added, nor takes the
        place of ``replaced``, gets its journal closed.
        """
        settings = settings.with_defaults()
        settings.check()
        self.check_available(settings, replaced)
        return self._build_tenant(settings, world)

    def check_available(self, settings: TenantSettings, replaced: Tenant | None = None) -> None:
        """``TenantConflict`` when another tenant than ``replaced`` has the name or a credential."""
        if self._tenants.get(settings.name) is not replaced or settings.name == UNMATCHED:
            raise TenantConflict("name", f"tenant {settings.name!r} exists already")
        for provider in self.providers.values():
            for credential in provider.list_credentials(settings):
                if self._by_credential.get(credential[:2], replaced) is not replaced:
                    value = "" if credential.secret else f" {quote_text(credential.value)}"
                    where = f"{provider.name}.{credential.kind.rpartition(' ')[2]}"
                    raise TenantConflict(where, f"{credential.kind}{value} exists already")

    def add(self, tenant: Tenant) -> None:
        self._tenants[tenant.name] = tenant
        self._add_credentials(tenant)

    def replace(self, tenant: Tenant, prepared: Tenant, *, keep_journal: bool = False) -> None:
        """Give a tenant the settings and contents of one that was prepared in its place."""
        self._remove_credentials(tenant)
        tenant.replace_state(prepared)
        if not keep_journal:
            tenant.journal.delete_entries()
        prepared.journal.close()
        self._add_credentials(tenant)

    def delete(self, name: str) -> Tenant:
        """``KeyError`` for an unknown name. The caller deletes the tenant's ``state``."""
        tenant = self._tenants.pop(name)
        tenant.journal.close()
        tenant.connections.close()
        self._remove_credentials(tenant)
        return tenant

    def _add_credentials(self, tenant: Tenant) -> None:
        for credential in self._list_credentials(tenant.settings):
            self._by_credential[credential[:2]] = tenant

    def _remove_credentials(self, tenant: Tenant) -> None:
        for credential in self._list_credentials(tenant.settings):
            self._by_credential.pop(credential[:2], None)

    def get(self, name: str) -> Tenant | None:
        """The tenant of that name (which is its ARM domain)."""
        return self._tenants.get(name)

    def find(self, kind: str, value: str) -> Tenant | None:
        """By a credential; the kinds are those of its ``Provider``."""
        return self._by_credential.get((kind, value))

    def __iter__(self) -> Iterator[Tenant]:
        return iter(tuple(self._tenants.values()))

    def __len__(self) -> int:
        return len(self._tenants)

    def _list_credentials(self, settings: TenantSettings) -> list[Credential]:
        return [
            credential
            for provider in self.providers.values()
            for credential in provider.list_credentials(settings)
        ]

    def _build_tenant(self, settings: TenantSettings, world: World | None) -> Tenant:
        history = self._histories.create(settings, world)
        state = self._create_state(settings.name)
        return Tenant(settings, history, state, self.providers, self._budget, self.observers)
