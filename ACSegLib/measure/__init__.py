"""Measures of masks, of segmentations, and of how well they agree. Takes and gives arrays and tables; no files."""

from ACSegLib.callable_module import make_callable

make_callable(__name__)
