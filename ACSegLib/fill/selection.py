"""Chooses the strength of the prior and of the edges for each volume, by leaving drawn slices out.

A left-out slice is predicted from its neighbours by a prior network that did not learn from it; the settings under
which the drawings come out best are used, and their score is an honest forecast of the result between slices twice
as far apart.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ACSegLib.fill.appearance import PriorNetwork, Samples, train_network
from ACSegLib.fill.context import Context, Settings
from ACSegLib.jobs import Progress

#: What is tried, strongest prior first: on a tie the earlier one is kept.
CANDIDATES: tuple[Settings, ...] = (
    Settings(1.0, 3.0),
    Settings(0.3, 3.0),
    Settings(0.3, 6.0),
    Settings(0.1, 4.0),
    Settings(0.02, 4.0),
    Settings(0.005, 8.0),
)

#: Slices left out, and the voxels of a slab that are solved for it, at most.
MOST_SLICES, MOST_VOXELS = 3, 1_500_000

#: A later candidate must be better than the best by this much.
MARGIN = 0.002


@dataclass
class Trial:
    """Score of one candidate: mean Dice of the segments, share of right voxels near outlines, and their mean."""

    settings: Settings
    dice: float
    border: float

    @property
    def score(self) -> float:
        """What is compared."""
        return 0.5 * (self.dice + self.border)


def choose_settings(context: Context, samples: Samples, progress: Progress) -> tuple[Settings, list[dict[str, object]]]:
    """Try the candidates on left-out slices.

    Returns
    -------
    Settings, list of dict
        The choice, and a row for each candidate; no rows when there are too few slices to leave one out.
    """
    inner = context.cuts[1:-1] if len(context.cuts) > 2 else []
    inner = [k for k in inner if (context.classes[k] > 0).any()]
    if not inner:
        return context.settings, []
    left_out = [inner[n] for n in np.unique(np.linspace(0, len(inner) - 1, min(len(inner), MOST_SLICES)).astype(int))]
    networks = _networks_without(samples, left_out, len(context.groups), progress)
    windows = {k: _window(context, k) for k in left_out}
    trials = []
    for number, settings in enumerate(CANDIDATES):
        found = []
        for m, k in enumerate(left_out):
            progress((number + m / len(left_out)) / len(CANDIDATES), "leaving slices out to choose the settings")
            found.append(_score_slice(windows[k], k - windows[k].offset, networks[k], settings, progress))
        dice, border = np.mean(found, axis=0)
        trials.append(Trial(settings, float(dice), float(border)))
    best = trials[0]
    for trial in trials[1:]:
        if trial.score > best.score + MARGIN:
            best = trial
    rows: list[dict[str, object]] = [
        {**asdict(t.settings), "dice": t.dice, "border_accuracy": t.border, "chosen": t is best} for t in trials
    ]
    return best.settings, rows


def _networks_without(
    samples: Samples, left_out: list[int], groups: int, progress: Progress
) -> dict[int, PriorNetwork]:
    """Networks that have not learnt from each left-out slice; two folds serve all."""
    networks = {}
    for fold in (0, 1):
        members = left_out[fold::2]
        if not members:
            continue
        keep = ~np.isin(samples.plane, members)
        part = Samples(samples.x[keep], samples.y[keep], samples.plane[keep], samples.weight[keep])
        network = train_network(part, groups, steps=300, progress=progress)
        networks.update(dict.fromkeys(members, network))
    return networks


class _Window(Context):
    """A context cut down to the slab around one slice and to the part of it that holds outlines."""

    offset: int = 0


def _window(context: Context, k: int) -> _Window:
    """Cut the planes between the neighbours of slice `k`, and a box in the plane around what is drawn."""
    position = context.cuts.index(k)
    first, last = context.cuts[position - 1], context.cuts[position + 1]
    drawn = (context.classes[[first, k, last]] > 0).any(axis=0)
    rows, columns = _box(drawn, MOST_VOXELS // (last - first + 1))
    box = (slice(None), rows, columns)
    window = _Window(
        features=context.features.cropped(first, last, rows, columns),
        classes=np.ascontiguousarray(context.classes[first : last + 1][box]),
        cuts=[0, last - first],
        count=context.count,
        groups=context.groups,
        shape=context.shape.cropped([first, k, last], first, rows, columns),
        members=context.members.cropped([first, k, last], first, rows, columns) if context.members else None,
        solver=context.solver,
        tolerance=1e-2,
    )
    window.offset = first
    return window


def _box(drawn: np.ndarray, most: int) -> tuple[slice, slice]:
    """Rows and columns around the drawing with a margin; a window of at most `most` pixels with the most outline."""
    sides = []
    for axis in (1, 0):
        found = np.flatnonzero(drawn.any(axis=axis))
        size = drawn.shape[1 - axis]
        margin = max(8, len(found) // 4)
        sides.append([max(found[0] - margin, 0), min(found[-1] + 1 + margin, size)])
    lengths = [b - a for a, b in sides]
    if lengths[0] * lengths[1] > most:
        edge = int(np.sqrt(most))
        outline = np.abs(np.diff(drawn.astype(np.int8), axis=0, prepend=0))
        for axis, side in enumerate(sides):
            length = min(edge, side[1] - side[0])
            weight = np.cumsum(np.concatenate([[0], outline.sum(axis=1 - axis)]))
            starts = np.arange(side[0], side[1] - length + 1)
            start = int(starts[np.argmax(weight[starts + length] - weight[starts])])
            side[:] = [start, start + length]
    return slice(*map(int, sides[0])), slice(*map(int, sides[1]))


def _score_slice(
    window: _Window, k: int, network: PriorNetwork, settings: Settings, progress: Progress
) -> tuple[float, float]:
    """Predict the left-out slice; mean Dice of its segments, and share of right voxels near its outlines."""
    planes = len(window.classes) - 1
    result = window.solve(0, planes, without=k, network=network, settings=settings, progress=progress)
    truth, guess = window.classes[k], result.best[k]
    known = truth >= 0
    dice = []
    for c in np.unique(np.concatenate([truth[known], guess[known]])):
        if c > 0:
            a, b = (truth == c) & known, (guess == c) & known
            dice.append(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))
    # near outlines, drawn or predicted: feels thin parts and surfaces, which the Dice of a large cell does not
    near = (_outline_band(truth) | _outline_band(guess)) & known
    right = float(np.mean(truth[near] == guess[near])) if near.any() else 1.0
    return (float(np.mean(dice)) if dice else 1.0), right


def _outline_band(plane: np.ndarray) -> np.ndarray:
    """Voxels within two of a change of class."""
    from scipy import ndimage

    change = np.zeros(plane.shape, bool)
    change[1:] |= plane[1:] != plane[:-1]
    change[:, 1:] |= plane[:, 1:] != plane[:, :-1]
    return ndimage.binary_dilation(change, iterations=2)
