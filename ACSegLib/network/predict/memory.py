"""How much memory the stages of a prediction take, beyond the image and what importing takes; estimated before it runs.

The constants were fitted to peaks of new processes (``Testing/Python/network/predict/test_memory_estimate.py`` compares
again), at 48 to 600 voxels a side with the pretrained model; the numbers are for one thread. Arrays mapped from files
do not count: the system takes their pages back when it needs them. Neither does what it takes to compile loops that are
not in their cache, as after an installation (80 MB).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ACSegLib import compute
from ACSegLib.files.lazy import step_to
from ACSegLib.network.model.preprocessing import SAMPLE_VOXELS
from ACSegLib.network.predict.tiling import BACKEND_BYTES, bytes_per_voxel
from ACSegLib.network.predict.working_grid import WorkingGrid

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.model.spec import NetworkSpec

#: What reading, backend and statistics take, whatever the image; of the rest a quarter is freed memory that is held.
FIXED_BYTES = 512 << 20
#: What compiled loops, plans of networks and small arrays take in each stage after the first, whatever the image.
KEPT_BYTES = 36 << 20
#: Bytes for each voxel of the sample whose statistics are measured: its values in two types, twice, and masks.
_BYTES_TO_EXAMINE = 28
#: Voxels of an image that are read at a time to reduce it, and bytes of each: its values, and resampled.
READ_VOXELS, _BYTES_TO_READ = 1 << 25, 8
#: Bytes a voxel of the grid on which a surface is corrected: image, scaled image, contrast, distances, components,
#: masks; and those that each channel adds: probabilities before and after, in two orientations.
_BYTES_TO_CORRECT, _BYTES_TO_CORRECT_CHANNEL = 30, 12
#: Bytes a voxel of a reduced image, and those that each channel adds: image and probabilities in two orientations.
_BYTES_TO_TURN, _BYTES_TO_TURN_CHANNEL = 8, 8
#: Bytes for each channel of a working voxel that is labelled: probabilities, and those that a walk starts from.
_BYTES_TO_LABEL_CHANNEL = 8
#: Voxels of an image in which thin structures are looked for at a time, and bytes of each.
_THIN_VOXELS, _BYTES_TO_THIN = 20 << 20, 7


def budget(limit: int | None, place: str = "cpu") -> int:
    """Bytes that arrays and activations may take, of a limit for the whole process or of what is free on a device."""
    if limit is None:
        return compute.usable_memory(place)
    return max((int(limit) - FIXED_BYTES) * 3 // 4, int(limit) // 4)


def bytes_to_examine(shape: Sequence[int]) -> int:
    """Bytes to measure the statistics of an image."""
    step = step_to(shape, SAMPLE_VOXELS)
    return _BYTES_TO_EXAMINE * math.prod(-(-n // step) for n in shape)


def bytes_to_read(grid: WorkingGrid) -> int:
    """Bytes to reduce an image to a grid, block by block."""
    block = min(math.prod(grid.box_shape), READ_VOXELS)
    return 4 * math.prod(grid.shape) + _BYTES_TO_READ * block


def bytes_to_turn(voxels: int, spec: NetworkSpec) -> int:
    """Bytes of a reduced image and its probabilities, as they lie and in the canonical orientation."""
    return voxels * (_BYTES_TO_TURN + _BYTES_TO_TURN_CHANNEL * spec.out_channels)


def bytes_to_correct(voxels: int, region: int, second: Model, backend: str, precision: str = "float32") -> int:
    """Bytes to correct a surface by a refinement network.

    Parameters
    ----------
    voxels : int
        Of the grid on which it is corrected.
    region : int
        Voxels of the regions that the network sees.
    second : Model
        The refinement network.
    """
    arrays = _BYTES_TO_CORRECT + _BYTES_TO_CORRECT_CHANNEL * second.spec.out_channels
    network = BACKEND_BYTES[backend] + region * bytes_per_voxel(second.spec, backend, precision)
    return int(voxels * arrays + network)


def bytes_to_label(grid: WorkingGrid, spec: NetworkSpec) -> int:
    """Bytes to bring probabilities to the grid of the image and to label it, a few planes at a time; without labels."""
    looked_at = min(math.prod(grid.box_shape), _THIN_VOXELS)
    return spec.out_channels * _BYTES_TO_LABEL_CHANNEL * math.prod(grid.shape) + _BYTES_TO_THIN * looked_at
