"""The Segment Editor effect "Random walk fill"."""

from SegmentEditorACSegFillLib.SegmentEditorEffect import SegmentEditorEffect

__all__ = ["SegmentEditorEffect"]
