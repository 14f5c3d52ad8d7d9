"""Login, logout, cookie, Basic, scope, and the end of an idle session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
import websockets

from callmocks.arm import frames, sessions
from callmocks.tenants.settings import TenantSettings
from tests.arm.conftest import ArmSocket, ParsedResponse, RunningArm, Start, basic_auth, request_xml

INVALID = "Invalid login or password"
ASK = request_xml(limit=3)


def login_xml(login: str = "101", password: str = "demo", more: str = "") -> str:
    return f'<in><request login="{login}" password="{password}"{more}/></in>'


async def cookie_of(workplace: RunningArm, login: str = "101") -> dict[str, str]:
    answer = await workplace.post("login", login_xml(login))
    assert answer.status == 200
    assert answer.root.find("response/ok") is not None
    workplace.session.cookie_jar.clear()
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def get_page(workplace: RunningArm, headers: Mapping[str, str]) -> ParsedResponse:
    return await workplace.post("operator_call_history", ASK, headers)


@pytest.mark.proves("arm.login", "arm.session")
async def test_login_by_post_sets_a_cookie_that_is_a_session(demo: RunningArm) -> None:
    cookie = await cookie_of(demo, "103")
    answer = await get_page(demo, cookie)
    assert {row["digits"] for row in answer.rows} == {"103"}


async def test_the_cookie_is_kept_by_an_ordinary_client_for_its_domain_alone(
    demo: RunningArm,
) -> None:
    answer = await demo.post("login", login_xml("103"))
    assert "Path=/demo;" in answer.headers["Set-Cookie"]
    # aiohttp's jar does not keep cookies of bare addresses; this is what a browser would send.
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    headers = {"Cookie": f"other=1; {name}={rest.partition(';')[0]}"}
    assert (await get_page(demo, headers)).status == 200


@pytest.mark.proves("arm.session")
async def test_logout_by_post_ends_the_session_and_takes_the_cookie_away(demo: RunningArm) -> None:
    cookie = await cookie_of(demo)
    answer = await demo.post("logout", "<in><request/></in>", cookie)
    assert answer.root.find("response/ok") is not None
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert (await get_page(demo, cookie)).status == 401


@pytest.mark.proves("arm.login-refused", "arm.basic", "arm.upgrade-credentials")
@pytest.mark.parametrize(
    ("login", "password"),
    [("101", "wrong"), ("999", "demo"), ("", ""), ("101", ""), ("101 ", "demo"), ("Иван", "ё")],
)
async def test_a_wrong_login_is_401_with_the_vendors_text(
    demo: RunningArm, login: str, password: str
) -> None:
    answer = await demo.post("login", login_xml(login, password))
    assert (answer.status, answer.error) == (401, INVALID)
    assert "Set-Cookie" not in answer.headers
    async with demo.connect() as raw:
        framed = await ArmSocket(raw).login(login, password)
    assert (framed.status, framed.error) == (401, INVALID)
    try:
        wrong = basic_auth(login, password)
    except UnicodeError:
        return
    by_basic = await get_page(demo, wrong)
    assert (by_basic.status, by_basic.error) == (401, INVALID)
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(demo.websocket, additional_headers=wrong):
            pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    "body", ["<in><request/></in>", "<in/>", '<in><request login="101"/></in>', "<out/>", "x", ""]
)
async def test_a_login_that_is_none_is_an_error(demo: RunningArm, body: str) -> None:
    answer = await demo.post("login", body)
    assert answer.error
    assert answer.status in (200, 400)


@pytest.mark.proves("arm.transport-status")
async def test_without_a_session_every_command_but_login_is_401(demo: RunningArm) -> None:
    for headers in ({}, {"Cookie": "arm_session=nonsense"}, {"Cookie": "arm_session="}):
        answer = await get_page(demo, headers)
        assert (answer.status, answer.error) == (401, "not logged in")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert (await demo.post("logout", "<in><request/></in>")).status == 401
    async with demo.connect() as raw:
        socket = ArmSocket(raw)
        assert (await socket.history(limit=3)).status == 401
        assert (await socket.logout()).status == 401


@pytest.mark.proves("arm.anonymous-upgrade")
async def test_an_upgrade_without_credentials_waits_for_login(demo: RunningArm) -> None:
    async with demo.connect() as raw:
        socket = ArmSocket(raw)
        assert (await socket.history(limit=3)).status == 401
        assert (await socket.login("102")).status == 200
        assert {row["digits"] for row in (await socket.history(limit=3)).rows} == {"102"}
        assert (await socket.login("103")).status == 200  # another operator on the same socket
        assert {row["digits"] for row in (await socket.history(limit=3)).rows} == {"103"}
        assert (await socket.logout()).status == 200
        assert (await socket.history(limit=3)).status == 401


@pytest.mark.proves("arm.anonymous-upgrade")
async def test_an_upgrade_without_credentials_may_be_refused(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.anonymous-upgrade", "refused")
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with demo.connect():
            pass
    assert refused.value.response.status_code == 401


async def test_a_request_behind_a_login_on_the_same_socket_sees_it(demo: RunningArm) -> None:
    async with demo.connect() as raw:
        login = b'{"_name":"request","_attributes":{"login":"104","password":"demo"}}'
        filters = b'{"_name":"filters","_attributes":{"limit":"2"}}'
        history = b'{"_name":"request","_content":[%b]}' % filters
        for id, command, request in (
            ("0001", "login", login),
            ("0002", "operator_call_history", history),
            ("0003", "logout", b'{"_name":"request"}'),
            ("0004", "operator_call_history", history),
        ):
            body = b'[{"_name":"in","_content":[%b]}]' % request
            await raw.send(frames.encode_request(id, command, body))
        got = {}
        for _ in range(4):
            message = await raw.recv()
            got[message[12:16]] = message[16:19]
    assert got == {b"0001": b"200", b"0002": b"200", b"0003": b"200", b"0004": b"401"}


async def test_a_cookie_opens_the_socket_and_both_are_one_session(demo: RunningArm) -> None:
    cookie = await cookie_of(demo, "105")
    async with websockets.connect(demo.websocket, additional_headers=cookie) as raw:
        socket = ArmSocket(raw)
        assert {row["digits"] for row in (await socket.history(limit=3)).rows} == {"105"}
        await demo.post("logout", "<in><request/></in>", cookie)
        assert (await socket.history(limit=3)).status == 401


async def test_two_operators_never_see_each_others_rows(demo: RunningArm) -> None:
    async def rows_of(operator: str) -> list[dict[str, str]]:
        async with demo.connect(operator) as raw:
            socket = ArmSocket(raw)
            pages = [(await socket.history(limit=40, offset=40 * page)).rows for page in range(5)]
        return [row for page in pages for row in page]

    operators = [str(number) for number in range(101, 107)]
    for operator, rows in zip(
        operators, await asyncio.gather(*map(rows_of, operators)), strict=True
    ):
        assert len(rows) == 200
        assert {row["digits"] for row in rows} == {operator}


@pytest.mark.proves("arm.upgrade-credentials")
async def test_a_cookie_of_another_domain_is_refused(demo: RunningArm) -> None:
    demo.registry.create(TenantSettings("other", now="2026-03-02T12:00:00"))
    cookie = await cookie_of(demo)
    there = demo.address.replace("/demo/", "/other/")
    async with demo.session.post(
        f"{there}/operator_call_history", data=ASK, headers=cookie
    ) as answer:
        assert answer.status == 401
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(there.replace("http", "ws"), additional_headers=cookie):
            pass
    assert refused.value.response.status_code == 401


@pytest.mark.proves("arm.session-minutes")
@pytest.mark.parametrize(("minutes", "status"), [(119, 200), (121, 401)])
async def test_a_session_ends_after_120_idle_minutes_of_the_mocks_clock(
    demo: RunningArm, minutes: int, status: int
) -> None:
    cookie = await cookie_of(demo)
    async with demo.connect("102") as raw:
        socket = ArmSocket(raw)
        demo.tenant.clock.advance(minutes * 60)
        assert (await get_page(demo, cookie)).status == status
        assert (await socket.history(limit=1)).status == status
        demo.tenant.clock.advance(60 * 60)
        assert (await get_page(demo, cookie)).status == status  # a request keeps a session alive
    if status == 401:
        assert any("ended after 120 idle minutes" in str(e.notes) for e in demo.journal())


@pytest.mark.proves("arm.session-minutes")
async def test_how_long_a_session_lasts_is_a_choice(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.session-minutes", "5")
    cookie = await cookie_of(demo)
    demo.tenant.clock.advance(5 * 60)
    assert (await get_page(demo, cookie)).status == 401


@pytest.mark.proves("arm.basic")
async def test_basic_may_be_switched_off(demo: RunningArm) -> None:
    assert (await get_page(demo, basic_auth("101"))).status == 200
    demo.tenant.assumptions.set_choice("arm.basic", "refused")
    assert (await get_page(demo, basic_auth("101"))).status == 401


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic MTAx", "Bearer x", "Basic 0J8="])
async def test_an_authorization_header_that_is_none_is_refused(
    demo: RunningArm, header: str
) -> None:
    assert (await get_page(demo, {"Authorization": header})).status == 401


async def test_a_reset_of_the_tenant_ends_its_sessions(demo: RunningArm) -> None:
    cookie = await cookie_of(demo)
    async with demo.connect("101") as raw:
        await demo.tenant.reset()
        assert (await get_page(demo, cookie)).status == 401
        assert (await ArmSocket(raw).history(limit=1)).status == 401


async def test_sessions_do_not_pile_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    demo = await start()
    cookies = [await cookie_of(demo) for _ in range(5)]
    assert [(await get_page(demo, cookie)).status for cookie in cookies] == [
        401,
        401,
        200,
        200,
        200,
    ]
