"""``callmocks.running`` and ``arunning``: a suite without any test framework."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
import websockets

import callmocks
from callmocks.errors import AdminError, CallmocksError, SettingsError, UnmetFaultWarning
from callmocks.testing import Mocks, connect
from tests.testing import clients

NOW = "2026-03-02T12:00:00"


def test_a_block_has_a_suite_of_its_own() -> None:
    others = _suites()
    with callmocks.running(seed=7, now=NOW, calls_per_day=0) as mocks:
        call = mocks.pin("2026-03-02T11:00:00", operator="101")
        assert clients.leg_ids(mocks.cdr) == list(call.cdr.leg_ids)
        assert mocks.demo.seed == 7 and mocks.now == datetime(2026, 3, 2, 12)
        assert clients.history(mocks.arm)[0] == clients.service_calls(mocks.onec)[0] == 200
        mocks.cdr.assert_called("get.call_legs_report", times=1)
        url = mocks.control_url
    with pytest.raises(AdminError, match="cannot be reached"):
        connect(url)
    assert _suites() == others


def test_two_suites_of_one_seed_hold_the_same_calls() -> None:
    with callmocks.running(seed=7, now=NOW) as one, callmocks.running(seed=7, now=NOW) as other:
        assert one.control_url != other.control_url
        rows = [clients.legs(mocks.cdr, limit=20)["result"]["data"] for mocks in (one, other)]
    assert rows[0] == rows[1] and len(rows[0]) == 20


def test_a_suite_ends_when_its_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), callmocks.running(world="empty") as mocks:
        url = mocks.control_url
        raise ZeroDivisionError
    with pytest.raises(AdminError):
        connect(url)


async def test_asynchronous_clients_have_the_loop_for_themselves() -> None:
    async with callmocks.arunning(now=NOW, world="empty") as mocks:
        call = mocks.pin("2026-03-02T11:00:00", operator="101")
        arm = mocks.arm
        header = clients.basic("101", arm.operators[0].password)
        async with aiohttp.ClientSession(headers=header) as session:
            url = f"{arm.service_url}/operator_call_history"
            body = b'<in><request><filters limit="5"/></request></in>'
            answers = await asyncio.gather(*(_read(session, url, body) for _ in range(5)))
        assert all(call.arm[0].call_ref in text for text in answers)
        async with websockets.connect(arm.websocket_url, additional_headers=header) as socket:
            tree = '[{"_name":"in","_content":[{"_name":"request","_content":[{"_name":"filters",'
            tree += '"_attributes":{"limit":"5"}}]}]}]'
            await socket.send(f"01{48 + len(tree):010}0001{'operator_call_history':32}{tree}")
            assert call.arm[0].call_ref in str(await socket.recv())
        arm.assert_called("operator_call_history", times=6)


async def _read(session: aiohttp.ClientSession, url: str, body: bytes) -> str:
    async with session.post(url, data=body) as answer:
        return await answer.text()


async def test_the_loop_goes_on_while_a_suite_starts() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with callmocks.arunning():
        assert ticks > 0
    ticking.cancel()


async def test_a_suite_whose_start_is_cancelled_ends() -> None:
    async def use() -> None:
        async with callmocks.arunning(world="empty"):
            pytest.fail("it was cancelled before")

    others = _suites()
    using = asyncio.create_task(use())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert _suites() == others


def _suites() -> int:
    return [thread.name for thread in threading.enumerate()].count("callmocks")


async def test_an_impossible_setting_is_reported_by_async_with_too() -> None:
    with pytest.raises(SettingsError, match=r"^seed: 'x' is not a whole number"):
        async with callmocks.arunning(seed="x"):  # type: ignore[arg-type]
            pytest.fail("it cannot start")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"world": "nowhere"}, "^world: "),
        ({"calls_per_day": -1}, "^calls_per_day: '-1' is not a whole number"),
        ({"only": ("arm", "pbx")}, "^only: 'pbx' is none of arm, cdr, onec"),
        ({"now": "yesterday"}, "^now: 'yesterday' is neither real nor"),
        ({"host": "no.such.host.invalid"}, "^host: no.such.host.invalid: "),
    ],
)
def test_an_impossible_setting_is_named_as_it_was_given(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message), callmocks.running(**settings):
        pytest.fail("it cannot start")


LAST_MOMENT = datetime.max.replace(year=2199)
YEARS = {1: -62135596800.0, 1969: -3600.0, 2200: 7258118400.0, 9999: 253402297199.0}


@pytest.mark.parametrize("seconds", YEARS.values(), ids=map(str, YEARS))
def test_a_machines_time_beyond_the_range_is_refused_and_never_left(
    seconds: float, mocks: Mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mocks.tenant(now="real", world="empty") as tenant, monkeypatch.context() as patched:
        patched.setattr("time.time", lambda: seconds)
        with pytest.raises(SettingsError, match=r"^now: real: .* 1970-01-01 … 2199-12-31"):
            callmocks.running().start()
        assert tenant.now == (datetime(1970, 1, 1) if seconds < 0 else LAST_MOMENT)
        assert clients.legs(tenant.cdr)["result"]["data"] == []
        assert clients.service_calls(tenant.onec)[0] == 200
        for page in ("", "/journal", "/clock", "/calls", "/pins"):
            urllib.request.urlopen(f"{tenant.control.url}/tenants/{tenant.name}{page}").close()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("now", [datetime(1970, 1, 1), LAST_MOMENT])
def test_all_answer_at_the_first_and_the_last_moment(
    mocks: Mocks, now: datetime, zone: str
) -> None:
    with mocks.tenant(now=now, timezone=zone) as tenant:
        assert tenant.now == now
        assert clients.legs(tenant.cdr)["result"]["data"] == []
        assert clients.service_calls(tenant.onec)[0] == 200
        assert clients.history(tenant.arm)[0] == 200
        entries = tenant.request("GET", "journal")["entries"]
        assert [each["violations"] for each in entries] == [[], [], []]


def test_a_fast_clock_stops_at_the_end_of_the_range(
    mocks: Mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mocks.tenant(now=NOW, world="empty") as tenant:
        tenant.request("PUT", "clock", {"speed": 86_400})
        later = time.time() + 1e9
        monkeypatch.setattr("time.time", lambda: later)
        assert tenant.now == LAST_MOMENT
        monkeypatch.setattr("time.time", lambda: -later)
        assert tenant.now == datetime(1970, 1, 1)


def test_an_unknown_setting_is_a_type_error_that_names_the_known() -> None:
    with pytest.raises(TypeError, match=r"no setting 'sed'; there are .*seed"):
        callmocks.running(sed=7).__enter__()
    with pytest.raises(TypeError, match="no setting 'json'"):
        callmocks.running(json=True).__enter__()


def test_settings_are_pythons_own_values() -> None:
    with callmocks.running(
        now=datetime(2026, 3, 2, 12),
        only=["cdr"],
        self_check=False,
        timezone="Asia/Omsk",
        calls_per_day=None,
        admin_token="s3/cr@t",
    ) as mocks:
        assert mocks.now == datetime(2026, 3, 2, 12)
        assert "s3" not in repr(mocks) + mocks.control_url
        assert clients.legs(mocks.cdr)["result"]["data"]
        with pytest.raises(callmocks.errors.CallmocksError, match="does not serve onec"):
            _ = mocks.onec
        with pytest.raises(AdminError, match="token is missing"):
            _ = connect(mocks.control_url).demo
        token = mocks.control_url.replace("://", "://any:s3%2Fcr%40t@")
        assert connect(token).now == mocks.now


def test_the_handles_do_not_need_the_public_address() -> None:
    public = "http://mocks.example:{port}/proxied"
    with callmocks.running(host="0.0.0.0", public_url=public, world="empty") as mocks:
        assert mocks.cdr.url.startswith("http://mocks.example:")
        assert mocks.control_url.startswith("http://127.0.0.1:")


def test_the_environment_of_the_command_line_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALLMOCKS_SEED", "7")
    with callmocks.running(world="empty") as mocks:
        assert mocks.demo.seed == 42


def test_a_port_may_be_chosen_and_a_busy_one_is_reported(mocks: Mocks) -> None:
    busy = int(mocks.control_url.rpartition(":")[2])
    with (
        pytest.raises(SettingsError, match=f"^control_port: 127.0.0.1:{busy}: "),
        callmocks.running(control_port=busy),
    ):
        pytest.fail("it cannot start")


def test_connect_says_that_there_is_no_suite(mocks: Mocks) -> None:
    assert connect(mocks.control_url + "/").now == mocks.now
    for wrong in ("localhost:8080", "ftp://localhost", "http://[::1", "http://host:port"):
        with pytest.raises(AdminError, match="not the address of a suite"):
            connect(wrong)
    with pytest.raises(AdminError):
        connect(mocks.cdr.url)
    with pytest.raises(AdminError):
        connect(mocks.arm.url)


def test_nothing_is_left_open() -> None:
    """With warnings as errors, pytest would fail this test for a socket that was not closed."""
    with callmocks.running(world="empty") as mocks:
        clients.legs(mocks.cdr)
        assert mocks.now
    gc.collect()


def test_warnings_made_errors_do_not_keep_a_suite_from_starting() -> None:
    text = (
        "import callmocks\n"
        "with callmocks.running(world='empty') as mocks:\n"
        "    import urllib.request\n"
        "    urllib.request.urlopen(mocks.onec.wsdl_url).close()\n"
        "    print(mocks.now.year)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().isdigit()


class TestAUnittestCase(unittest.TestCase):
    """unittest's own way with context managers, which pytest runs as well."""

    mocks: ClassVar[Mocks]

    @classmethod
    def setUpClass(cls) -> None:
        cls.mocks = cls.enterClassContext(callmocks.running(now=NOW, world="empty"))

    def setUp(self) -> None:
        self.tenant = self.enterContext(self.mocks.tenant())

    def test_one_tenant(self) -> None:
        self.tenant.pin("2026-03-02T11:00:00")
        self.assertEqual(len(clients.leg_ids(self.tenant.cdr)), 2)

    def test_and_another(self) -> None:
        self.assertEqual(clients.leg_ids(self.tenant.cdr), [])


