"""``python -m ACSegLib`` is the shell command ``acseg``."""

import sys

from ACSegLib.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
