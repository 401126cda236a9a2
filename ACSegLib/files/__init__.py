"""Files: the only place that knows formats. One module per format behind `open_volume` and its kin."""

from ACSegLib.files.content import external_data
from ACSegLib.files.registry import open_any, open_segmentation, open_volume, save_segmentation, save_volume

__all__ = ["external_data", "open_any", "open_segmentation", "open_volume", "save_segmentation", "save_volume"]
