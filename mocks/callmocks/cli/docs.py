"""``callmocks docs``: the documentation that the package brings along."""

import click

PAGES = {"index": "llms.txt", "full": "llms-full.txt", "skill": "assistants.md"}


@click.command()
@click.argument("page", type=click.Choice(tuple(PAGES)), default="index")
def docs(page: str) -> None:
    """``index`` lists the pages, ``full`` prints all of them, ``skill`` is one page about testing a
    client.
    """
    from callmocks.contract.resources import docs_path

    click.echo(docs_path(PAGES[page]).read_text(encoding="utf-8"), nl=False)
