"""``callmocks schema``: the schemas and tables of the contract, to take away."""

from difflib import get_close_matches
from pathlib import Path

import click

from callmocks.errors import SettingsError


@click.group()
def schema() -> None:
    pass


@schema.command("list")
def list_schemas() -> None:
    """Print the names, and what each is."""
    from callmocks.contract.published_schemas import list_published

    published = list_published().values()
    width = max(len(each.name) for each in published)
    for each in published:
        click.echo(f"{each.name:{width}}  {each.meaning}")


@schema.command()
@click.argument("name")
def show(name: str) -> None:
    """Print one, by the name that ``list`` prints."""
    from callmocks.contract.published_schemas import list_published

    found = list_published().get(name)
    if found is None:
        near = get_close_matches(name, list_published(), 1)
        hint = f"did you mean {near[0]}?" if near else "callmocks schema list prints them"
        raise SettingsError(f"NAME: there is no {name!r}; {hint}")
    click.echo(found.path.read_bytes(), nl=False)


@schema.command()
@click.argument("folder", type=click.Path(path_type=Path))
def export(folder: Path) -> None:
    """Write all of them into a folder; files of the same names are replaced."""
    from callmocks.contract.published_schemas import list_published

    published = list_published()
    for name, found in published.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found.path.read_bytes())
        except OSError as error:
            raise SettingsError(f"FOLDER: {path}: {error.strerror}") from None
    click.echo(f"{len(published)} files in {folder}", err=True)
