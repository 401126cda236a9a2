"""The report of a prediction: how the network ran, and what a user should know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ACSegLib.json_values import Json
from ACSegLib.segment_estimates import SegmentEstimate


@dataclass
class PredictionReport:
    """How a prediction was made. A field is None where the method of prediction has no such value.

    Attributes
    ----------
    backend, device, precision : str
        The library, the processor and the number type that the network ran with.
    tile : list of int
        Size (k, j, i) of a tile, or of Biomedisa's patch.
    tiles : int
    seconds : float
        From the image to the segmentation, refinements and clean-up included.
    notes : list of str
        What a user should know.
    backend_reason : str
        Why this backend.
    working_shape, region_shape : list of int
        Shapes (k, j, i) that the network saw, and that the image has there.
    resampled : bool
        Whether the two differ.
    mirrored : bool
        Whether mirror images were averaged.
    thin_threshold : float or None
        Probability from which thin structures belong to their segment; None: as everything else.
    voxels : int
        Of the region.
    estimated_memory_bytes : int
    image_on_disk : bool
        Whether tiles were read from the file.
    surface_regions : int
        Regions that the refinement network corrected, in ``surface_seconds``.
    walk_band_voxels : int
        Half-width of the band that the random walk decided.
    walk_unsure_part : float
        Fraction of the voxels in this band.
    estimates : list of SegmentEstimate
        Dice and volume to expect of each segment; None or empty where nothing is known of the network.
    """

    backend: str = ""
    device: str = ""
    precision: str = ""
    tile: list[int] = field(default_factory=list)
    tiles: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    backend_reason: str | None = None
    working_shape: list[int] | None = None
    region_shape: list[int] | None = None
    resampled: bool | None = None
    mirrored: bool | None = None
    thin_threshold: float | None = None
    voxels: int | None = None
    estimated_memory_bytes: int | None = None
    image_on_disk: bool | None = None
    surface_regions: int | None = None
    surface_seconds: float | None = None
    walk_band_voxels: int | None = None
    walk_unsure_part: float | None = None
    estimates: list[SegmentEstimate] | None = None

    @property
    def is_reduced(self) -> bool:
        """Whether the image is finer than what the network saw, along any axis."""
        return any(n > m for n, m in zip(self.region_shape or (), self.working_shape or (), strict=False))

    def to_dict(self) -> Json:
        """Plain values under the keys of the run reports (``--json``), without those that do not apply."""
        present = {"thin_threshold"} if self.working_shape is not None else set()
        return {name: value for name, value in asdict(self).items() if value is not None or name in present}
