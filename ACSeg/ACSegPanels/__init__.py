"""What the guided module and the Segment Editor effect are made of: one file per panel, and the parts they share.

The parts without Qt (`slices`, `dataset`, `keywords`, `words`) can be tested anywhere. The others need Slicer.
"""
