"""Probabilities kept on the working grid: of an image's grid, only what is asked for is interpolated.

A volume of probabilities of a large image takes gigabytes, and a random walk along a surface asks for few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.masks import Box
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.threads import spread


@dataclass(frozen=True)
class InterpolatedChannel:
    """Probabilities of one channel on a box of the image's grid; a slice of planes or a box of them is an array.

    Parameters
    ----------
    grid : WorkingGrid
        None of its axes becomes coarser on the way back.
    working : ndarray of float32, shape (k, j, i)
        On the working grid.
    box : Box
        Of the image.
    """

    grid: WorkingGrid
    working: np.ndarray
    box: Box

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the box."""
        k, j, i = (side.stop - side.start for side in self.box)
        return k, j, i

    def within(self, box: Sequence[slice]) -> InterpolatedChannel:
        """A box in this one."""
        k, j, i = (slice(s.start + b.start, s.start + b.stop) for s, b in zip(self.box, box, strict=True))
        return InterpolatedChannel(self.grid, self.working, (k, j, i))

    def __getitem__(self, place: slice | Sequence[slice]) -> np.ndarray:
        """Interpolate planes, or a box; float32."""
        asked = [place] if isinstance(place, slice) else list(place)
        asked += [slice(None)] * (3 - len(asked))
        bounds = [side.indices(n)[:2] for side, n in zip(asked, self.shape, strict=True)]
        out = np.empty([max(stop - start, 0) for start, stop in bounds], np.float32)
        corner = [s.start + a - origin for s, (a, _), origin in zip(self.box, bounds, self.grid.start, strict=True)]
        if out.size:
            self.grid.back_in_box(self.working, 0, corner, out)
        return out

    def at(self, places: Sequence[np.ndarray]) -> np.ndarray:
        """Interpolate at voxels of the box, (k, j, i) of (n,) each; float32 (n,), the same values as those of a box."""
        from ACSegLib.network.predict.interpolation_kernels import interpolate_at

        axes = self.grid.finer_axes
        assert axes is not None
        k, j, i = (side.start - origin for side, origin in zip(self.box, self.grid.start, strict=True))
        out = np.empty(len(places[0]), np.float32)
        spread(interpolate_at, len(out), self.working, *axes, (k, j, i), *places, out)
        return out


def values_at(channel: InterpolatedChannel | np.ndarray, places: tuple[np.ndarray, ...]) -> np.ndarray:
    """Probabilities of a channel at voxels, (k, j, i) of (n,) each; float32 (n,)."""
    if isinstance(channel, InterpolatedChannel):
        return channel.at(places)
    return np.asarray(channel[places], np.float32)


def channels_within(
    probabilities: Sequence[InterpolatedChannel | np.ndarray] | np.ndarray, box: tuple[slice, ...]
) -> list[Any]:
    """A box of the probabilities of each channel: arrays, or interpolated channels."""
    return [p.within(box) if isinstance(p, InterpolatedChannel) else p[box] for p in probabilities]
