"""The command line: arguments in, exit code out. Everything global (signals, printing) is in this package."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from hdtf_async.cli.actions import Call
from hdtf_async.cli.command_table import COMMANDS, MAIN
from hdtf_async.cli.parser import Parser
from hdtf_async.cli.terminal import complain, say
from hdtf_async.core.exceptions import FormError, OptionsError, StoreError, TableError, UnknownVideoError
from hdtf_async.core.failures import ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdtf_async.cli.command_table import Command
    from hdtf_async.cli.signals import Stopping


def entry() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader may have exited
            stream.flush()
    os._exit(code)  # at once: Python would free millions of rows one by one


def main(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    by_name = {command.name: command for command in COMMANDS}
    command, arguments = (by_name[argv[0]], argv[1:]) if argv and argv[0] in by_name else (MAIN, argv)
    try:
        parser = Parser(command.name, command.description, usage=command.usage, epilog=command.epilog)
        command.options(parser)
        call = Call.of(parser.read(arguments, by_name))
        from hdtf_async.cli.signals import until_signal

        return until_signal(partial(_run, command, call), resumes=command.resumes)
    except (TableError, FormError, OptionsError, UnknownVideoError) as error:
        code, message = ExitCode.USAGE, str(error)
    except StoreError as error:
        code, message = error.exit_code, str(error)
    except BrokenPipeError:
        # The reader of our output has exited; this avoids an error message of Python at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.LOCAL
    except KeyboardInterrupt:
        code, message = ExitCode.INTERRUPTED, "interrupted"
    except Exception as error:  # noqa: BLE001 - internal error: print one line, and how to get the traceback
        if {"debug", "--log-level=debug"} & {*arguments, os.environ.get("HDTF_ASYNC_LOG_LEVEL")}:
            say(traceback.format_exc(), error=True)
        from hdtf_async.cli.signals import fault

        code = ExitCode.LOCAL
        message = fault(error)
    complain(message)
    return code


async def _run(command: Command, call: Call, stopping: Stopping) -> int:
    try:
        return await command.run(call, stopping)
    except Failure as failure:
        complain(f"{failure} {failure.reason.advice.remedy}")
        return failure.reason.advice.exit_code
