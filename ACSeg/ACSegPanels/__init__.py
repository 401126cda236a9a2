"""What the guided module and the Segment Editor effect are made of: one file per panel, and the parts they share.

The parts without Qt (`background`, `process`, `slices`, `data`) can be used and tested anywhere; the rest needs Slicer.
"""
