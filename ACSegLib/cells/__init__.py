"""Touching cells apart: where two cells of one segment meet, found from the shape and from seams in the image."""
