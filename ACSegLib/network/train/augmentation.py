"""Random changes of training patches, on tensors, image and target together.

A patch is cut with a margin (`margin`), turned, scaled and bent by one interpolation, and cropped to its size, so
that turning brings in real surroundings instead of padding. Everything random comes from the given generator: the same
generator state gives the same patch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ACSegLib.network.train.artefacts import blur, low_dose, missing_wedge, rings, streaks, uniform
from ACSegLib.network.train.data import IGNORE

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Augmentation:
    """How often (probability of each patch) and how much.

    Parameters
    ----------
    flip : float
        Probability for each axis.
    exchange : float
        Probability that the axes are put in another order; needs cubic patches and voxels. With `flip` a network sees
        all 48 orientations.
    affine, rotation, scaling : float
        Probability; largest turn about each axis in degrees; largest relative change of size.
    elastic, bending : float
        Probability; largest displacement as a part of the patch's side.
    gamma, contrast, noise, blur : float
        Probabilities of intensity changes.
    missing_wedge, rings, streaks, low_dose : float
        Probabilities of tomographic artefacts (`ACSegLib.network.train.artefacts`).
    """

    flip: float = 0.5
    affine: float = 0.5
    rotation: float = 20.0
    scaling: float = 0.2
    elastic: float = 0.15
    bending: float = 0.06
    gamma: float = 0.3
    contrast: float = 0.2
    noise: float = 0.2
    blur: float = 0.15
    missing_wedge: float = 0.05
    rings: float = 0.05
    streaks: float = 0.05
    low_dose: float = 0.1
    exchange: float = 0.0

    def scaled(self, factor: float) -> Augmentation:
        """Same changes, `factor` times as often; mirroring at most every other time, which is even."""
        kept = {"rotation", "scaling", "bending", "exchange"}
        changed = {k: v if k in kept else min(1.0, v * factor) for k, v in asdict(self).items()}
        return replace(self, **{**changed, "flip": min(max(self.flip, 0.5), changed["flip"])})


#: Short trainings see few patches; they learn the plain ones first.
PRESETS: Mapping[str, Augmentation] = {
    "none": Augmentation(**dict.fromkeys(asdict(Augmentation()), 0.0)),
    "quick": replace(Augmentation().scaled(0.5), flip=0.5),
    "standard": Augmentation(),
    "thorough": Augmentation().scaled(1.5),
    "orientations": replace(Augmentation(), exchange=1.0),
    # for images in the canonical orientation of a prediction: others are seen too, in case it is found wrongly
    "canonical": replace(Augmentation(), exchange=0.15),
}


def margin(patch: Sequence[int], settings: Augmentation) -> tuple[int, int, int]:
    """Voxels (k, j, i) around a patch that turning, scaling and bending may bring in."""
    if not settings.affine and not settings.elastic:
        return 0, 0, 0
    sizes = [math.ceil(n * (0.5 * settings.scaling + settings.bending)) if n > 1 else 0 for n in patch]
    return sizes[0], sizes[1], sizes[2]


def augment(
    image: torch.Tensor,
    target: torch.Tensor,
    patch: Sequence[int],
    settings: Augmentation,
    generator: torch.Generator,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change one patch at random.

    Parameters
    ----------
    image : torch.Tensor, shape (1, k, j, i), float32
        The patch with its margin.
    target : torch.Tensor, shape (C, k, j, i), uint8
        Same grid; `IGNORE` where nothing is known.
    patch : sequence of int
        Size (k, j, i) of what is given back.
    spacing : sequence of float
        Voxel size (k, j, i), so that a turn keeps angles; no turn mixes axes whose voxel sizes differ three times.

    Returns
    -------
    image, target
        Of the patch's size.
    """
    image, target = _move(image, target, patch, settings, generator, spacing)
    for axis in (1, 2, 3):
        if uniform(0, 1, generator) < settings.flip:
            image, target = image.flip(axis), target.flip(axis)
    image, target = _exchange_axes(image, target, settings, generator, spacing)
    return change_intensities(image, settings, generator), target.contiguous()


