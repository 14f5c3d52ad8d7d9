"""Settings: four places to say them, one order of precedence, and every mistake located."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from unittest.mock import patch

import pytest

from callmocks.config.options import ENV_PREFIX, SETTINGS, resolve_settings
from callmocks.config.settings import ServeSettings
from callmocks.config.types import is_loopback
from callmocks.errors import SettingsError
from callmocks.history.lags import LagRange


def resolve(
    flags: Mapping[str, str], environ: Mapping[str, str], names: Iterable[str] = tuple(SETTINGS)
) -> ServeSettings:
    with patch.dict(os.environ, environ, clear=True):
        return resolve_settings(flags, names, ENV_PREFIX)


def config(folder: Path, text: str) -> str:
    file = folder / "callmocks.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.proves("arm.port")
def test_the_defaults_are_the_documented_interface() -> None:
    settings = resolve({}, {})
    assert (settings.arm_port, settings.cdr_port, settings.onec_port) == (8086, 8087, 8088)
    assert settings.control_port == 8080
    assert settings.host == "127.0.0.1"
    assert (settings.seed, settings.now, settings.world) == (42, "real", "default")
    assert settings.timezone == "Europe/Moscow"
    assert settings.only == ("arm", "cdr", "onec")


def test_a_flag_wins_over_its_variable_that_over_the_file_that_over_the_default(
    tmp_path: Path,
) -> None:
    file = config(tmp_path, "seed = 1\ncdr-port = 2\nonec_port = 3")
    environ = {"CALLMOCKS_SEED": "10", "CALLMOCKS_CDR_PORT": "20"}
    settings = resolve({"config": file, "seed": "100"}, environ)
    assert settings.seed == 100
    assert settings.cdr_port == 20
    assert settings.onec_port == 3
    assert settings.arm_port == 8086


def test_the_config_file_can_be_a_variable_and_an_empty_variable_is_none(tmp_path: Path) -> None:
    file = config(tmp_path, "seed = 5")
    assert resolve({}, {"CALLMOCKS_CONFIG": file, "CALLMOCKS_SEED": ""}).seed == 5


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_its_flag_and_variable(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.flag == "--" + name.replace("_", "-")
    assert setting.env_var == "CALLMOCKS_" + name.upper()
    assert hasattr(ServeSettings(), name)


def test_values_of_all_kinds_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "mine.toml").write_text("calls_per_day = 3", encoding="utf-8")
    file = config(
        tmp_path,
        'only = ["onec", "arm"]\nnow = 2026-03-02T12:00:00\nhistory_from = 2025-01-01\n'
        'self-check = false\njson = true\ncalls = "calls.jsonl"\nworld = "mine.toml"\n'
        'public_url = "http://mocks:{port}/"\nlimits = "off"\ncontract = "strict"\n'
        'arm_lag = 1.5\ncdr_lag = "60-600"\nonec_lag = {min = 0, max = 30}',
    )
    settings = resolve({"config": file}, {})
    assert settings.only == ("arm", "onec")
    assert settings.now == "2026-03-02T12:00:00"
    assert settings.history_from == "2025-01-01"
    assert settings.self_check is False
    assert settings.json is True
    assert settings.calls == tmp_path / "calls.jsonl"
    assert settings.world == str(tmp_path / "mine.toml")
    assert settings.public_url == "http://mocks:{port}"
    tenant = settings.make_tenant_settings()
    assert (tenant.limits, tenant.arm.contract, tenant.now) == (
        "off",
        "strict",
        "2026-03-02T12:00:00",
    )
    assert (tenant.arm_lag, tenant.cdr_lag) == (1.5, LagRange(60, 600))
    assert (tenant.onec_lag, tenant.records_lag) == (LagRange(0, 30), 0)


MISTAKES = [
    ("arm_port", "80860", "0 … 65535"),
    ("arm_port", "-1", "0 … 65535"),
    ("seed", "abc", "not a whole number"),
    ("seed", "1.5", "not a whole number"),
    ("now", "yesterday", "2026-03-02T12:00:00"),
    ("now", "2026-03-02T12:00:00+03:00", "has an offset"),
    ("timezone", "Moscow", "Europe/Moscow"),
    ("calls_per_day", "200001", "0 … 200000"),
    ("world", "defualt", "busy, default, edge-cases"),
    ("history_from", "2014-12-31", "2015-01-01 … 2034-12-31"),
    ("history_from", "monday", "not a date"),
    ("arm_lag", "604801", "use 0 to 604800 seconds"),
    ("cdr_lag", "90-60", "min, 90, is more than max, 60"),
    ("records_lag", "-1", "not a number of seconds such as 60 or 0-600, at most 604800"),
    ("calls", "nowhere.jsonl", "No such file"),
    ("public_url", "mocks.example", "https://mocks.example"),
    ("limits", "on", "'documented', 'off'"),
    ("contract", "loose", "'documented', 'strict'"),
    ("self_check", "maybe", "not a valid boolean"),
    ("state", "disk", "'disk' is neither memory nor like redis://127.0.0.1:6379/0"),
    ("state", "redis://:secret@/0", "not an address like redis://"),
    ("state", "redis://127.0.0.1:port", "not an address like redis://"),
    ("state", "redis://127.0.0.1/first", "not an address like redis://"),
    ("state", "redis://127.0.0.1?ssl_cert_reqs=none", "not an address like redis://"),
    ("workers", "0", "1 … 64"),
    ("workers", "2", "processes have to share their state: --state redis://"),
    ("only", "arm,smtp", "'smtp' is none of arm, cdr, onec"),
    ("host", "two words", "not an address"),
    ("admin_token", "two words", "not a token"),
    ("log", "on", "'off', 'json'"),
]


@pytest.mark.parametrize(("name", "text", "text_part"), MISTAKES)
def test_a_mistake_names_the_flag_the_variable_or_the_key(
    name: str, text: str, text_part: str, tmp_path: Path
) -> None:
    file = config(tmp_path, f'{name} = "{text}"')
    sources = {
        f"--{name.replace('_', '-')}: ": ({name: text}, {}),
        f"CALLMOCKS_{name.upper()}: ": ({}, {f"CALLMOCKS_{name.upper()}": text}),
        f"config {file}: {name}: ": ({"config": file}, {}),
    }
    for source, (flags, environ) in sources.items():
        with pytest.raises(SettingsError) as error:
            resolve(flags, environ)
        assert str(error.value).startswith(source)
        assert text_part in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "text_part"),
    [
        ("arm_prot = 1", "arm_prot: there is no such setting; did you mean arm_port?"),
        ("zzz = 1", "zzz: there is no such setting"),
        ("[serve]\nseed = 1", "serve: it is a table; settings stand at the top"),
        ("seed = {a = 1}", "seed: it is a table; settings stand at the top"),
        ("seed = ", "Invalid value"),
    ],
)
def test_a_config_file_with_something_else_in_it_is_refused(
    text: str, text_part: str, tmp_path: Path
) -> None:
    file = config(tmp_path, text)
    with pytest.raises(SettingsError) as error:
        resolve({"config": file}, {})
    assert str(error.value).startswith(f"config {file}: ")
    assert text_part in str(error.value)


def test_a_config_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^config .*none\.toml: No such file"):
        resolve({"config": str(tmp_path / "none.toml")}, {})
    with pytest.raises(SettingsError, match="directory"):
        resolve({"config": str(tmp_path)}, {})


def test_two_servers_cannot_have_one_port_but_any_number_may_take_a_free_one() -> None:
    with pytest.raises(SettingsError, match=r"^CALLMOCKS_CDR_PORT: 8086 is the port of --arm-port"):
        resolve({}, {"CALLMOCKS_CDR_PORT": "8086"})
    resolve({"cdr_port": "8086", "only": "cdr"}, {})
    free = resolve(dict.fromkeys(("arm_port", "cdr_port", "onec_port", "control_port"), "0"), {})
    assert free.arm_port == free.cdr_port == 0


def test_more_calls_than_the_worlds_plan_has_room_for_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^--calls-per-day: .*at most 50000"):
        resolve({"world": "finish-reasons", "calls_per_day": "50001"}, {})


def test_settings_of_other_commands_are_left_alone(tmp_path: Path) -> None:
    file = config(tmp_path, "arm_port = 1\nseed = 9")
    settings = resolve({"config": file}, {"CALLMOCKS_CDR_PORT": "x"}, ("seed",))
    assert settings.seed == 9
    assert settings.arm_port == 8086


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("mocks", False),
    ],
)
def test_only_loopback_addresses_are_this_machines_alone(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
