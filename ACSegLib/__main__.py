"""``python -m ACSegLib`` is the shell command ``acseg``."""

import signal
import sys


def main() -> int:
    """Run the shell command; Ctrl-C while its modules are read ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command itself listens
    from ACSegLib.commands.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
