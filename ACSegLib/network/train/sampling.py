"""Which patch comes next: foreground-aware, never across two volumes, and a pure function of seed and step.

Random changes set in as the data become familiar: the first patches are shown nearly as they are, and from the time
every voxel has been seen `FAMILIAR_PASSES` times on average patches change as often as the augmentation says. A network
that has seen each volume only a few times cannot learn it by heart, and learns much faster from plain patches.

Because step n of a seed always gives the same patch, an interrupted training goes on exactly where it was, and the
processes of a distributed one never see the same patch.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.network.train.augmentation import Augmentation, augment, margin
from ACSegLib.network.train.data import IGNORE, Prepared

if TYPE_CHECKING:
    import torch

#: Voxels of a segment that are kept as centres of patches.
MAX_PLACES = 20_000
#: Part of the patches that are centred on a voxel of a segment (each segment as often).
FOREGROUND_PART = 0.5
#: Times that a voxel has been seen on average when random changes reach their full frequency.
FAMILIAR_PASSES = 100.0


@dataclass
class _Places:
    """Voxels (n, 3) that patches may be centred on: of each segment, and known ones."""

    segments: list[np.ndarray]
    known: np.ndarray


class PatchSampler:
    """Draws augmented patches from prepared cases.

    Parameters
    ----------
    cases : sequence of Prepared
        At least one.
    patch_size : sequence of int
        (k, j, i). Volumes smaller than it are padded: image by its edge, target by `IGNORE`.
    batch_size : int
    augmentation : Augmentation
    spacing : sequence of float
        Voxel size (k, j, i), for turns.
    seed : int
    rank, world : int
        Of this process among all.
    device : str
        Where patches are augmented and given back.
    """

    def __init__(
        self,
        cases: Sequence[Prepared],
        patch_size: Sequence[int],
        batch_size: int,
        augmentation: Augmentation,
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: str = "cpu",
    ) -> None:
        self._cases = list(cases)
        self._patch = tuple(int(n) for n in patch_size)
        self._batch = batch_size
        self._augmentation = augmentation
        self._spacing = tuple(spacing)
        self._seed, self._rank, self._world, self._device = seed, rank, world, device
        self._passes = self._passes_of_a_patch()
        self._places = [find_places(case, np.random.default_rng([seed, n])) for n, case in enumerate(self._cases)]

    def resized(self, patch_size: Sequence[int], batch_size: int) -> PatchSampler:
        """Give a sampler of other patches of the same cases, which need not be searched again."""
        other = copy.copy(self)
        other._patch, other._batch = tuple(int(n) for n in patch_size), batch_size
        other._passes = other._passes_of_a_patch()
        return other

    def _passes_of_a_patch(self) -> float:
        """Part of all voxels that one patch shows."""
        voxels = math.prod(self._patch)
        return voxels / sum(max(math.prod(case.shape), voxels) for case in self._cases)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give batch number `step`.

        Returns
        -------
        image : torch.Tensor, shape (N, 1, k, j, i), float32
        target : torch.Tensor, shape (N, C, k, j, i), uint8
        known : torch.Tensor, shape (N, segments), bool
        """
        import torch

        images, targets, known = [], [], []
        for n in range(self._batch):
            number = (step * self._world + self._rank) * self._batch + n
            case = self._cases[self._case_of(number)]
            rng = np.random.default_rng([self._seed, 1, number])
            image, target = self._cut(case, self._centre(self._case_of(number), rng))
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            image, target = image.to(self._device), target.to(self._device)
            changes = self._augmentation.scaled(self.exposure(number))
            image, target = augment(image, target, self._patch, changes, generator, self._spacing)
            images.append(image)
            targets.append(target)
            known.append(torch.from_numpy(case.known))
        return torch.stack(images), torch.stack(targets), torch.stack(known).to(self._device)

    def exposure(self, number: int) -> float:
        """How far random changes have set in at patch `number`: 0 at first, 1 once all voxels are familiar."""
        return min(1.0, number * self._passes / FAMILIAR_PASSES)

    def _case_of(self, number: int) -> int:
        """Each case once a round, in an order that changes from round to round."""
        turn, place = divmod(number, len(self._cases))
        return int(np.random.default_rng([self._seed, 2, turn]).permutation(len(self._cases))[place])

    def _centre(self, case: int, rng: np.random.Generator) -> np.ndarray:
        places = self._places[case]
        present = [p for p in places.segments if len(p)]
        chosen = places.known
        if present and rng.random() < FOREGROUND_PART:
            chosen = present[rng.integers(len(present))]
        if not len(chosen):
            return np.array([rng.integers(n) for n in self._cases[case].shape])
        centre = chosen[rng.integers(len(chosen))].astype(int)
        return centre + np.array([rng.integers(-(p // 4), p // 4 + 1) for p in self._patch])

    def _cut(self, case: Prepared, centre: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut the patch with its margin; what lies outside the volume repeats its edge and is ignored by the loss."""
        import torch

        border = margin(self._patch, self._augmentation)
        slices, before, after = [], [], []
        for axis, size in enumerate(case.shape):
            wide, patch = self._patch[axis] + 2 * border[axis], self._patch[axis]
            # The patch itself stays inside the volume if it can; a smaller volume is centred in it.
            inner = (size - patch) // 2 if size <= patch else min(max(centre[axis] - patch // 2, 0), size - patch)
            start = int(inner) - border[axis]
            low, high = max(start, 0), min(start + wide, size)
            slices.append(slice(low, high))
            before.append(low - start)
            after.append(start + wide - high)
        widths = list(zip(before, after, strict=True))
        image = np.pad(case.image[tuple(slices)], widths, mode="edge")
        target = np.pad(case.target[(slice(None), *slices)], [(0, 0), *widths], constant_values=IGNORE)
        return torch.from_numpy(image.astype(np.float32, copy=False))[None], torch.from_numpy(target)


def find_places(case: Prepared, rng: np.random.Generator) -> _Places:
    """Choose up to 20 000 voxels of each segment, and as many of those whose label is known."""
    channels = case.target
    if channels.shape[0] == 1:  # softmax; the same array as sigmoid's when there is one segment
        masks: Iterator[Any] = (channels[0] == n + 1 for n in range(len(case.known)))
    else:
        masks = (channel == 1 for channel in channels)
    return _Places([_some(mask, rng) for mask in masks], _some(np.any(channels != IGNORE, axis=0), rng))


def _some(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose voxels (n, 3) of a mask; plane by plane, since the indices of all would take eight times its memory."""
    ends = np.cumsum([np.count_nonzero(plane) for plane in mask])
    total = int(ends[-1])
    ranks = np.arange(total) if total <= MAX_PLACES else np.sort(rng.choice(total, MAX_PLACES, replace=False))
    places = [np.zeros((0, 3), np.int32)]
    for k, chosen in enumerate(np.split(ranks, np.searchsorted(ranks, ends[:-1]))):
        if len(chosen):
            before = ends[k - 1] if k else 0
            j, i = np.unravel_index(np.flatnonzero(mask[k])[chosen - before], mask.shape[1:])
            places.append(np.stack([np.full(len(j), k), j, i], 1).astype(np.int32))
    return np.concatenate(places)


class Prefetcher:
    """Prepares the next batches in threads, in order, while the network works on the present one.

    Parameters
    ----------
    make : callable
        Gives batch number n.
    first : int
        The first number wanted.
    workers : int
        Threads; each holds one batch ready. 0 makes each batch when it is asked for, which is the faster on a CPU that
        the network keeps busy anyway.
    """

    def __init__(self, make: Callable[[int], Any], first: int, workers: int = 0) -> None:
        self._make = make
        self._next = first
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="patches") if workers else None
        self._ready: deque[Future[Any]] = deque()
        if self._pool is not None:
            for _ in range(workers + 1):
                self._order(self._pool)

    def next(self) -> Any:
        """Give the next batch; an error made in a thread is raised here."""
        if self._pool is None:
            self._next += 1
            return self._make(self._next - 1)
        batch = self._ready.popleft().result()
        self._order(self._pool)
        return batch

    def close(self) -> None:
        """End the threads; batches not asked for are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _order(self, pool: ThreadPoolExecutor) -> None:
        self._ready.append(pool.submit(self._make, self._next))
        self._next += 1
