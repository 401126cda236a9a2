"""Which part of the training data is held back for validation when no validation volumes are given."""

from __future__ import annotations

import numpy as np

from ACSegLib.network.train.data import IGNORE, Prepared

#: With fewer volumes than this none is spared: a block of each is held back instead.
FEWEST_FOR_WHOLE_VALIDATION = 5
_THINNEST_BLOCK = 4


def hold_back(prepared: list[Prepared], share: float, seed: int) -> tuple[list[Prepared], list[Prepared], str]:
    """Take a part of the training data for validation: whole volumes, or with few of them a block of each.

    Parameters
    ----------
    share : float
        Part of the volumes, or of each volume.
    seed : int
        Chooses the volumes.

    Returns
    -------
    training, validation : list of Prepared
        `validation` is empty when nothing could be held back.
    note : str
        What was held back, for the person.
    """
    if len(prepared) >= FEWEST_FOR_WHOLE_VALIDATION:
        count = max(1, round(share * len(prepared)))
        chosen = set(np.random.default_rng([seed, 3]).permutation(len(prepared))[:count].tolist())
        held = [case for n, case in enumerate(prepared) if n in chosen]
        training = [case for n, case in enumerate(prepared) if n not in chosen]
        return training, held, f"held back for validation: {', '.join(case.name for case in held)}"
    training, held = [], []
    for case in prepared:
        blocks = _blocks(case, share)
        training.append(blocks[0] if blocks else case)
        held += blocks[1:]
    count_text = "one volume" if len(prepared) == 1 else f"{len(prepared)} volumes"
    if not held:
        return training, [], f"{count_text} only, and no block of it could be held back: nothing was validated"
    note = (
        f"{count_text} only: the last {share:.0%} along the longest axis was held back for validation; such a block "
        "scores better than a new volume would"
    )
    return training, held, note


def _blocks(case: Prepared, share: float) -> list[Prepared]:
    """Training and validation part of one volume; empty if either would have no segment or be too thin."""
    axis = int(np.argmax(case.shape))
    size = case.shape[axis]
    cut = round(size * (1 - share))
    if min(cut, size - cut) < _THINNEST_BLOCK:
        return []
    blocks = [case.block(axis, 0, cut, "training part"), case.block(axis, cut, size, "held back")]
    return blocks if all(_has_segment(block) for block in blocks) else []


def _has_segment(case: Prepared) -> bool:
    return bool(np.any((case.target > 0) & (case.target < IGNORE)))
