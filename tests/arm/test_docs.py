"""docs/arm.md: its snippets run."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from tests.arm.conftest import RunningArm

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "arm.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)


async def output(demo: RunningArm, language: str, text: str) -> str:
    text = text.replace("127.0.0.1:8086", f"127.0.0.1:{demo.port}")
    command = ["sh", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_every_snippet_runs_and_answers(demo: RunningArm) -> None:
    outputs = [await output(demo, language, text) for language, text in SNIPPETS]
    assert len(outputs) == 2
    posted, _ = outputs
    assert posted.count("<call_history ") == 2
