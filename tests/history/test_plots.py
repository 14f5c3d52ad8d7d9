"""The plots of docs/history.md are those of the data."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.script_module import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def history_plots() -> Any:
    return load_script("history-plots")


def test_plots_are_as_they_are_drawn_now(history_plots: Any) -> None:
    assert history_plots.main(["--check"]) == 0


def test_every_plot_is_on_the_page() -> None:
    page = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(history/([a-z]+\.svg)\)", page)
    assert sorted(shown) == sorted(path.name for path in (ROOT / "docs" / "history").iterdir())


def test_check_tells_what_differs(
    history_plots: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = (ROOT / "docs" / "history" / "hours.svg").read_text(encoding="utf-8")
    drawn = [("hours.svg", stored), ("waiting.svg", "<svg/>"), ("new.svg", "<svg/>")]
    monkeypatch.setattr(history_plots, "draw_plots", lambda year: drawn)
    monkeypatch.setattr(history_plots, "Year", lambda: None)
    assert history_plots.main(["--check"]) == 1
    printed = capsys.readouterr().out
    assert "docs/history/waiting.svg is not" in printed
    assert "docs/history/new.svg is not" in printed
    assert "hours.svg" not in printed
