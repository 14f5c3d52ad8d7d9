"""docs/control.md and docs/faults.md: every snippet runs, and answers what stands below it."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from callmocks.config.settings import ServeSettings
from callmocks.server.mock_server import MockServer

DOCS = Path(__file__).parents[2] / "docs"
DEFAULT = {"arm": "8086", "cdr": "8087", "onec": "8088", "control": "8080"}


def snippets(page: str) -> list[tuple[str, Any]]:
    """Shell snippets, each with the JSON that stands right below it, or None."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```\n(?:```json\n(.*?)^```)?", text, re.M | re.S)
    return [(command, json.loads(shown) if shown else None) for command, shown in found]


async def run(command: str, urls: dict[str, str]) -> str:
    for name, port in DEFAULT.items():
        command = command.replace(f"127.0.0.1:{port}", urls[name].split("/")[2])
    process = await asyncio.create_subprocess_exec(
        "sh", "-ec", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, errors) == (0, b""), (command, errors)
    return output.decode()


def last_json(text: str) -> Any:
    """The last of the JSON values that a snippet printed."""
    decoder, value = json.JSONDecoder(), None
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        text = text[end:]
    return value


def check(shown: Any, got: Any, place: str = "$") -> None:
    """What is shown is there; ``…`` stands for anything, more members may be there."""
    if shown == "…":
        return
    if isinstance(shown, dict):
        assert isinstance(got, dict), place
        for name, value in shown.items():
            assert name in got, f"{place}.{name}"
            check(value, got[name], f"{place}.{name}")
    elif isinstance(shown, list):
        rest = shown[-1:] == ["…"]
        assert isinstance(got, list) and (rest or len(got) == len(shown)), (place, got)
        for index, value in enumerate(shown[: -1 if rest else None]):
            check(value, got[index], f"{place}[{index}]")
    else:
        assert shown == got, place


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", ["control.md", "faults.md"])
async def test_every_snippet_answers_what_is_shown(page: str) -> None:
    settings = ServeSettings(arm_port=0, cdr_port=0, onec_port=0, control_port=0)
    found = snippets(page)
    assert len(found) >= 1
    async with MockServer(settings) as suite:
        for command, shown in found:
            got = last_json(await run(command, suite.urls))
            if shown is not None:
                check(shown, got)
            else:
                assert got is None or got.get("status", 0) < 400, (command, got)
