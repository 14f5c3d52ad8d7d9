"""The command line. Every error of the user is one line on stderr and exit code 2."""

import gc
import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

_GC_THRESHOLD = gc.get_threshold()
_START_GC_THRESHOLD = 1_000_000
_REPEAT_SECONDS = 1


def main() -> NoReturn:
    # Imports leave hardly any garbage: to look for it takes a tenth of the start.
    gc.set_threshold(_START_GC_THRESHOLD)
    open_missing_streams()
    # Before slow imports, so that an early Ctrl-C shows no traceback.
    signal.signal(signal.SIGTERM, _exit_on_signal)
    signal.signal(signal.SIGINT, _exit_on_signal)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # names and ellipses on a console without them
    import click

    from callmocks.errors import CallmocksError

    try:
        from callmocks.cli.commands import group

        sys.exit(group.main(prog_name="callmocks", standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.BadParameter as error:
        from callmocks.config.options import describe_bad_parameter

        _exit_with_error(describe_bad_parameter(error))
    except click.ClickException as error:
        _exit_with_error(error.format_message())
    except CallmocksError as error:
        _exit_with_error(str(error))
    except BrokenPipeError:
        _discard_stdout()  # the reader has closed the pipe
        sys.exit(1)
    except OSError as error:
        _discard_stdout()
        _exit_with_error(str(error))
    finally:
        _repeat_exit(0)


def open_missing_streams() -> None:
    """A closed stdin, stdout or stderr becomes /dev/null.

    Otherwise the first sockets take these numbers, and libuv ends the process when they close.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def freeze_loaded_objects() -> None:
    """What is loaded stays: no garbage collection looks at it again, for 50 ms each time."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)


def _exit_on_signal(signal_number: int, frame: FrameType | None) -> NoReturn:
    # Compiled code may drop the exceptions of the Python that it calls, and this one with them.
    if hasattr(signal, "SIGALRM"):  # not on Windows
        signal.signal(signal.SIGALRM, lambda *_: _exit_on_signal(signal_number, None))
    _repeat_exit(_REPEAT_SECONDS)
    raise SystemExit(128 + signal_number)


def _repeat_exit(seconds: float) -> None:
    """After so many seconds; 0 for never."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _discard_stdout() -> None:
    """Without this, the flush at exit fails once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_with_error(text: str) -> NoReturn:
    line = " ".join(text.split())
    print(f"callmocks: {line}", file=sys.stderr)
    sys.exit(2)
