"""callmocks in a container, by testcontainers (the extra ``testcontainers``).

::

    with CallmocksContainer(seed=7, now="2026-03-02T12:00:00") as container:
        client = MyClient(container.urls["cdr"])
        container.mocks.cdr.fail_next("limit_exceeded")

For suites in other languages' images, on another machine's engine, or beside a client that runs in
a container too; a client in Python is served faster by ``callmocks.running``.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import quote

try:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy
except ImportError as error:
    raise ImportError(
        "callmocks.testing.container needs testcontainers: the extra testcontainers of callmocks"
    ) from error

from callmocks.config.options import SETTINGS, format_flag_value
from callmocks.config.settings import ServeSettings
from callmocks.contract.cached_property import cached_property
from callmocks.errors import CallmocksError
from callmocks.provider.listeners import URL_PATHS
from callmocks.testing.admin_client import AdminClient
from callmocks.testing.mocks import Mocks

IMAGE = "callmocks"  # as the comment at the top of the Dockerfile names it
START_SECONDS = 60
PORTS: dict[str, int] = {name: getattr(ServeSettings(), f"{name}_port") for name in URL_PATHS}
_RESERVED_SETTINGS = ("host", "json", *(f"{name}_port" for name in PORTS))  # set by the image
_CA_PATH = "/tmp/callmocks-ca.pem"  # noqa: S108 - in the container, where nobody else is
_FILES_FOLDER = "/callmocks"
_CA_READ_ATTEMPTS = 5


class CallmocksContainer(DockerContainer):
    """A container of the image with a suite in it, on ports that the engine chooses.

    ``settings`` are those of ``callmocks serve`` with underscores (``seed``, ``now``, ``world``,
    ``tls``, …); a ``Path`` among them is a file of this machine, mounted read-only. As with
    ``callmocks.running``, limits are off by default. ``TypeError`` for an unknown setting.
    ``network``, ``name`` and the like are set by testcontainers' methods, such as
    ``with_network``.
    """

    def __init__(
        self,
        image: str = IMAGE,
        *,
        docker_client_kw: dict[str, Any] | None = None,
        **settings: object,
    ) -> None:
        super().__init__(image, docker_client_kw=docker_client_kw)
        self.settings = {"limits": "off", **settings}
        self.with_exposed_ports(*PORTS.values())
        self.with_kwargs(read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges:true"])
        for name, value in self.settings.items():
            if name not in SETTINGS or name in _RESERVED_SETTINGS:
                known = ", ".join(name for name in SETTINGS if name not in _RESERVED_SETTINGS)
                raise TypeError(f"CallmocksContainer has no setting {name!r}; there are {known}")
            if value is not None:
                self.with_env(SETTINGS[name].env_var, self._mount_or_format(name, value))
        hosts = [self.env.get("CALLMOCKS_ALLOWED_HOSTS"), self.get_docker_client().host()]
        self.with_env("CALLMOCKS_ALLOWED_HOSTS", ",".join(filter(None, hosts)))
        if self.settings.get("tls") == "auto":
            self.with_env("CALLMOCKS_TLS_CA_OUT", _CA_PATH)
            self.with_tmpfs_mount(str(PurePosixPath(_CA_PATH).parent))
        healthy = HttpWaitStrategy(PORTS["control"], "/health")
        if self._scheme == "https":
            healthy.using_tls(insecure=True)  # it generates its certificate at the start
        self.waiting_for(healthy.with_startup_timeout(START_SECONDS))

    @property
    def urls(self) -> dict[str, str]:
        """Addresses of ``arm``, ``cdr``, ``onec`` and ``control`` as this machine reaches them.

        After ``start``; a provider that the setting ``only`` leaves out is not there.
        """
        host = self.get_container_host_ip()
        only = str(self.env.get("CALLMOCKS_ONLY", "arm,cdr,onec")).split(",")
        return {
            name: f"{self._scheme}://{host}:{self.get_exposed_port(port)}{URL_PATHS[name]}"
            for name, port in PORTS.items()
            if name in (*only, "control")
        }

    @cached_property
    def ca_pem(self) -> bytes | None:
        """With ``tls="auto"``, after ``start``: what clients have to trust, as PEM."""
        if self.settings.get("tls") != "auto":
            return None
        # The Docker client loses output that comes in one packet with the headers.
        for _ in range(_CA_READ_ATTEMPTS):
            found = self.exec(["cat", _CA_PATH])
            if found.exit_code == 0 and found.output:
                return bytes(found.output)
        raise CallmocksError("the certificate of the container's CA cannot be read")

    @cached_property
    def mocks(self) -> Mocks:
        urls = self.urls
        token = self.env.get("CALLMOCKS_ADMIN_TOKEN")
        control = urls.pop("control")
        if token:
            control = control.replace("://", f"://callmocks:{quote(token, safe='')}@", 1)
        mocks = Mocks(control, self.ca_pem)
        mocks.control = MappedAdminClient(control, self.ca_pem, urls)
        return mocks

    def start(self) -> Self:
        for name in ("mocks", "ca_pem"):
            self.__dict__.pop(name, None)
        super().start()
        return self

    @property
    def _scheme(self) -> str:
        secure = self.settings.get("tls") == "auto" or self.settings.get("tls_cert") is not None
        return "https" if secure else "http"

    def _mount_or_format(self, name: str, value: object) -> str:
        """The value of a setting's variable; a file is mounted."""
        if isinstance(value, list | tuple) and SETTINGS[name].multiple:
            mounted = (self._mount_or_format(f"{name}-{n}", each) for n, each in enumerate(value))
            return ":".join(mounted)
        if isinstance(value, Path):
            inside = f"{_FILES_FOLDER}/{name}{value.suffix}"
            self.with_volume_mapping(value.resolve(), inside, "ro")
            return inside
        return format_flag_value(value)


class MappedAdminClient(AdminClient):
    """For a suite whose ports have other numbers outside its container."""

    def __init__(self, url: str, ca_pem: bytes | None, urls: Mapping[str, str]) -> None:
        super().__init__(url, ca_pem)
        self._urls = urls

    def request(self, method: str, path: str, body: object = None) -> Any:
        answer = super().request(method, path, body)
        if isinstance(answer, dict):
            for name, url in self._urls.items():
                access = answer.get(name)
                if isinstance(access, dict) and access.get("url"):
                    access["url"] = url
        return answer
