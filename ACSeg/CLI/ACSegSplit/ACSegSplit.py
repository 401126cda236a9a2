#!/usr/bin/env python-real
"""CLI module: split touching cells into segments of their own.

Run by Slicer with its own Python, or by any Python that has ACSeg's packages: see --help.
"""

import sys
from pathlib import Path

# where nothing else has put the library on the path: beside the modules in Slicer's trees, on top of a source checkout
here = Path(__file__).resolve()
places = [place for parent in here.parents for place in (parent / "qt-scripted-modules", parent)]
sys.path += [str(place) for place in places if (place / "ACSegLib" / "__init__.py").is_file()]

try:
    from ACSegLib.commands.cli import main
except ModuleNotFoundError:
    sys.exit(f"{here.stem}: the library ACSegLib is not beside this module; install the extension ACSeg again.")

if __name__ == "__main__":
    sys.exit(main(here.stem))
