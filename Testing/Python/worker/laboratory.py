"""How the tests start the worker process of `labworker`."""

import sys
from pathlib import Path

LAB = [sys.executable, str(Path(__file__).with_name("labworker.py"))]
