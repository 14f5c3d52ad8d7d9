"""The command line: ``callmocks serve`` and ``callmocks history``.

A mistake of the user's is one line on stderr and exit code 2, whatever it was.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from callmocks import __version__
from callmocks.cli.history import history
from callmocks.cli.serve import serve
from callmocks.errors import CallmocksError


@click.group(name="callmocks", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def group() -> None:
    """Mock servers of three telephony providers over one reproducible call history."""


group.add_command(serve)
group.add_command(history)


def main() -> NoReturn:
    """Run a command; the process ends here."""
    # Until the servers have taken the signals over, both mean: leave, there is nothing to finish.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        sys.exit(group.main(prog_name="callmocks", standalone_mode=False) or 0)
    except click.exceptions.Exit as asked:
        sys.exit(asked.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message())
    except CallmocksError as error:
        _complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        sys.exit(1)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _complain(text: str) -> NoReturn:
    line = " ".join(text.split())
    print(f"callmocks: {line}", file=sys.stderr)
    sys.exit(2)
