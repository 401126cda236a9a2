"""Segments from strokes, dabs, boxes and outlines, where no slice is labelled as a whole."""
