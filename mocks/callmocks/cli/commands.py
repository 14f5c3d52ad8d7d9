import click

from callmocks import __version__
from callmocks.cli.check import check
from callmocks.cli.docs import docs
from callmocks.cli.history import history
from callmocks.cli.init import init
from callmocks.cli.learn import learn
from callmocks.cli.proxy import proxy
from callmocks.cli.serve import serve
from callmocks.cli.validate import validate


@click.group(name="callmocks", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def group() -> None:
    """Mock servers of three telephony providers over one reproducible call history."""


for command in (serve, history, check, learn, proxy, validate, init, docs):
    group.add_command(command)
