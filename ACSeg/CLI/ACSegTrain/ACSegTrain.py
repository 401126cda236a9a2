#!/usr/bin/env python-real
"""CLI module: train a network on labelled volumes.

Run by Slicer with its own Python, or by any Python that has ACSeg's packages: see --help.
"""

import sys
from pathlib import Path

try:
    from ACSegLib.commands.cli import main
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("ACSegLib"):
        raise
    # beside the modules in Slicer's build and install trees; at the top of a source checkout
    here = Path(__file__).resolve()
    places = [place for parent in here.parents for place in (parent / "qt-scripted-modules", parent)]
    found = next((place for place in places if (place / "ACSegLib" / "__init__.py").is_file()), None)
    if found is None:
        sys.exit(f"{here.stem}: the library ACSegLib is not beside this module; install the extension ACSeg again.")
    sys.path.insert(0, str(found))
    from ACSegLib.commands.cli import main

if __name__ == "__main__":
    sys.exit(main("ACSegTrain"))
