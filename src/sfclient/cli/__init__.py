"""The `sfclient` command.

Exit status: 0 the call ended in order, 1 the network or the agent is at fault, 2 wrong use, 3 the
sound device, 4 a fault of this program, or no memory, threads or descriptors are left for it.

- `main`, and what it makes of what went wrong
- ``_arguments``: what can be asked for, by which module; ``_telling``: what is printed, whatever is behind it
- a subcommand each: ``_call``, ``_demo``, ``_devices``, ``_doctor``, ``_load``, ``_replay``, ``_report``, ``_result``,
  ``_simulator``, ``_test``
- subcommands: ``_call``, ``_demo``, ``_test``, ``_load``, ``_replay``, ``_result``, ``_devices``, ``_doctor``,
  ``_simulator``
- ``_hold``: a call while it lasts, told by ``_display``: lines, or the live screen. Of that, ``_facts`` is what is
  known, ``_look`` takes it from a call, ``_screen`` makes lines of it, ``_keys`` is what can be pressed; ``_live``
  draws them on the ``_terminal``
"""

import errno
import inspect
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import trio

from sfclient._devices import is_stuck
from sfclient._errors import SfclientError, UsageError
from sfclient.cli._arguments import as_options, make_parser
from sfclient.cli._telling import (
    complain,
    fill_standard_streams,
    flush_all,
    keep_standard_error,
    survive_any_letter,
)

DEBUG_VARIABLE = "SFCLIENT_DEBUG"
INTERRUPTED = 130  # as a shell tells of SIGINT
NO_DESCRIPTORS = "too few file descriptors: close other programs, or raise the limit (ulimit -n)"
NO_MEMORY = "out of memory: close other programs, or take shorter files"
STUCK = "sfclient: the sound device did not close in time and was left alone: is its sound server alive?"
NO_THREADS = "no more threads: close other programs, or raise the limit (ulimit -u)"
OWN_FAULT = (
    "this is a fault of sfclient, not yours; please report it, with what SFCLIENT_DEBUG=1 shows"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    try:
        fill_standard_streams()
        keep_standard_error()
        survive_any_letter()
        status = _run(argv)
    except BaseException as error:
        status = _outcome(error)
    if is_stuck():
        complain(STUCK)
    if not flush_all() or is_stuck():
        # Who does not read, or a dead sound server, would hold up the exit of the process for ever.
        os._exit(status)
    return status


def _run(argv: Sequence[str] | None) -> int:
    args = make_parser().parse_args(argv)
    command: Callable[[Any], Any] = args.command
    if args.prepare is not None:
        args.prepare(args)
    status: int = trio.run(command, args) if inspect.iscoroutinefunction(command) else command(args)
    return status


def _outcome(error: BaseException) -> int:
    """Tell what went wrong in a line; the exit status."""
    if os.environ.get(DEBUG_VARIABLE) and not isinstance(error, SystemExit):
        complain("".join(traceback.format_exception(error)))
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, trio.TrioInternalError) and error.__cause__ is not None:
        error = error.__cause__
    match error:
        case SystemExit():  # of argparse, which has told
            return error.code if isinstance(error.code, int) else 1
        case KeyboardInterrupt():
            return INTERRUPTED
        case SfclientError():
            is_told = error.call_id is None or error.call_id in str(error)
            record = "" if is_told else f" (for its record: sfclient result {error.call_id})"
            told = as_options(str(error)) if isinstance(error, UsageError) else error
            complain(f"sfclient: {told}{record}")
            return error.exit_status
        case MemoryError():
            told = NO_MEMORY
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            told = NO_DESCRIPTORS
        case RuntimeError() if "start new thread" in str(error):
            told = NO_THREADS
        case _:
            # Not what it says: nobody knows what is in it.
            told = f"{type(error).__name__}: {OWN_FAULT}"
    complain(f"sfclient: {told}")
    return 4


__all__ = ["main"]
