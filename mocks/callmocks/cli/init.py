"""``callmocks init``: the files that a project needs to test with callmocks."""

import json
import sys
from importlib.metadata import distribution
from pathlib import Path

import click

from callmocks.errors import SettingsError

TEMPLATES = Path(__file__).parent / "init_files"
CI_FILES = {
    "github": ("github.yml", ".github/workflows/callmocks.yml"),
    "gitlab": ("gitlab.yml", ".gitlab-ci.yml"),
}


@click.command()
@click.option("--ci", type=click.Choice(tuple(CI_FILES)), help="Also a CI file for that service.")
@click.option(
    "--from",
    "requirement",
    metavar="REQUIREMENT",
    help="What pip installs callmocks from, in CI: a path, a wheel, git+https://…",
)
@click.option("--dry-run", is_flag=True, help="Print the files instead of writing them.")
def init(ci: str | None, requirement: str | None, dry_run: bool) -> None:
    """``tests/conftest.py``, ``compose.callmocks.yml`` and, with ``--ci``, a CI file. A file that
    exists is kept: what would have to be added is printed, and the exit code is 1.
    """
    files = {"tests/conftest.py": "conftest.txt", "compose.callmocks.yml": "compose.yml"}
    source = ""
    if ci is not None:
        template, path = CI_FILES[ci]
        files[path] = template
        source = requirement or find_install_source()
    texts = {
        path: (TEMPLATES / template).read_text(encoding="utf-8").replace("REQUIREMENT", source)
        for path, template in files.items()
    }
    kept = [path for path in texts if Path(path).exists()]
    for path, text in texts.items():
        if dry_run or path in kept:
            reason = "exists; add this:" if path in kept else "would be written:"
            click.echo(f"# {path} {reason}\n{text}")
        else:
            write_new_file(Path(path), text)
            click.echo(f"# {path} is written")
    sys.exit(1 if kept else 0)


def write_new_file(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def find_install_source() -> str:
    """What this callmocks was installed from, as pip noted it (PEP 610)."""
    read_metadata = distribution("callmocks").read_text
    noted = read_metadata("direct_url.json")
    url: dict[str, object] = json.loads(noted) if noted else {}
    version_control = url.get("vcs_info")
    if isinstance(version_control, dict):
        return f"{version_control['vcs']}+{url['url']}@{version_control['commit_id']}"
    address = str(url.get("url", ""))
    if address and not address.startswith("file:"):
        return address
    where = f"; here it is from {address}, which CI does not have" if address else ""
    raise SettingsError(
        f"--from: what does CI install callmocks from? git+https://…, a wheel{where}"
    )
