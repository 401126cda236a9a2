"""Training data: pairs of image and labels, one table of segments for all, and the arrays the network sees.

Labels are joined by segment name (letter case and outer spaces aside), whatever value a name has in each volume.

Where segments of one volume overlap, the network gets one sigmoid output a segment, so that it can say "both"; where
they do not, a softmax over background and segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ACSegLib.axes import checked_axis
from ACSegLib.errors import InputError
from ACSegLib.files import lazy
from ACSegLib.json_values import Json
from ACSegLib.labelled_slices import LabelledSlices, declared_slices, find_labelled_slices, mark_slices
from ACSegLib.network.model.preprocessing import Preprocessing, normalise, resample_image, resampled_shape
from ACSegLib.network.predict.working_grid import reduced_shape
from ACSegLib.special_segments import role_of, union
from ACSegLib.volume import DEFAULT_COLOURS, Segment, Segmentation, Volume

#: Value of voxels that the loss leaves out.
IGNORE = 255
#: Segments of this name are regions to leave out.
IGNORE_NAME = "ignore"
#: Segments of a training; classes are kept as uint8, of which one value is `IGNORE`.
MAX_SEGMENTS = IGNORE - 1
#: Label value that a segment of the model may have: files of many formats hold 16 bits.
MAX_VALUE = 65535


@dataclass
class Case:
    """One image and its labels, opened when they are needed.

    Parameters
    ----------
    name : str
        Shown to the user.
    open_image, open_labels : callable
        Give the Volume and the Segmentation, on one grid.
    source : dict
        Paths and checksums, for the model card.
    """

    name: str
    open_image: Callable[[], Volume]
    open_labels: Callable[[], Segmentation]
    source: Json = field(default_factory=dict)

    @classmethod
    def of(cls, volume: Volume, labels: Segmentation, name: str = "") -> Case:
        """Make a case of what is in memory."""
        return cls(name or volume.name or labels.name or "case", lambda: volume, lambda: labels)


@dataclass
class Prepared:
    """A case as the network sees it.

    Parameters
    ----------
    name : str
        Shown to the user.
    image : ndarray, shape (k, j, i), float32
        Resampled and normalised; maybe memory-mapped.
    target : ndarray, shape (C, k, j, i), uint8
        Softmax: C is 1, values are 0 (background), 1..n (rows of the table), `IGNORE`. Sigmoid: one channel per segment
        with 0, 1, `IGNORE`.
    known : ndarray, shape (n,), bool
        Segments that this case tells of; the others may hide in its background.
    scored : tuple of slice, optional
        (k, j, i). For a validation only: the part of `image` that `target` covers. The network sees the rest as its
        surroundings. None: `target` covers all of it.
    """

    name: str
    image: np.ndarray
    target: np.ndarray
    known: np.ndarray
    scored: tuple[slice, slice, slice] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = self.image.shape
        return k, j, i

    def block(self, axis: int, start: int, stop: int, suffix: str, surroundings: int = 0) -> Prepared:
        """Give the planes start..stop across one axis as a case of its own (a view).

        Parameters
        ----------
        surroundings : int
            Planes on either side that the image has beyond the block, as far as the volume reaches; see `scored`.
        """
        first, last = max(0, start - surroundings), min(stop + surroundings, self.shape[axis])
        return replace(
            self,
            name=f"{self.name} ({suffix})",
            image=self.image[_planes(axis, first, last)],
            target=self.target[(slice(None), *_planes(axis, start, stop))],
            scored=_planes(axis, start - first, stop - first) if surroundings else None,
        )


def _planes(axis: int, start: int, stop: int) -> tuple[slice, slice, slice]:
    """Index (k, j, i) of the planes start..stop across one axis."""
    k, j, i = (slice(start, stop) if n == axis else slice(None) for n in range(3))
    return k, j, i


def name_key(name: str) -> str:
    """What segment names are compared by."""
    return " ".join(name.casefold().split())


def is_ignored(segment: Segment, ignore: str = IGNORE_NAME) -> bool:
    """Whether a segment marks a region to leave out, by its name or its value."""
    if name_key(segment.name) == name_key(ignore) or str(segment.value) == ignore.strip():
        return True
    return role_of(segment.name) == "ignore"


def join_tables(tables: Iterable[Sequence[Segment]], ignore: str = IGNORE_NAME) -> list[Segment]:
    """Make one table of all segments by name, in order of first appearance.

    A segment keeps the value and colour of its first appearance where they are still free.

    Raises
    ------
    InputError
        If there is none, or more than 254.
    """
    rows: dict[str, Segment] = {}
    used_values: set[int] = set()
    used_colours: set[tuple[float, ...]] = set()
    for table in tables:
        for segment in table:
            key = name_key(segment.name)
            if key in rows or is_ignored(segment, ignore) or role_of(segment.name) == "background":
                continue
            value = segment.value
            if value in used_values or value > MAX_VALUE:
                value = next(v for v in range(1, MAX_SEGMENTS + 2) if v not in used_values)
            colour = segment.colour
            if colour in used_colours:
                colour = next((c for c in DEFAULT_COLOURS if c not in used_colours), colour)
            rows[key] = Segment(segment.name.strip(), value, colour, terminology=segment.terminology)
            used_values.add(value)
            used_colours.add(colour)
    if not rows:
        raise InputError("no label volume has a segment; label at least one.")
    if len(rows) > MAX_SEGMENTS:
        raise InputError(
            f"the label volumes have {len(rows)} different segments; at most {MAX_SEGMENTS} can be trained."
        )
    return sorted(rows.values(), key=lambda s: s.value)


def rows_by_name(segments: Iterable[Segment]) -> dict[str, list[Segment]]:
    """Segments by name key: those of one name, which Slicer allows, are one to the network."""
    rows: dict[str, list[Segment]] = {}
    for segment in segments:
        rows.setdefault(name_key(segment.name), []).append(segment)
    return rows


def really_overlap(segmentation: Segmentation, ignore: str = IGNORE_NAME) -> bool:
    """Whether any voxel belongs to segments of two names (regions to leave out aside)."""
    if not segmentation.overlapping:
        return False
    count = np.zeros(segmentation.shape, np.uint8)
    for rows in rows_by_name(s for s in segmentation.segments if not is_ignored(s, ignore)).values():
        count += union(segmentation, rows)
    return bool(count.max() > 1)


def any_label(segmentation: Segmentation) -> np.ndarray:
    """Boolean array (k, j, i): labelled by any segment, regions to leave out included."""
    return np.logical_or.reduce([layer != 0 for layer in segmentation.layers])


def ignored_voxels(segmentation: Segmentation, ignore: str = IGNORE_NAME) -> np.ndarray:
    """Boolean array (k, j, i): in a region to leave out."""
    return union(segmentation, [s for s in segmentation.segments if is_ignored(s, ignore)])


def labelled_slices(segmentation: Segmentation, sparse: str = "auto", ignore: str = IGNORE_NAME) -> LabelledSlices:
    """Find the labelled slices of a case; none where its labels are dense.

    Parameters
    ----------
    sparse : str
        "auto" looks (see `ACSegLib.labelled_slices`), "off" says that the labels are dense, and an axis ("k" or "z",
        ...) that every slice across it with a label is a labelled slice.
    ignore : str
        Name of the segments that are ignored regions. They may reach through slices that nobody labelled.

    Raises
    ------
    InputError
        If `sparse` is none of these, or the labels lie obliquely in the volume.
    """
    if sparse == "off":
        return LabelledSlices(dense=True)
    axis = "auto" if sparse == "auto" else checked_axis(sparse)
    ignored = ignored_voxels(segmentation, ignore)
    labelled = segmentation.occupied() & ~ignored
    found = find_labelled_slices(labelled, axis, declared_slices(segmentation), ignored)
    if found.oblique:
        raise InputError(f"{found.problem(segmentation.name)}")
    return found


def encode_labels(
    segmentation: Segmentation,
    table: Sequence[Segment],
    *,
    overlapping: bool = False,
    slices: Mapping[str, list[int]] | None = None,
    missing: str = "background",
    ignore: str = IGNORE_NAME,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn labels into what the loss compares with.

    Parameters
    ----------
    table : sequence of Segment
        All segments of the training; channel n + 1 (softmax) or n (sigmoid) is row n.
    slices : mapping, optional
        Axis -> labelled slices; all other voxels are left out. Empty or None: every voxel counts.
    missing : str
        What it means that a segment of `table` has no row here: "background" (it is not there), or "unknown" (nobody
        looked: it may hide in the background, and the loss does not punish that).

    Returns
    -------
    target : ndarray, shape (C, k, j, i), uint8
        See `Prepared`.
    known : ndarray, shape (len(table),), bool
        Which segments this case tells of.
    """
    if missing not in ("background", "unknown"):
        raise InputError(f"missing must be background or unknown, not {missing!r}.")
    rows = rows_by_name(segmentation.segments)
    target = np.zeros((len(table) if overlapping else 1, *segmentation.shape), np.uint8)
    known = np.ones(len(table), bool)
    for n, segment in enumerate(table):
        same = rows.get(name_key(segment.name))
        if same is None:
            known[n] = missing == "background"
            if overlapping and not known[n]:
                target[n] = IGNORE
            continue
        if overlapping:
            target[n][union(segmentation, same)] = 1
        else:
            target[0][union(segmentation, same)] = n + 1
    target[:, ignored_voxels(segmentation, ignore)] = IGNORE
    if slices:
        target[:, ~mark_slices(segmentation.shape, slices)] = IGNORE
    return target, known


