"""Which part of the training data is the validation set when no validation volumes are given.

With five volumes or more, some of them are. With fewer none can be spared: a block of each is taken, at one of its six
ends. The ends are chosen together, so that each segment has about the same share of its voxels in the validation set as
the blocks have of the volumes: a block in which a small segment happens to be missing says nothing about it, and its
Dice would choose the weights by luck.

A block is predicted within its surroundings, as it is in a whole volume, and scored on its own voxels: alone, a slab is
an image of another kind than the network was trained on, and its Dice says little about that of a new volume.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.network.train.data import IGNORE, Prepared

#: With fewer volumes than this a block of each is taken instead of whole volumes.
MIN_WHOLE_VOLUMES = 5
#: With fewer whole volumes in the validation set their Dice is too rough to choose weights by: with one volume the
#: choice cost up to 0.017 (Testing/Benchmarks/few_volumes.py). A choice, as more volumes were not measured.
MIN_TO_CHOOSE = 4
#: Fewest planes of a block and of what is left.
MIN_BLOCK = 4
#: Voxels of a segment that count as none at all when shares are compared: a share of 0 has no logarithm.
_PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class Split:
    """Training and validation data.

    Parameters
    ----------
    training, validation : list of Prepared
        `validation` is empty when nothing could be spared.
    note : str
        What was done, for the user.
    blocks : bool
        Whether the validation set is blocks of the training volumes. They are small: their Dice is a rough measure.
    """

    training: list[Prepared]
    validation: list[Prepared]
    note: str
    blocks: bool

    @property
    def rough(self) -> bool:
        """Whether the validation set is too small to choose weights by its Dice."""
        return self.blocks or len(self.validation) < MIN_TO_CHOOSE


@dataclass(frozen=True)
class _End:
    """An end of a volume: planes `start` to `stop` across an axis, and the voxels of each segment in it."""

    axis: int
    start: int
    stop: int
    counts: np.ndarray


def split_validation(
    prepared: Sequence[Prepared], share: float, seed: int, patch_size: Sequence[int] = (0, 0, 0)
) -> Split:
    """Take a part of the training data as the validation set: whole volumes, or with few of them a block of each.

    Parameters
    ----------
    share : float
        Part of the volumes, or of each volume.
    seed : int
        Chooses the volumes.
    patch_size : sequence of int
        (k, j, i), of the training. A block is predicted with so many planes beside it that a patch fits, and with half
        a patch at least.
    """
    if len(prepared) >= MIN_WHOLE_VOLUMES:
        count = max(1, round(share * len(prepared)))
        chosen = set(np.random.default_rng([seed, 3]).permutation(len(prepared))[:count].tolist())
        held = [case for n, case in enumerate(prepared) if n in chosen]
        training = [case for n, case in enumerate(prepared) if n not in chosen]
        names = ", ".join(case.name for case in held)
        return Split(training, held, f"validation set, which is not trained on: {names}", blocks=False)
    names = "one volume" if len(prepared) == 1 else f"{len(prepared)} volumes"
    ends = _balanced_ends(prepared, share)
    if not any(ends):
        note = f"{names} only, and no block could be spared: nothing was validated"
        return Split(list(prepared), [], note, blocks=True)
    training, held = [], []
    for case, end in zip(prepared, ends, strict=True):
        if end is None:
            training.append(case)
            continue
        rest = (0, end.start) if end.start else (end.stop, case.shape[end.axis])
        training.append(case.block(end.axis, *rest, "training part"))
        patch = patch_size[end.axis]
        beside = max(patch - (end.stop - end.start), patch // 2)
        held.append(case.block(end.axis, end.start, end.stop, "validation block", beside))
    note = (
        f"{names} only: the validation set is a block of each ({share:.0%}), chosen so that {_segments_in(ends)} in "
        "it; its Dice is a rough guide to that of new volumes"
    )
    return Split(training, held, note, blocks=True)


def _segments_in(ends: Sequence[_End | None]) -> str:
    """Which segments the blocks have, as a part of a sentence."""
    counts = np.sum([end.counts for end in ends if end is not None], axis=0)
    held = np.count_nonzero(counts)
    return "all segments are" if held == len(counts) else f"{held} of {len(counts)} segments are"


def _balanced_ends(prepared: Sequence[Prepared], share: float) -> list[_End | None]:
    """One end of each volume (None where it has none to spare), whose segments have the shares nearest to `share`."""
    totals = [_voxels(case) for case in prepared]
    total = np.sum(totals, axis=0)
    present = total > 0
    options: list[list[_End | None]] = [
        list(_ends(case, share, counts)) or [None] for case, counts in zip(prepared, totals, strict=True)
    ]
    taken = sum(counts.sum() for counts, ends in zip(totals, options, strict=True) if ends != [None])
    wanted = share * taken / max(total.sum(), 1)

    def cost(ends: Iterable[_End | None]) -> float:
        held = np.sum([end.counts for end in ends if end is not None], axis=0, initial=0) * np.ones(len(total))
        shares = (held[present] + _PSEUDOCOUNT) / total[present]
        return float(np.square(np.log(shares / max(wanted, 1e-9))).sum())

    return list(min(itertools.product(*options), key=cost))


def _ends(case: Prepared, share: float, counts: np.ndarray) -> list[_End]:
    """The ends of a volume that have a segment to score and leave one to learn from; the longest axis comes first."""
    found = []
    for axis in sorted(range(3), key=lambda a: -case.shape[a]):
        size = case.shape[axis]
        thickness = size - round(size * (1 - share))
        if min(thickness, size - thickness) < MIN_BLOCK:
            continue
        for start in (size - thickness, 0):
            block = case.block(axis, start, start + thickness, "")
            held = _voxels(block)
            if held.any() and (counts - held).any():
                found.append(_End(axis, start, start + thickness, held))
    return found


def _voxels(case: Prepared) -> np.ndarray:
    """Known voxels of each segment."""
    segments = len(case.known)
    if case.target.shape[0] > 1 or segments == 0:
        return np.array([np.count_nonzero(channel == 1) for channel in case.target], np.int64)
    counts = np.zeros(IGNORE + 1, np.int64)
    for plane in case.target[0]:
        counts += np.bincount(plane.ravel(), minlength=IGNORE + 1)
    return counts[1 : segments + 1]
