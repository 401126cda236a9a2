"""What seams look like in an image, and whether it shows any: where it does not, noise would overrule clear necks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.cells.merging import MODELS, Merging
from ACSegLib.cells.regions import RegionGraph, connect, find_basins
from ACSegLib.cells.seams import Seams, find_seams
from ACSegLib.jobs import Progress

#: Voxels from which on the kind of seam is found in the middle of the mask alone.
_MAX_TRIED = 1 << 21
#: Bright seams are certain from this height on, in multiples of the mean, and so many times that of dark ones.
_CLEARLY_BRIGHT, _TIMES_DARK = 3.0, 1.5
#: Dark seams are certain from this height on; noise alone reaches 1.3, correlated noise 1.6.
_CLEARLY_DARK = 2.0
#: Necks of less than this part of the narrower side are clear.
_CLEAR_NECK = 0.5
#: Fainter seams must be this high where the shape has clear necks; noise alone reaches 0.5, real seams 2 and more.
_SEEN_AT_NECKS = 1.0


def kind_of_seams(
    image: np.ndarray | None, mask: np.ndarray, step: Sequence[float], wanted: str, progress: Progress
) -> str:
    """Find what seams look like.

    Bright ones are found if they stand out clearly more than dark ones. If dark ones are faint, those at clear necks of
    the shape decide whether the image shows seams at all. Without a clear neck there is no such proof, and the image
    counts.

    Parameters
    ----------
    image : ndarray or None, shape (k, j, i)
    mask : ndarray of bool, shape (k, j, i)
    step : sequence of float
        Voxel size along (k, j, i), the smallest being 1.
    wanted : {"auto", "dark", "bright", "none"}
        Anything but "auto" is taken as it is, unless the image is constant in the mask.
    progress : Progress

    Returns
    -------
    {"dark", "bright", "none"}
        "none" if only the shape counts.
    """
    if image is None or wanted == "none" or _is_flat(image, mask):
        return "none"
    if wanted != "auto":
        return wanted
    box = _middle(mask)
    image, mask = image[box], mask[box]
    heights, found = {}, {}
    for n, kind in enumerate(("dark", "bright")):
        progress(n / 3)
        found[kind] = seams = find_seams(image, mask, step, kind, progress.check)
        heights[kind] = _seam_heights(connect(find_basins(seams, mask, progress.check), seams, mask))
    if heights["bright"] >= max(_CLEARLY_BRIGHT, _TIMES_DARK * heights["dark"]):
        return "bright"
    if heights["dark"] >= _CLEARLY_DARK:
        return "dark"
    progress(2 / 3)
    at_necks = _height_at_necks(found["dark"], mask, step, progress.check)
    return "dark" if at_necks is None or at_necks >= _SEEN_AT_NECKS else "none"


def _is_flat(image: np.ndarray, mask: np.ndarray) -> bool:
    """Whether the image is constant in the mask: its valleys would be rounding errors."""
    within = image[mask]
    return not within.size or bool(within.min() == within.max())


def _beyond_inside(graph: RegionGraph) -> np.ndarray:
    """Mean valley at each boundary beyond that inside its two regions."""
    inside = (graph.valleys[graph.a] + graph.valleys[graph.b]) / (graph.voxels[graph.a] + graph.voxels[graph.b])
    return graph.seam / graph.area - inside


def _seam_heights(graph: RegionGraph) -> float:
    """Root mean square of the valleys between basins, beyond those inside them; 0 without a boundary."""
    if not graph.area.sum():
        return 0.0
    return float(np.sqrt(np.average(_beyond_inside(graph) ** 2, weights=graph.area)))


def _height_at_necks(seams: Seams, mask: np.ndarray, step: Sequence[float], check: Callable[[], None]) -> float | None:
    """Mean valley at the clear necks of the shape, beyond that inside the cells; None without a clear neck."""
    shape = find_seams(None, mask, step, "none", check)
    basins = find_basins(shape, mask, check)
    merging = Merging(connect(basins, shape, mask), MODELS["none"])
    merging.run(lambda odds, cells: odds >= 0, check=check)
    graph = connect(merging.roots()[basins].astype(np.int32), seams, mask)
    narrower = np.minimum(graph.summit[graph.a], graph.summit[graph.b])
    clear = (graph.area > 0) & (graph.saddle < _CLEAR_NECK * narrower)
    return float(_beyond_inside(graph)[clear].mean()) if clear.any() else None


def _middle(mask: np.ndarray) -> tuple[slice, ...]:
    """The middle of an array, of at most `_MAX_TRIED` voxels."""
    share = min(1.0, (_MAX_TRIED / mask.size) ** (1 / 3))
    sides = [max(1, int(n * share)) for n in mask.shape]
    return tuple(slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(mask.shape, sides, strict=True))
