"""The library's sentences as templates for Slicer's translators, one file for each part of the library."""