def resample_target(target: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Resample a target to another grid over the same space, nearest voxel.

    Where several planes fall on one, the one with most known voxels is taken, so that thin labelled slices survive.
    """
    for axis in range(3):
        size, wanted = target.shape[axis + 1], shape[axis]
        if size == wanted:
            continue
        edges = (np.arange(wanted + 1) * size / wanted).round().astype(int)
        centres = np.minimum(((np.arange(wanted) + 0.5) * size / wanted).astype(int), size - 1)
        other = tuple(a for a in range(4) if a != axis + 1)
        counts = np.count_nonzero(target != IGNORE, axis=other)
        chosen = [
            _fullest(counts, low, high, centre)
            for low, high, centre in zip(edges[:-1], edges[1:], centres, strict=True)
        ]
        target = np.take(target, chosen, axis=axis + 1)
    return target


def _fullest(counts: np.ndarray, low: int, high: int, centre: int) -> int:
    """Index in low..high with the largest count, the one next to `centre` of equals; `centre` of an empty range."""
    return max(range(low, high), key=lambda n: (counts[n], -abs(n - centre)), default=centre)


def prepare(
    case: Case,
    table: Sequence[Segment],
    preprocessing: Preprocessing,
    spacing: tuple[float, float, float] | None,
    unit: str,
    *,
    overlapping: bool = False,
    sparse: str = "auto",
    missing: str = "background",
    ignore: str = IGNORE_NAME,
    scratch: Path | None = None,
) -> Prepared:
    """Open a case, resample it to the training spacing, normalise it, and encode its labels.

    Parameters
    ----------
    spacing : tuple of float or None
        (i, j, k) in `unit`; None: as it is.
    scratch : Path, optional
        Folder for memory-mapped arrays; None keeps them in memory.
    """
    volume, labels = case.open_image(), case.open_labels()
    slices = labelled_slices(labels, sparse, ignore).slices
    target, known = encode_labels(labels, table, overlapping=overlapping, slices=slices, missing=missing, ignore=ignore)
    image = normalise(volume.array, preprocessing.normalisation)
    shape = reduced_shape(volume.shape, preprocessing)  # as the prediction will do it
    if shape is None:
        shape = volume.shape if spacing is None else resampled_shape(volume, spacing, unit)
    if shape != volume.shape:
        image, target = resample_image(image, shape), resample_target(target, shape)
    if scratch is not None:
        image, target = _on_disk(image, scratch), _on_disk(target, scratch)
    return Prepared(case.name, image, target, known)


def _on_disk(array: np.ndarray, folder: Path) -> np.ndarray:
    kept = lazy.scratch(array.shape, array.dtype, folder)
    kept[...] = array
    return kept