def test_handles_trust_the_ca_of_a_suite_with_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trustme")
    with callmocks.running(now=NOW, world="empty", tls="auto") as mocks:
        assert mocks.ca_pem is not None and mocks.cdr.url.startswith("https://")
        assert mocks.arm.websocket_url.startswith("wss://")
        assert mocks.pin("2026-03-02T11:00:00").finished
        context = ssl.create_default_context(cadata=mocks.ca_pem.decode())
        with urllib.request.urlopen(mocks.onec.wsdl_url, context=context) as answer:
            assert answer.status == 200
        with pytest.raises(AdminError, match="CERTIFICATE_VERIFY_FAILED"):
            connect(mocks.control_url)
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(mocks.ca_pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        assert connect(mocks.control_url).now == mocks.now


def test_a_suite_runs_until_it_is_stopped() -> None:
    mocks = callmocks.running(world="empty").__enter__()  # nobody keeps what would stop it
    gc.collect()
    assert mocks.now
    suite = callmocks.running(world="empty")
    mocks = suite.start()
    assert mocks.demo.name == "demo"
    with pytest.raises(CallmocksError, match="started already"):
        suite.start()
    suite.stop()
    suite.stop()
    with pytest.raises(AdminError):
        _ = mocks.now
    assert suite.start().demo.name == "demo"
    suite.stop()


def test_a_fault_that_was_applied_to_nothing_is_warned_of() -> None:
    text = r"tenant {}: fault f1 \(cdr rpc_error, mnemonic internal_error\) was applied {}"
    suite = callmocks.running(world="empty", now=NOW)
    mocks = suite.start()
    warned = pytest.warns(UnmetFaultWarning, match=text.format("orders", "0 of 1 time; 0 req"))
    with warned as found, mocks.tenant("orders") as tenant:
        tenant.cdr.fail_next("internal_error")
    assert {each.filename for each in found} == {__file__}
    with pytest.raises(ZeroDivisionError), mocks.tenant() as tenant:
        tenant.cdr.fail_next("internal_error")
        raise ZeroDivisionError
    mocks.cdr.fail_next("internal_error", times=2)
    clients.legs(mocks.cdr)
    with pytest.warns(UnmetFaultWarning, match=text.format("demo", "1 of 2 times; 1 req")) as found:
        suite.stop()
    assert [each.filename for each in found] == [__file__]


async def test_an_asynchronous_suite_runs_until_it_is_stopped() -> None:
    suite = callmocks.arunning(world="empty")
    mocks = await suite.start()
    assert mocks.demo.name == "demo"
    await suite.stop()
    with pytest.raises(AdminError):
        _ = mocks.now


def test_a_decorated_function_has_a_suite_at_each_call() -> None:
    others = _suites()

    @callmocks.running(world="empty")
    def use(depth: int) -> int:
        return use(depth - 1) if depth else _suites()

    assert use(1) == others + 2
    assert _suites() == others
