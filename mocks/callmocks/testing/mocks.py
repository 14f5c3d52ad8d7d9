import re
from collections.abc import Mapping
from datetime import date
from itertools import count

from callmocks.contract.cached_property import cached_property
from callmocks.errors import AdminError
from callmocks.testing.admin_client import EXPECTED_SERVICE, AdminClient
from callmocks.testing.hidden_frames import hide_frame
from callmocks.testing.operations import TenantOperations, TimeInput, format_time
from callmocks.testing.providers import Arm, Cdr, Onec
from callmocks.testing.tenant import TenantHandle

__tracebackhide__ = hide_frame
_NAME_CHARS = 30
_NAME_ATTEMPTS = 1000


class Mocks(TenantOperations):
    """A running suite.

    ``arm``, ``cdr``, ``onec``, the clock, pinned calls and truth are those of its first tenant,
    ``demo``; ``tenant`` makes further ones.
    """

    def __init__(self, url: str, ca_pem: bytes | None = None) -> None:
        self.ca_pem = ca_pem  # what clients have to trust, when the suite has a CA of its own
        self.control = AdminClient(url, ca_pem)
        self._numbers = count(1)

    def __repr__(self) -> str:
        return f"<callmocks at {self.control_url}>"

    @property
    def control_url(self) -> str:
        return self.control.url

    @cached_property
    def demo(self) -> TenantHandle:
        return TenantHandle(self.control, self.control.get("/api/tenants/demo"))

    @property
    def arm(self) -> Arm:
        return self.demo.arm

    @property
    def cdr(self) -> Cdr:
        return self.demo.cdr

    @property
    def onec(self) -> Onec:
        return self.demo.onec

    def tenant(
        self,
        name: str | None = None,
        *,
        seed: int | None = None,
        now: TimeInput | None = None,
        world: str | None = None,
        calls_per_day: int | None = None,
        limits: str | None = None,
        **more: object,
    ) -> TenantHandle:
        """A new tenant; what is left out is as in the settings of the suite.

        ``more`` is anything else that ``POST /api/tenants`` takes. ``AdminError`` when the name
        is taken or a value cannot be; without a name there is always one left.
        """
        sizes = {"world": world, "calls_per_day": calls_per_day, "limits": limits}
        given = {"seed": seed, "now": now, **sizes}
        settings = {key: value for key, value in given.items() if value is not None} | more
        if name is None:
            return self.create_numbered_tenant("t", settings)
        return self._create_tenant(name, settings)

    def create_numbered_tenant(self, stem: str, settings: Mapping[str, object]) -> TenantHandle:
        """A new tenant whose name is made of any text and a number.

        Numbers are not reused, so that a late request of one test never reaches the next.
        """
        plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:_NAME_CHARS].strip("-") or "t"
        for _ in range(_NAME_ATTEMPTS):
            try:
                return self._create_tenant(f"{plain}-{next(self._numbers)}", settings)
            except AdminError as error:
                if error.status != 409:
                    raise  # a name that another test run has, or left behind when it broke off
        raise AdminError(f"{self.control_url} has too many tenants named {plain}-…")

    def _create_tenant(self, name: str, settings: Mapping[str, object]) -> TenantHandle:
        body = {key: format_time(v) if isinstance(v, date) else v for key, v in settings.items()}
        return TenantHandle(self.control, self.control.post("/api/tenants", {"name": name, **body}))

    def _get_tenant(self) -> TenantHandle:
        return self.demo


def connect(url: str) -> Mocks:
    """A running suite, by the address of its control server.

    An admin token goes in as the password, ``http://any:TOKEN@host:8080``. ``AdminError`` when
    there is no suite.
    """
    mocks = Mocks(url)
    health = mocks.control.get("/health")
    if not isinstance(health, dict) or "tenants" not in health:
        raise AdminError(f"{mocks.control_url} is not {EXPECTED_SERVICE}")
    return mocks
