"""Where the `sfclient` command starts: outside of the package, whose imports take half a second, in which Ctrl-C is
pressed as well."""

import signal


def main() -> int:
    """Run the command, and return its exit status."""
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:  # until there is something to hang up, it ends the process, without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sfclient.cli import main as run

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()
