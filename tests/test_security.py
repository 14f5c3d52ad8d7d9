"""No entities, no network, no files, no early end of a comparison, and a warning in time."""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import callmocks.faults  # noqa: F401 - before its parts
from callmocks.arm import schema as arm_schema
from callmocks.contract import nesting, xml
from callmocks.control.dashboard import highlight
from callmocks.onec import envelope, read_answer
from callmocks.provider.credentials import secrets_equal
from tests.control.server_client import basic
from tests.limited_server import NAMES, PATHS, RawConnection, limited_server
from tests.test_serve import serving

PACKAGE = Path(__file__).resolve().parents[1] / "mocks" / "callmocks"

# XML


@pytest.fixture(scope="module")
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def _calls(module: ast.Module, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in names:
                yield node


def test_one_place_makes_xml_parsers_and_makes_them_without_entities_and_network(
    modules: dict[Path, ast.Module],
) -> None:
    found = []
    for path, module in modules.items():
        for call in _calls(module, "XMLParser"):
            found.append(path.relative_to(PACKAGE).as_posix())
            options = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
            assert options["resolve_entities"] is False
            assert options["no_network"] is True
            assert options["load_dtd"] is False and options["dtd_validation"] is False
    assert found == ["contract/xml.py"]


def test_xml_of_others_is_never_read_by_a_parser_of_defaults(
    modules: dict[Path, ast.Module],
) -> None:
    """``fromstring`` without a parser only for what callmocks wrote itself."""
    own = {"wsdl.py", "charts.py", "check_arm_frames.py"}
    for path, module in modules.items():
        for call in _calls(module, "fromstring", "XML", "iterparse"):
            if len(call.args) < 2 and not any(word.arg == "parser" for word in call.keywords):
                assert path.name in own, f"{path.name}:{call.lineno}"
        for node in ast.walk(module):
            if isinstance(node, ast.Import | ast.ImportFrom):
                name = getattr(node, "module", None) or ""
                names = [name, *(alias.name for alias in node.names)]
                assert not {"xml.etree.ElementTree", "xml.dom.minidom", "xml.sax"} & set(names), (
                    path
                )


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "laughs in a text": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x>&l9;</x>',
    "laughs in an attribute": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x a="&l9;"/>',
    "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><x a="{"&a;" * 3000}"/>',
}
FETCHING = {
    "entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "{}">]><x>&e;</x>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "{}">%p;]><x/>',
    "DTD": '<!DOCTYPE x SYSTEM "{}"><x/>',
    "XInclude": '<x xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{}"/></x>',
    "style sheet": '<?xml-stylesheet href="{}"?><x/>',
    "schema": '<x xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    'i:noNamespaceSchemaLocation="{}"/>',
}


PARSERS: dict[str, Callable[[bytes], object]] = {
    "workplace": arm_schema.parse,
    "1C": envelope.parse_document,
    "1C answers, the client's side": read_answer,
    "depth": lambda body: nesting.is_xml_too_deep(body + b"<" * 300, 200),
    "dashboard": lambda body: highlight._indent_xml(body.decode()) != body.decode(),
    "answers that faults change": lambda body: xml.edit_document(body, lambda root: True),
}


def _parse_text(parse: Callable[[bytes], object], document: str) -> str:
    """What comes of reading a document, whatever it is."""
    try:
        return repr(parse(document.encode()))
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_parser_expands_a_bomb(name: str, bomb: str) -> None:
    begun = time.process_time()
    text = _parse_text(PARSERS[name], BOMBS[bomb])
    assert time.process_time() - begun < 1
    assert "lollol" not in text and "aaaaaaaaaa" not in text[:100]


