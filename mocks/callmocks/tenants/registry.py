"""All tenants of a running suite, and how each provider finds the one a request is for."""

from collections.abc import Callable, Iterator

from callmocks.errors import SettingsError
from callmocks.history.factory import HistoryFactory
from callmocks.history.world import World
from callmocks.tenants.journal import JournalBudget
from callmocks.tenants.settings import CDR_PREFIX_DIGITS, TenantSettings, cdr_token_prefix
from callmocks.tenants.state import MemoryState, State
from callmocks.tenants.tenant import Observer, Tenant


class TenantConflict(SettingsError):
    """The tenant's name or one of its credentials belongs to another tenant."""


class Registry:
    """Tenants by name and by the credential each provider's client sends.

    ``nobody`` takes the exchanges whose sender could not be told: a wrong token, an unknown
    domain. They are journaled too, because that is when people look into a journal.
    """

    def __init__(
        self,
        histories: HistoryFactory,
        create_state: Callable[[str], State] = lambda _: MemoryState(),
        unmatched_state: State | None = None,
    ) -> None:
        self._histories = histories
        self._create_state = create_state
        self._tenants: dict[str, Tenant] = {}
        self._by_login: dict[str, Tenant] = {}
        self._by_token: dict[str, Tenant] = {}
        self._by_user: dict[str, Tenant] = {}
        self._budget = JournalBudget()
        self.observers: list[Observer] = []
        """Told of every exchange of every tenant."""
        nobody = TenantSettings("nobody", world="empty")
        self.unmatched = self._build_tenant(nobody, None, unmatched_state or MemoryState())

    def create(self, settings: TenantSettings) -> Tenant:
        """A new tenant; ``Taken`` when its name or a credential is in use."""
        tenant = self.prepare_tenant(settings)
        self.add(tenant)
        return tenant

    def prepare_tenant(self, settings: TenantSettings, world: World | None = None) -> Tenant:
        """A tenant that nobody finds yet; ``Taken`` when it cannot be added.

        ``world`` is for a world file that stands on another machine. A tenant that is not added
        after all has its journal closed.
        """
        whole = settings.with_defaults()
        for taken, what in (
            (whole.name in self._tenants or whole.name == "nobody", f"tenant {whole.name!r}"),
            (whole.cdr.login in self._by_login, f"CDR login {whole.cdr.login!r}"),
            (not self._by_token.keys().isdisjoint(_list_cdr_tokens(whole)), "CDR token"),
            (whole.onec.user in self._by_user, f"1C user {whole.onec.user!r}"),
        ):
            if taken:
                raise TenantConflict(f"{what} exists already")
        return self._build_tenant(whole, world, self._create_state(whole.name))

    def add(self, tenant: Tenant) -> None:
        """Let a prepared tenant be found."""
        whole = tenant.settings
        self._tenants[whole.name] = tenant
        self._by_login[whole.cdr.login] = tenant
        self._by_token |= dict.fromkeys(_list_cdr_tokens(whole), tenant)
        self._by_user[whole.onec.user] = tenant

    def delete(self, name: str) -> Tenant:
        """Take a tenant away; ``KeyError`` when there is none of that name.

        What it kept in a shared store, the caller clears: ``await tenant.state.clear()``.
        """
        tenant = self._tenants.pop(name)
        tenant.journal.close()
        for index in (self._by_login, self._by_token, self._by_user):
            for key in [key for key, owner in index.items() if owner is tenant]:
                del index[key]
        return tenant

    def get(self, name: str) -> Tenant | None:
        """The tenant of that name (which is its ARM domain)."""
        return self._tenants.get(name)

    def find_by_cdr_login(self, login: str) -> Tenant | None:
        """The tenant whose Data API login this is."""
        return self._by_login.get(login)

    def find_by_cdr_token(self, token: str) -> Tenant | None:
        """The tenant a static or session token of the Data API belongs to.

        The first digits of a session's token name the tenant, so that every replica knows it.
        """
        return self._by_token.get(token) or self._by_token.get(token[:CDR_PREFIX_DIGITS])

    def find_by_onec_user(self, user: str) -> Tenant | None:
        """The tenant whose 1C-Connect user this is."""
        return self._by_user.get(user)

    def __iter__(self) -> Iterator[Tenant]:
        return iter(tuple(self._tenants.values()))

    def __len__(self) -> int:
        return len(self._tenants)

    def _build_tenant(self, settings: TenantSettings, world: World | None, state: State) -> Tenant:
        history = self._histories.create(settings, world)
        return Tenant(settings, history, state, self._budget, self.observers)


def _list_cdr_tokens(settings: TenantSettings) -> list[str]:
    """Everything a Data API token of the tenant can be, or begin with."""
    cdr = settings.cdr
    return [cdr.token, *cdr.blocked_tokens, *cdr.expired_tokens, cdr_token_prefix(settings.name)]
