"""ACSeg: fill, train, predict and measure segmentations of 3D microscopy volumes.

The library behind the ACSeg extension of 3D Slicer. It has no Qt in it, imports in well under 0.2 s,
and every front end (Slicer panel, Segment Editor effect, CLI modules, shell) is a thin door to it.
"""

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

__version__ = "0.1.0"

__all__ = ["Cancelled", "Geometry", "InputError", "Progress", "Segment", "Segmentation", "Volume", "__version__"]
