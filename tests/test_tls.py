"""https and wss: a certificate of the user's or one of the suite's own CA, on every server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import websockets.sync.client
import zeep
from zeep.transports import Transport

from callmocks.config.options import resolve_settings
from callmocks.config.settings import ServeSettings
from callmocks.errors import SettingsError
from callmocks.server import tls
from callmocks.server.mock_server import MockServer
from tests.forked import run_command
from tests.test_serve import FREE, LEGS, PORTS, serving

FROZEN = ("--now", "2026-03-02T12:00:00")
UPGRADE = "/demo/service/cc/arm"


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Path]]:
    """Addresses of a suite with a CA of its own, and that CA's certificate in a file."""
    out = tmp_path_factory.mktemp("ca") / "ca.pem"
    names = "dataapi.vendor.test,*.мок.test"
    more = ("--tls", "auto", "--tls-ca-out", str(out), "--allowed-hosts", names)
    with serving(*FROZEN, *more) as (_, ready):
        yield ready, out


def trusting_context(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


def get(url: str, ca: Path) -> bytes:
    with urllib.request.urlopen(url, timeout=10, context=trusting_context(ca)) as answer:
        return bytes(answer.read())


def port_of(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


def handshake(port: int, name: str, context: ssl.SSLContext) -> dict[str, Any]:
    """The certificate that a client of that name is shown, if it trusts it."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return dict(secure.getpeercert() or {})


def test_readiness_and_health_show_https_everywhere(auto: tuple[dict[str, str], Path]) -> None:
    ready, ca = auto
    assert all(ready[name].startswith("https://127.0.0.1:") for name in PORTS)
    health = json.loads(get(ready["control"] + "/health", ca))
    assert health["addresses"] == {name: ready[name] for name in PORTS}


def test_the_data_api_and_a_new_tenant_over_https(auto: tuple[dict[str, str], Path]) -> None:
    ready, ca = auto
    made = requests.post(
        ready["control"] + "/api/tenants", json={"name": "secure"}, verify=str(ca), timeout=10
    ).json()
    assert made["cdr"]["url"] == ready["cdr"]
    message = LEGS | {"params": LEGS["params"] | {"access_token": made["cdr"]["token"]}}
    answer = requests.post(made["cdr"]["url"], json=message, verify=str(ca), timeout=10).json()
    assert len(answer["result"]["data"]) > 100


def test_zeep_finds_its_way_from_the_wsdl(auto: tuple[dict[str, str], Path]) -> None:
    ready, ca = auto
    session = requests.Session()
    session.verify, session.auth = str(ca), ("demo", "demo")
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over the session's own CA
    with session:
        client = zeep.Client(ready["onec"] + "?wsdl", transport=Transport(session=session))
        (address,) = {
            port.binding_options["address"]
            for service in client.wsdl.services.values()
            for port in service.ports.values()
        }
        assert address == ready["onec"]
        assert client.service.ClientRead(Params={}) is not None


def test_the_workplace_over_wss_and_https(auto: tuple[dict[str, str], Path]) -> None:
    ready, ca = auto
    url = ready["arm"].replace("https", "wss") + UPGRADE
    with websockets.sync.client.connect(url, ssl=trusting_context(ca), close_timeout=1) as frames:
        assert frames.protocol.state.name == "OPEN"
    request = b'<in><request><filters limit="5" offset="0"/></request></in>'
    answer = requests.post(
        ready["arm"] + UPGRADE + "/operator_call_history",
        data=request,
        headers={"Content-Type": "text/xml"},
        auth=("101", "demo"),
        verify=str(ca),
        timeout=10,
    )
    assert answer.content.count(b"<call_history ") == 5
    records = [part for part in answer.text.split('"') if part.startswith("https://")]
    assert all(address.startswith(ready["arm"] + "/demo/") for address in records)


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "dataapi.vendor.test", "cdr.xn--j1adg.test"]
)
def test_the_certificate_holds_the_names_the_suite_is_reached_by(
    auto: tuple[dict[str, str], Path], name: str
) -> None:
    ready, ca = auto
    for server in PORTS:
        assert handshake(port_of(ready[server]), name, trusting_context(ca))["subjectAltName"]


def test_no_other_name_is_certified_and_no_other_client_trusts_it(
    auto: tuple[dict[str, str], Path],
) -> None:
    ready, ca = auto
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(port_of(ready["cdr"]), "vendor.test", trusting_context(ca))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(port_of(ready["cdr"]), "localhost", ssl.create_default_context())


def test_every_run_has_another_ca(auto: tuple[dict[str, str], Path], tmp_path: Path) -> None:
    _, ca = auto
    other = tmp_path / "other.pem"
    with serving("--tls", "auto", "--tls-ca-out", str(other), "--only", "cdr") as (_, ready):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(port_of(ready["cdr"]), "localhost", trusting_context(ca))
        handshake(port_of(ready["cdr"]), "localhost", trusting_context(other))


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates as a user has them."""
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    leaf, other = authority.issue_cert("mocks.test"), authority.issue_cert("mocks.test")
    key = leaf.private_key_pem.bytes()
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (folder / "cert.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (folder / "key.pem").write_bytes(key)
    (folder / "both.pem").write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    (folder / "other.pem").write_bytes(other.private_key_pem.bytes())
    (folder / "broken.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n" + key)
    (folder / "text.pem").write_bytes(b"not a certificate\n")
    locked = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-passout", "pass:x", "-in", folder / "key.pem"],
        capture_output=True,
        check=True,
    )
    (folder / "locked.pem").write_bytes(locked.stdout)
    return folder


@pytest.mark.parametrize("files", [("cert.pem", "key.pem"), ("both.pem",)])
def test_a_certificate_of_the_users_own(pem: Path, files: tuple[str, ...]) -> None:
    flags = ["--tls-cert", str(pem / files[0])]
    if len(files) > 1:
        flags += ["--tls-key", str(pem / files[1])]
    public = "https://mocks.test:{port}"
    with serving(*flags, "--only", "onec", "--public-url", public) as (_, ready):
        port = port_of(ready["onec"])
        assert ready["onec"].startswith(f"https://mocks.test:{port}/")
        shown = handshake(port, "mocks.test", trusting_context(pem / "ca.pem"))
        assert shown["subjectAltName"] == (("DNS", "mocks.test"),)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--tls-cert", "cert.pem", "--tls-key", "other.pem"), "--tls-key: .*does not belong"),
        (("--tls-cert", "cert.pem", "--tls-key", "locked.pem"), "--tls-key: the key is encrypted"),
        (("--tls-cert", "cert.pem", "--tls-key", "text.pem"), "--tls-key: .*no private key"),
        (("--tls-cert", "cert.pem"), "--tls-cert: .*no private key"),
        (("--tls-cert", "text.pem"), "--tls-cert: .*no certificate"),
        (("--tls-cert", "broken.pem"), "--tls-cert: .*OpenSSL cannot use it"),
        (("--tls-cert", "none.pem"), "--tls-cert: .*No such file"),
        (("--tls-key", "key.pem"), "--tls-key: there is no certificate"),
        (("--tls-cert", "both.pem", "--tls", "auto"), "--tls-cert: tls auto makes"),
        (("--tls-ca-out", "out.pem"), "--tls-ca-out: only tls auto"),
        (("--tls", "auto", "--tls-ca-out", "none/out.pem"), "--tls-ca-out: .*no file can be"),
        (("--tls", "on"), "--tls: 'on' is not one of 'off', 'auto'"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_one_line_and_exit_code_2(
    pem: Path, flags: tuple[str, ...], complaint: str
) -> None:
    done = run_command("serve", *FREE, *flags, cwd=pem)
    assert (done.returncode, done.stdout) == (2, b"")
    told = done.stderr.decode()
    assert told.count("\n") == 1
    assert re.match(f"callmocks: {complaint}", told), told


def test_without_trustme_auto_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(SettingsError, match=r"^--tls: auto needs trustme: the extra tls"):
        tls.open_identity(ServeSettings(tls="auto"))


def test_files_of_a_config_lie_beside_it(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pem / "callmocks.toml"
    config.write_text('tls_cert = "cert.pem"\ntls_key = "key.pem"\n', encoding="utf-8")
    monkeypatch.chdir("/")
    settings = resolve_settings({"config": str(config)})
    assert settings.scheme == "https"
    assert tls.open_identity(settings).ca_pem is None


@pytest.fixture
async def suite() -> AsyncIterator[MockServer]:
    free: dict[str, Any] = {f"{name}_port": 0 for name in PORTS}
    async with MockServer(ServeSettings(tls="auto", only=("cdr",), **free)) as running:
        yield running


async def test_a_suite_in_process_hands_its_ca_over(suite: MockServer) -> None:
    assert suite.ca_pem is not None
    context = ssl.create_default_context(cadata=suite.ca_pem.decode())
    port = port_of(suite.urls["cdr"])
    assert suite.urls["cdr"].startswith("https://")
    await asyncio.to_thread(handshake, port, "localhost", context)
    await suite.stop()
    assert suite.ca_pem is None


def test_the_generated_key_is_never_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(**_: object) -> None:
        pytest.fail("a temporary folder was asked for")

    monkeypatch.setattr(tls, "TemporaryDirectory", nowhere)
    assert tls.open_identity(ServeSettings(tls="auto")).ca_pem


def test_where_there_are_no_files_in_memory_it_is_gone_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tls.open_identity(ServeSettings(tls="auto")).ca_pem
    assert list(tmp_path.iterdir()) == []


def test_untrusting_clients_and_plain_http_leave_no_trace_and_it_stops_in_two_seconds(
    tmp_path: Path,
) -> None:
    ca = tmp_path / "ca.pem"
    with serving("--tls", "auto", "--tls-ca-out", str(ca)) as (process, ready):
        port = port_of(ready["cdr"])
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(port, "localhost", ssl.create_default_context())
        url = ready["arm"].replace("https", "wss") + UPGRADE
        with (
            socket.create_connection(("127.0.0.1", port)) as silent,
            websockets.sync.client.connect(url, ssl=trusting_context(ca), close_timeout=1),
        ):
            silent.sendall(b"\x16\x03\x01")  # the beginning of a handshake that never goes on
            get(ready["control"] + "/health", ca)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_a_generated_certificate_is_valid_for_at_most_825_days(
    auto: tuple[dict[str, str], Path],
) -> None:
    ready, ca = auto
    address = ("127.0.0.1", port_of(ready["control"]))
    with (
        socket.create_connection(address, timeout=10) as plain,
        trusting_context(ca).wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        certificate = secure.getpeercert()
    assert certificate is not None
    begin, end = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    assert begin < time.time() < end and end - begin <= 825 * 86_400
