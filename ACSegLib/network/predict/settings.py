"""What a user can choose about a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ACSegLib.errors import InputError
from ACSegLib.network.predict.plane_sink import Box

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model


CONTRASTS = ("auto", "bright", "dark")


@dataclass
class PredictionSettings:
    """Choices for `predict`.

    Parameters
    ----------
    device, backend, precision : str
        See `ACSegLib.network.predict.backends.make_backend`.
    tile : (k, j, i), optional
        Size of the tiles in working voxels; None takes the largest that fit.
    overlap : float
        What neighbouring tiles share, as a part of the training patch's side, 0 to 0.5.
    tta : bool
        Average over the eight mirror images: eight times slower, a little better.
    roi : ((k0, k1), (j0, j1), (i0, i1)), optional
        Voxels to predict, the ends excluded; elsewhere the result is background.
    surroundings : bool
        Whether the network also sees what lies around `roi`.
    keep_probabilities : bool
        Also give the probabilities (float16, memory-mapped).
    keep_working : bool
        Also give the probabilities as interpolated channels, if the network works on another grid than the image's. See
        `ACSegLib.network.predict.working_probabilities`.
    resample : bool
        Bring the image to the voxel size of the training.
    thin : float, optional
        Probability from which a voxel in a thin structure belongs to its segment, up to 0.5; None: that of the model's
        calibration. See `ACSegLib.postprocess.thin_structures`.
    contrast : {"auto", "bright", "dark"}
        Which intensities absorb. "auto": bright ones, unless the network is far surer of the inverted image (models
        with a canonical orientation alone).
    correct : bool
        Let an additive refinement network correct the surface on a finer grid, where the model has one and reduces
        images. See `ACSegLib.network.refinement.finer_grid`.
    needs_cell : bool
        Label nothing where the pretrained network sees no cell. See `ACSegLib.network.predict.recognition`.
    memory_limit : int, optional
        Bytes that may be used, the image not counted; None: 70 % of what is free.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    tile: tuple[int, int, int] | None = None
    overlap: float = 0.25
    tta: bool = False
    roi: Box | None = None
    surroundings: bool = True
    keep_probabilities: bool = False
    keep_working: bool = False
    resample: bool = True
    thin: float | None = None
    contrast: str = "auto"
    correct: bool = True
    needs_cell: bool = True
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 0.5:
            raise InputError(f"overlap must be from 0 to 0.5, not {self.overlap}.")
        if self.contrast not in CONTRASTS:
            raise InputError(f"contrast must be one of {', '.join(CONTRASTS)}, not {self.contrast!r}.")
        if self.thin is not None and not 0 < self.thin <= 0.5:
            raise InputError(f"thin must be above 0 and at most 0.5, not {self.thin}.")

    def thin_for(self, model: Model) -> float:
        """`thin` where it was given, else what the model's calibration found."""
        return model.thin_threshold if self.thin is None else self.thin