def _exchange_axes(
    image: torch.Tensor,
    target: torch.Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    spacing: Sequence[float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the axes of a cubic patch in one of the six orders, as often as the settings say."""
    if not settings.exchange or len(set(image.shape[1:])) > 1 or max(spacing) > 1.01 * min(spacing):
        return image, target
    if uniform(0, 1, generator) >= settings.exchange:
        return image, target
    orders = list(itertools.permutations((1, 2, 3)))
    order = (0, *orders[int(uniform(0, len(orders), generator))])
    return image.permute(order).contiguous(), target.permute(order).contiguous()


def change_intensities(image: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change intensities and add artefacts at random; shape (1, k, j, i) is kept."""
    import torch

    def happens(probability: float) -> bool:
        return uniform(0, 1, generator) < probability

    if happens(settings.blur):
        image = blur(image, uniform(0.5, 1.2, generator))
    if happens(settings.missing_wedge):
        axis, beam = int(uniform(0, 3, generator)), uniform(0, 180, generator)
        image = missing_wedge(image, uniform(5, 30, generator), axis, beam)
    if happens(settings.streaks):
        image = streaks(image, uniform(0.3, 1.5, generator), generator, int(uniform(0, 3, generator)))
    if happens(settings.rings):
        image = rings(image, uniform(0.1, 0.6, generator), generator, int(uniform(0, 3, generator)))
    if happens(settings.low_dose):
        image = low_dose(image, uniform(0.1, 0.6, generator), generator)
    if happens(settings.noise):
        noise = torch.randn(image.shape, generator=generator, device=generator.device).to(image.device)
        image = image + uniform(0, 0.35, generator) * noise
    if happens(settings.contrast):
        image = image * uniform(0.75, 1.3, generator) + uniform(-0.2, 0.2, generator)
    if happens(settings.gamma):
        image = gamma(image, math.exp(uniform(-0.45, 0.45, generator)), inverted=happens(0.3))
    return image


def gamma(image: torch.Tensor, exponent: float, inverted: bool = False) -> torch.Tensor:
    """Bend the intensities by a power, keeping their range, mean and deviation."""
    source = -image if inverted else image
    low, high = source.min(), source.max()
    bent = ((source - low) / (high - low).clamp_min(1e-6)).clamp(0, 1) ** exponent
    bent = (bent - bent.mean()) / bent.std().clamp_min(1e-6) * source.std() + source.mean()
    return -bent if inverted else bent


def _move(
    image: torch.Tensor,
    target: torch.Tensor,
    patch: Sequence[int],
    settings: Augmentation,
    generator: torch.Generator,
    spacing: Sequence[float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, scale and bend by one interpolation, or only crop to the centre."""
    import torch
    from torch.nn.functional import grid_sample

    affine = uniform(0, 1, generator) < settings.affine
    elastic = uniform(0, 1, generator) < settings.elastic
    if not affine and not elastic:
        start = [(n - p) // 2 for n, p in zip(image.shape[1:], patch, strict=True)]
        centre = (slice(None), *(slice(s, s + p) for s, p in zip(start, patch, strict=True)))
        return image[centre], target[centre]
    matrix = _affine_matrix(settings, generator, spacing) if affine else torch.eye(3)
    axes = [torch.arange(p, dtype=torch.float32, device=image.device) - (p - 1) / 2 for p in patch]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1) @ matrix.T.to(image.device)
    if elastic:
        points = points + _displacement(patch, settings.bending, generator, image.device)
    half = torch.tensor([n / 2 for n in image.shape[1:]], device=image.device)
    grid = (points / half).flip(-1)[None]  # grid_sample wants (x, y, z), -1 to 1 between the outer faces
    moved = grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
    # IGNORE - target turns what lies outside (0 by grid_sample's zero padding) into IGNORE.
    flipped = (IGNORE - target.to(torch.float32))[None]
    labels = grid_sample(flipped, grid, mode="nearest", padding_mode="zeros", align_corners=False)[0]
    return moved, (IGNORE - labels).round().to(torch.uint8)


def _affine_matrix(settings: Augmentation, generator: torch.Generator, spacing: Sequence[float]) -> Any:
    """(3, 3) matrix from offsets in the patch to offsets in the source, both in voxels (k, j, i)."""
    import torch

    matrix = torch.eye(3, dtype=torch.float64)
    for axis in range(3):
        a, b = (n for n in range(3) if n != axis)
        angle = math.radians(uniform(-settings.rotation, settings.rotation, generator))
        if max(spacing[a] / spacing[b], spacing[b] / spacing[a]) > 3:
            continue
        turn = torch.eye(3, dtype=torch.float64)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    scale = math.exp(uniform(-1, 1, generator) * math.log1p(settings.scaling))
    voxel = torch.tensor([float(v) for v in spacing], dtype=torch.float64)
    return (scale * matrix * voxel[None, :] / voxel[:, None]).to(torch.float32)


def _displacement(patch: Sequence[int], bending: float, generator: torch.Generator, device: Any) -> Any:
    """Smooth random displacements in voxels, shape (k, j, i, 3)."""
    import torch
    from torch.nn.functional import interpolate

    coarse = [min(max(2, n // 16 + 2), 5) for n in patch]
    noise = torch.rand((1, 3, *coarse), generator=generator, device=generator.device).to(device) * 2 - 1
    field = interpolate(noise, size=tuple(patch), mode="trilinear", align_corners=True)[0].movedim(0, -1)
    size = torch.tensor([float(n) if n > 1 else 0.0 for n in patch], device=device)
    return field * size * (bending * uniform(0.3, 1, generator))
