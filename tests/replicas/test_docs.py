"""docs/replicas.md: its snippets do what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest

from callmocks.config.options import resolve_settings
from tests.conftest import ROOT
from tests.replicas.conftest import PORTS, ReplicaProcess

TEXT = (ROOT / "docs" / "replicas.md").read_text(encoding="utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S)
DEFAULTS = {"control": 80, "arm": 86, "cdr": 87, "onec": 88}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_change_at_one_replica_holds_at_the_other(three: list[ReplicaProcess]) -> None:
    (text,) = [each for each in SHELL if "curl" in each]
    for thousand, replica in zip((8, 9), three, strict=False):
        for name in PORTS:
            port = replica.urls[name].split("/")[2].split(":")[1]
            text = text.replace(f":{thousand}0{DEFAULTS[name]}", f":{port}")
    done = subprocess.run(["sh", "-ec", text], capture_output=True, timeout=20, check=True)
    decoder, message = json.JSONDecoder(), done.stdout.decode()
    fault, end = decoder.raw_decode(message)
    assert fault["times"] == 1
    assert json.loads(message[end:])["error"]["data"]["mnemonic"] == "limit_exceeded"


def test_the_documented_commands_exist() -> None:
    commands = [
        shlex.split(line)[2:]
        for text in SHELL
        for line in text.replace("\\\n", " ").replace("&", "").splitlines()
        if line.startswith("callmocks serve")
    ]
    assert len(commands) == 3
    for flags in commands:
        names = [flag.removeprefix("--").replace("-", "_") for flag in flags[::2]]
        assert resolve_settings(dict(zip(names, flags[1::2], strict=True))).state.startswith(
            "redis:"
        )
