"""Run by CTest in Slicer: the self tests that need no window."""

import sys
from pathlib import Path

import slicer

sys.path.insert(0, str(Path(__file__).resolve().parent))

import self_tests

slicer.util.exit(slicer.util.EXIT_FAILURE if self_tests.runAll() else slicer.util.EXIT_SUCCESS)
