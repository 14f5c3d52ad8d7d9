"""Snippets of the documentation, and how they are run.

What follows the language of a fence says what a snippet is; readers do not see it.

::

    ```python test                 a test file: pytest runs it, all its tests pass
    ```python test fails           … and at least one fails
    ```python run                  a program: it ends with status 0 and says nothing on stderr
    ```sh run                      the same for a shell
    ```sh run serving --seed 7     … while `callmocks serve --seed 7` runs
    ```sh run follows              … after the one before it that runs, in the same folder
    ```python file=client.py       a file for the snippets after it on the page
    ```text output                 lines that the snippet before it prints, … standing for anything
    ```sh shown                    not run: it needs a network, an engine, somebody else's machine

`test` and `run` go with `file=` too: the snippet is that file. A snippet reaches a suite that is
`serving` by the default ports, for which the runner puts those that the suite has.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.forked import ForkedCommand

ROOT = Path(__file__).parents[2]
KINDS = ("test", "run", "shown", "output")
MUST_SAY = ("python", "sh")
"""Languages whose snippets a page has to say something of."""
TRANSLATED = {
    ROOT / "README.ru.md": ROOT / "README.md",
    ROOT / "docs" / "ru" / "tutorial.md": ROOT / "docs" / "tutorial.md",
    ROOT / "docs" / "ru" / "pytest.md": ROOT / "docs" / "how-to" / "pytest.md",
    ROOT / "docs" / "ru" / "dashboard.md": ROOT / "docs" / "dashboard.md",
}
"""Pages with the snippets of another one, which runs them."""
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)
_PORTS = {"arm": "8086", "cdr": "8087", "onec": "8088", "control": "8080"}
_SECONDS = 120
ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CALLMOCKS_", "PYTEST_"))
    },
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONWARNINGS": "error",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-pcallmocks -pasyncio -pxdist -pno:cacheprovider --color=no "
    "-oasyncio_default_fixture_loop_scope=function",
}


@dataclass(frozen=True)
class Snippet:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        """``docs/how-to/pytest.md:12``."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def file(self) -> str:
        """The name it is a file by, if any."""
        names = [word.removeprefix("file=") for word in self.words if word.startswith("file=")]
        return names[0] if names else ""

    @property
    def kind(self) -> str:
        """One of ``KINDS``, ``file``, or empty."""
        found = [word for word in self.words if word in KINDS]
        return found[0] if found else "file" if self.file else ""

    @property
    def serving(self) -> Sequence[str] | None:
        """The options of the suite that runs meanwhile; None when there is none."""
        if "serving" not in self.words:
            return None
        return self.words[self.words.index("serving") + 1 :]


def read(page: Path) -> list[Snippet]:
    """The snippets of a page, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines(keepends=True)]
        number = text.count("\n", 0, match.start()) + 1
        found.append(Snippet(page, number, language, tuple(words), "".join(lines)))
    return found


def files_before(snippet: Snippet, snippets: Sequence[Snippet]) -> dict[str, str]:
    """The page's files that a reader has made when he comes to a snippet."""
    above = [each for each in snippets if each.line < snippet.line]
    return {each.file: each.text for each in above if each.file}


def outputs(snippet: Snippet, snippets: Sequence[Snippet]) -> list[Snippet]:
    """What a page says that a snippet prints."""
    below = snippets[snippets.index(snippet) + 1 :]
    found = []
    for each in below:
        if each.kind != "output":
            break
        found.append(each)
    return found


def run(snippet: Snippet, snippets: Sequence[Snippet], folder: Path) -> None:
    """Run a snippet in a folder that holds the files before it, and look at what it prints."""
    if "follows" in snippet.words:
        above = [each for each in snippets if each.kind == "run" and each.line < snippet.line]
        run(above[-1], snippets, folder)
    for name, text in files_before(snippet, snippets).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with _serving(snippet.serving) as ports:
        text = snippet.text
        for default, port in ports.items():
            text = text.replace(f":{default}", f":{port}")
        done = subprocess.run(
            _command(snippet, text, folder),
            cwd=folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    told = f"{snippet.where}\n{done.stdout}\n{done.stderr}"
    if snippet.kind == "test":
        wanted = 1 if "fails" in snippet.words else 0
        assert done.returncode == wanted, f"pytest ended with {done.returncode}: {told}"
    else:
        assert (done.returncode, done.stderr) == (0, ""), told
    for output in outputs(snippet, snippets):
        missing = first_missing(output.text, done.stdout)
        assert missing is None, f"{output.where}: {missing!r} was not printed: {told}"


def first_missing(expected: str, printed: str) -> str | None:
    """The first expected line that was not printed after those before it; None when all were."""
    lines = iter(printed.splitlines())
    for line in filter(str.strip, expected.splitlines()):
        wanted = ".*".join(re.escape(part) for part in line.rstrip().split("…"))
        if line.strip() != "…" and not any(re.fullmatch(wanted, each.rstrip()) for each in lines):
            return line
    return None


def _command(snippet: Snippet, text: str, folder: Path) -> list[str]:
    if snippet.language == "sh":
        shell = shutil.which("sh")
        assert shell is not None
        return [shell, "-ec", text]
    path = folder / (snippet.file or "test_snippet.py")
    path.write_text(text, encoding="utf-8")
    if snippet.kind == "test":
        return [sys.executable, "-m", "pytest", path.name]
    return [sys.executable, path.name]


@contextmanager
def _serving(options: Sequence[str] | None) -> Iterator[dict[str, str]]:
    """A suite on free ports, by the default port that each stands for."""
    if options is None:
        yield {}
        return
    free = [argument for name in _PORTS for argument in (f"--{name}-port", "0")]
    with ForkedCommand("serve", "--json", *free, *options, env=ENVIRONMENT) as process:
        try:
            ready = json.loads(process.stdout.readline())
            yield {
                default: ready[name].split("/")[2].rpartition(":")[2]
                for name, default in _PORTS.items()
                if ready[name]
            }
        finally:
            process.terminate()
