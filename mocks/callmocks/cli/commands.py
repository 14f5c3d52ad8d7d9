"""All commands. A module of a command is loaded when it runs, so that ``--help`` is quick."""

from importlib import import_module
from inspect import cleandoc

import click
from click.exceptions import NoSuchCommand

from callmocks import __version__

# Each is the function of that name in the module of that name; its docstring goes on from here.
SUMMARIES = {
    "check": "Check a running provider, or a mock of one, against the contract.",
    "compare": "Send recorded requests again, and compare the shape of the answers.",
    "docs": "Print the documentation, for a reader or an assistant without the repository.",
    "history": "Look at the calls behind the servers, or import recorded ones.",
    "init": "Write what a project needs to test with callmocks into the current folder.",
    "learn": "Decide assumptions of the ledger by what a provider answers.",
    "proxy": "Relay between a client and a provider and check both against the contract.",
    "scenario": "Check scenario files, and write a tenant to one.",
    "schema": "List, print or write the schemas, field tables and ledger of the contract.",
    "serve": "Serve the three providers and control until SIGINT or SIGTERM.",
    "validate": "Check saved frames, XML, JSON-RPC, SOAP and recordings against the contract.",
    "world": "Make a world file whose calls resemble recorded ones.",
}


class CommandGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in SUMMARIES and cmd_name not in self.commands:
            module = import_module(f"callmocks.cli.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            command.help = f"{SUMMARIES[cmd_name]}\n\n{cleandoc(command.help or '')}"
            self.add_command(command)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:  # click suggests loaded commands alone
            known = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=known, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(
    name="callmocks",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
def group() -> None:
    """Mock servers of three telephony providers over one reproducible call history."""
