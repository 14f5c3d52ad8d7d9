"""``callmocks.testing.container`` with the real testcontainers and docker client.

There is no engine where these tests run, so one is played
(``tests/deploy/docker_engine.py``); that the image itself runs is for ``scripts/container-check``.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmocks.config.options import SETTINGS
from callmocks.config.settings import ServeSettings
from tests.deploy.docker_engine import EXITING_IMAGE, DockerEngine
from tests.test_serve import get, legs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:testcontainers")
FROZEN = "2026-03-02T12:00:00"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    played = DockerEngine(tmp_path_factory.mktemp("engine"))
    played.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", played.url)
        from testcontainers.core.config import ConnectionMode, testcontainers_config

        mode = ConnectionMode.docker_host  # also where these tests run in a container
        patch.setattr(testcontainers_config, "connection_mode_override", mode)
        patch.setattr(testcontainers_config, "ryuk_disabled", True)
        yield played
    played.stop()


@pytest.fixture
def container(engine: DockerEngine) -> Iterator[Any]:
    from callmocks.testing.container import CallmocksContainer

    with CallmocksContainer(seed=7, now=FROZEN) as running:
        yield running


def asked(engine: DockerEngine) -> dict[str, Any]:
    """What the engine was asked to run last."""
    return list(engine.containers.values())[-1].config


def variables(engine: DockerEngine) -> dict[str, str]:
    return dict(each.split("=", 1) for each in asked(engine)["Env"])


def test_it_asks_for_the_image_its_ports_and_nothing_to_write_on(
    engine: DockerEngine, container: Any
) -> None:
    config = asked(engine)
    assert config["Image"] == "callmocks"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8086/tcp", "8087/tcp", "8088/tcp"}
    published = config["HostConfig"]["PortBindings"]
    assert all(place == [{"HostIp": "", "HostPort": ""}] for place in published.values())
    assert config["HostConfig"]["ReadonlyRootfs"] is True
    assert config["HostConfig"]["CapDrop"] == ["ALL"]
    assert variables(engine) == {
        "CALLMOCKS_SEED": "7",
        "CALLMOCKS_NOW": FROZEN,
        "CALLMOCKS_LIMITS": "off",
        "CALLMOCKS_ALLOWED_HOSTS": "127.0.0.1",
    }


def test_addresses_are_those_of_this_machine(engine: DockerEngine, container: Any) -> None:
    urls = container.urls
    assert list(urls) == ["arm", "cdr", "onec", "control"]
    (running,) = engine.containers.values()
    for name, port in (("arm", 8086), ("cdr", 8087), ("onec", 8088), ("control", 8080)):
        (place,) = running.published[f"{port}/tcp"]
        assert urls[name].startswith(f"http://127.0.0.1:{place['HostPort']}")
    assert legs(urls["cdr"])["data"]
    assert f'"{urls["onec"]}"'.encode() in get(urls["onec"] + "?wsdl")
    assert json.loads(get(urls["control"] + "/health"))["status"] == "ok"


def test_tenants_of_a_suite_that_does_not_know_its_ports_have_the_right_addresses(
    container: Any,
) -> None:
    inside = json.loads(get(container.urls["control"] + "/api/tenants/demo"))
    assert inside["cdr"]["url"] != container.urls["cdr"]
    with container.mocks.tenant(seed=9) as tenant:
        assert tenant.cdr.url == container.urls["cdr"]
        assert tenant.onec.url == container.urls["onec"]
        assert legs(tenant.cdr.url, access_token=tenant.cdr.token)["data"]
    assert container.mocks.demo.seed == 7


def test_it_goes_when_the_block_ends(engine: DockerEngine) -> None:
    from callmocks.testing.container import CallmocksContainer

    with CallmocksContainer(only=("cdr",)) as running:
        name = running.get_container_id()
        assert list(running.urls) == ["cdr", "control"]
        assert name in engine.containers
    assert name in engine.removed


def test_over_tls_its_ca_comes_along(engine: DockerEngine) -> None:
    from callmocks.testing.container import CallmocksContainer

    with CallmocksContainer(tls="auto", admin_token="s3/cr@t", now=FROZEN) as running:
        assert asked(engine)["HostConfig"]["Tmpfs"] == {"/tmp": ""}
        assert running.ca_pem is not None
        trusting = ssl.create_default_context(cadata=running.ca_pem.decode())
        url = running.urls["onec"] + "?wsdl"
        with urllib.request.urlopen(url, timeout=10, context=trusting) as answer:
            assert f'"{running.urls["onec"]}"'.encode() in answer.read()
        with running.mocks.tenant() as tenant:
            assert tenant.cdr.url == running.urls["cdr"]


def test_files_are_mounted(engine: DockerEngine, tmp_path: Path) -> None:
    from callmocks.testing.container import CallmocksContainer

    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"start": "2026-03-02T10:00:00"}\n', encoding="utf-8")
    with CallmocksContainer(calls=calls, calls_per_day=0, now=FROZEN, only=["cdr"]) as running:
        assert asked(engine)["HostConfig"]["Binds"] == [f"{calls}:/callmocks/calls.jsonl:ro"]
        assert variables(engine)["CALLMOCKS_CALLS"] == "/callmocks/calls.jsonl"
        window = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-03 00:00:00"}
        rows = legs(running.urls["cdr"], **window)["data"]
        assert rows
        assert {row["start_time"][:13] for row in rows} == {"2026-03-02 10"}


@pytest.mark.parametrize("name", ["sead", "cdr_port", "host", "json"])
def test_a_setting_that_there_is_not_is_refused_before_anything_runs(
    engine: DockerEngine, name: str
) -> None:
    from callmocks.testing.container import CallmocksContainer

    with pytest.raises(TypeError, match=f"has no setting '{name}'; there are seed, now"):
        CallmocksContainer(**{name: 1})  # type: ignore[arg-type]


def test_a_container_that_ends_is_reported_in_time(
    engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmocks.testing import container

    monkeypatch.setattr(container, "START_SECONDS", 1)
    with (
        pytest.raises((TimeoutError, ConnectionError)),
        container.CallmocksContainer(EXITING_IMAGE),
    ):
        pytest.fail("it runs")
    assert not engine.containers


def test_without_testcontainers_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['testcontainers'] = None; import callmocks.testing.container"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ImportError: callmocks.testing.container needs testcontainers:"
        " the extra testcontainers of callmocks\n"
    )


def test_the_image_and_the_helper_know_the_same_ports() -> None:
    from callmocks.testing.container import PORTS

    defaults = ServeSettings()
    assert {name: getattr(defaults, f"{name}_port") for name in PORTS} == PORTS
    assert {f"{name}_port" for name in PORTS} <= SETTINGS.keys()
