"""Measures of masks, of segmentations, and of how well they agree. Takes and gives arrays and tables; no files."""
