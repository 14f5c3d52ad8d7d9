"""The copyable requests are run as they stand, in a shell and in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from lxml import etree

from tests.dashboard.conftest import NOW, Site

CORE = "{http://v8.1c.ru/8.1/data/core}"


def snippets(page: Any, place: str) -> list[tuple[str, str]]:
    """Language and text of the requests in a section."""
    return [
        (figure.xpath("string(.//summary/span)"), figure.xpath("string(.//code)"))
        for figure in page.xpath(f"//section[@aria-labelledby='h-{place}']//figure")
    ]


def run(language: str, text: str) -> str:
    """What the text prints."""
    if language == "shell" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["sh", "-c", text] if language == "shell" else [sys.executable, "-c", text]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_every_request_of_the_first_page_is_answered(site: Site) -> None:
    page = site.get("/").page
    arm, frames = (run(*each) for each in snippets(page, "arm"))
    assert etree.fromstring(arm.encode()).xpath("count(//call_history)") == 10
    assert "[{" in frames and frames.count('"call_history"') == 10
    legs, login = (json.loads(run(*each)) for each in snippets(page, "cdr"))
    assert len(legs["result"]["data"]) == 10
    assert login["result"]["data"]["access_token"]
    table, wsdl = (run(*each) for each in snippets(page, "onec"))
    rows = etree.fromstring(table.encode()).findall(f".//{CORE}row")
    assert len(rows) > 100
    assert "GetHistoryOfServiceCalls" in wsdl
    entries = site.api("GET", "/api/tenants/demo/journal")["entries"]
    assert not [entry["violations"] for entry in entries if entry["violations"]]


def test_an_empty_journal_has_a_request_to_each_provider(site: Site) -> None:
    figures = site.get("/tenants/demo/journal").page.xpath("//div[@class='none']//figure")
    for figure in figures:
        assert run(figure.xpath("string(.//summary/span)"), figure.xpath("string(.//code)"))
    entries = site.api("GET", "/api/tenants/demo/journal")["entries"]
    assert [entry["provider"] for entry in entries] == ["arm", "cdr", "onec"]
    assert not any(entry["violations"] for entry in entries)
    assert not site.get("/tenants/demo/journal").page.xpath("//div[@class='none']//figure")


def test_the_requests_of_a_call_bring_this_call(site: Site) -> None:
    calls = site.truth("2026-03-02", NOW)
    call = next(each for each in calls if each["onec"] and each["arm"] and each["finished"])
    session = call["cdr"]["call_session_id"]
    page = site.get(f"/tenants/demo/calls/{session}").page
    for (_, text), row in zip(snippets(page, "arm"), call["arm"], strict=False):
        shown = etree.fromstring(run("shell", text).encode()).iter("call_history")
        refs = [element.get("call_ref") for element in shown]
        assert row["call_ref"] in refs
    sessions, legs = (json.loads(run(*each)) for each in snippets(page, "cdr"))
    assert [row["id"] for row in sessions["result"]["data"]] == [session]
    assert [row["id"] for row in legs["result"]["data"]] == call["cdr"]["leg_ids"]
    assert call["onec"]["CallID"] in run(*snippets(page, "onec")[0])


def test_credentials_may_hold_special_characters(site: Site) -> None:
    hard = """it's "$HOME" \\ <&> `id` é"""
    site.api(
        "POST",
        "/api/tenants",
        {
            "name": "hard",
            "now": NOW,
            "arm": {"password": hard},
            "cdr": {"login": hard, "password": hard, "token": hard},
            "onec": {"user": "hard", "password": hard},
        },
    )
    page = site.get("/tenants/hard").page
    arm, frames = (run(*each) for each in snippets(page, "arm"))
    assert "<call_history" in arm and "call_history" in frames
    legs, login = (json.loads(run(*each)) for each in snippets(page, "cdr"))
    assert "result" in legs and "result" in login
    assert "SUCCESS" in run(*snippets(page, "onec")[0])