@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_fetches_a_file_or_an_address(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cr3t-of-the-machine", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/x"
        for document in FETCHING.values():
            assert "s3cr3t" not in _parse_text(PARSERS[name], document.format(secret.as_uri()))
            _parse_text(PARSERS[name], document.format(address))
        with pytest.raises(TimeoutError):
            trap.accept()


# files

UP = ["../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd"]
UP += ["....//....//etc/passwd", "/etc/passwd", "%2fetc%2fpasswd", "..\\..\\etc\\passwd"]
UP += ["server.py", "%00", "dashboard.css%00.png", "../server.py", "..%2fserver.py", "a" * 4000]
PREFIXES = {
    "arm": ("/", "/demo/service/cc/arm/call_record/", "/demo/service/cc/arm/fax/101/", "/demo/"),
    "cdr": ("/", "/system/media/talk/1/", "/system/media/wav/", "/v2.0/"),
    "onec": ("/", "/cus/ws/", "/cus/ws/PartnerWebAPI2/"),
    "control": ("/", "/static/", "/dashboard/static/", "/t/demo/", "/api/tenants/", "/demo/"),
}


@pytest.mark.parametrize("name", NAMES)
async def test_no_address_leads_to_a_file(name: str) -> None:
    async with limited_server() as there:
        user = {"arm": "101", "onec": "demo"}.get(name)
        login = "".join(f"{k}: {v}\r\n" for k, v in basic(user).items()) if user else ""
        for prefix in PREFIXES[name]:
            for up in UP:
                async with there.raw(name) as raw:
                    head = f"GET {prefix}{up} HTTP/1.1\r\nHost: localhost\r\n{login}\r\n"
                    raw.writer.write(head.encode())
                    status, body = await raw.answer()
                assert status in (301, 400, 404, 405, 426), (prefix, up, status)
                assert b"root:" not in body and b"import " not in body


async def test_the_admin_api_opens_no_file_but_a_world_of_its_own_machine(tmp_path: Path) -> None:
    world = tmp_path / "mine.toml"
    world.write_text("calls_per_day = 3", encoding="utf-8")
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cr3t", encoding="utf-8")

    async def make(raw: RawConnection, name: str, path: object) -> tuple[int, bytes]:
        return await raw.request("control", json.dumps({"name": name, "world": str(path)}).encode())

    async with limited_server() as there, there.raw("control") as raw:
        assert (await make(raw, "one", world))[0] == 201
        for path in (secret, "/etc/passwd", "/dev/zero", tmp_path, tmp_path / "no.toml"):
            status, body = await make(raw, "two", path)
            assert (status, b"s3cr3t" in body) == (422, False)
    async with limited_server(host="0.0.0.0") as there, there.raw("control") as raw:
        assert (await make(raw, "three", world))[0] == 422
        assert (await make(raw, "four", "quiet"))[0] == 201


# credentials


def test_credentials_of_all_alphabets_are_compared() -> None:
    assert secrets_equal("пароль", "пароль")
    assert not secrets_equal("пароль", "пароля")
    assert not secrets_equal("", "x")
    assert not secrets_equal("\ud800", "x")


def test_no_credential_is_compared_by_equality(modules: dict[Path, ast.Module]) -> None:
    """Neither side of ``==`` may be a password or a token; there is ``credentials.same``."""
    for path, module in modules.items():
        for node in ast.walk(module):
            if not isinstance(node, ast.Compare):
                continue
            if not any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
                continue
            for side in (node.left, *node.comparators):
                named = {n.attr for n in ast.walk(side) if isinstance(n, ast.Attribute)}
                assert not named & {"password", "token", "admin_token"}, f"{path}:{node.lineno}"


async def test_wrong_credentials_are_refused_by_all() -> None:
    login = {"jsonrpc": "2.0", "id": 1, "method": "login.user"}
    async with limited_server() as there:
        for password in ("", "dem", "demoo", "Demo", "дему"):
            async with there.raw("cdr") as raw:
                body = json.dumps({**login, "params": {"login": "demo", "password": password}})
                assert b"auth_error" in (await raw.request("cdr", body.encode()))[1]
            for name, user in (("arm", "101"), ("onec", "demo")):
                wrong = base64.b64encode(f"{user}:{password}".encode()).decode()
                async with there.raw(name) as raw:
                    raw.writer.write(
                        f"POST {PATHS[name]} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                        f"Authorization: Basic {wrong}\r\n\r\n".encode()
                    )
                    assert (await raw.answer())[0] == 401


# the way in


@pytest.mark.parametrize("more", [(), ("--admin-token", "s3cret")])
def test_listening_for_other_machines_always_warns(more: tuple[str, ...]) -> None:
    with serving("--host", "0.0.0.0", "--only", "cdr", *more) as (process, _):
        process.terminate()
        text = process.stderr.read().decode()
    assert text.startswith("callmocks: warning: 0.0.0.0 can be reached from other machines")
    assert text.count("\n") == 1
    assert ("asks nobody" in text) is (not more)


def test_the_loopback_needs_no_warning_and_lets_no_other_machine_in() -> None:
    with serving("--only", "cdr") as (process, ready):
        port = int(ready["cdr"].split(":")[2].partition("/")[0])
        with contextlib.suppress(OSError):
            others = {str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None)}
            for address in sorted(others - {"127.0.0.1", "::1", "127.0.1.1"}):
                with pytest.raises(OSError):
                    socket.create_connection((address, port), timeout=1).close()
        process.terminate()
        assert process.stderr.read() == b""
