"""The schemas of the contract, over the admin API and on the command line: the same files."""

import asyncio
from pathlib import Path

import pytest
import xmlschema
from click.testing import CliRunner, Result

from callmocks.cli.commands import group
from callmocks.contract.published_schemas import list_published
from callmocks.contract.resources import schema_path
from callmocks.errors import SettingsError
from tests.control.conftest import ControlClient

TYPES = {
    "arm/login.xsd": "application/xml",
    "cdr/errors.csv": "text/csv",
    "cdr/openrpc.json": "application/json",
    "onec/operations.txt": "text/plain",
    "assumptions.toml": "application/toml",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["schema", *arguments])


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_public_set_is_all_files_of_the_folder_and_each_has_a_meaning(tmp_path: Path) -> None:
    whole = files_below(schema_path(""))
    assert list(list_published()) == sorted(whole)
    assert [name for name, each in list_published().items() if not each.meaning] == []
    result = run("export", str(tmp_path / "new" / "folder"))
    assert (result.exit_code, result.stderr) == (
        0,
        f"{len(whole)} files in {tmp_path / 'new' / 'folder'}\n",
    )
    assert files_below(tmp_path / "new" / "folder") == whole
    listed = run("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(whole)
    assert all(len(line) <= 120 for line in listed)


def test_one_is_printed_as_it_is() -> None:
    assert run("show", "onec/PartnerWebAPI2.wsdl").stdout_bytes == (
        schema_path("onec/PartnerWebAPI2.wsdl").read_bytes()
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("show", "cdr/error.csv"), "there is no 'cdr/error.csv'; did you mean cdr/errors.csv?"),
        (("show", "../pyproject.toml"), "callmocks schema list prints them"),
        (("export", f"{__file__}/here"), "FOLDER: "),
    ],
)
def test_a_wrong_name_says_what_there_is(arguments: tuple[str, ...], text: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, SettingsError) and text in str(error)


async def test_control_serves_the_same_files(control: ControlClient) -> None:
    listed = (await control.get("/schemas"))["schemas"]
    assert [each["name"] for each in listed] == list(list_published())
    for each in listed:
        async with control.session.get(f"{control.url}/schemas/{each['name']}") as answer:
            body = await answer.read()
            assert (answer.status, answer.content_type) == (200, each["media_type"])
        assert body == schema_path(each["name"]).read_bytes()
        assert each["bytes"] == len(body)
    types = {each["name"]: each["media_type"] for each in listed}
    assert types.items() >= TYPES.items()


@pytest.mark.parametrize("path", ["no.xsd", "arm/no.xsd", "arm", "arm/..%2F..%2Fpyproject.toml"])
async def test_what_is_not_published_is_404(control: ControlClient, path: str) -> None:
    status, problem = await control.call("GET", f"/schemas/{path}")
    assert status == 404 and "GET /schemas lists them" in problem["detail"]


async def test_a_validator_loads_them_by_path_and_by_address(
    control: ControlClient, tmp_path: Path
) -> None:
    """The XSD includes others, which lie beside it."""
    run("export", str(tmp_path))
    name = "arm/operator_call_history.documented.xsd"
    for source in (str(tmp_path / name), f"{control.url}/schemas/{name}"):
        schema = await asyncio.to_thread(xmlschema.XMLSchema, source)
        request = "<in><request><filters limit='{}'/></request></in>"
        assert schema.is_valid(request.format(5)) and not schema.is_valid(request.format("five"))
