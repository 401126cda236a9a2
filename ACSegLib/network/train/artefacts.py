"""Artefacts of tomography and microscopy put onto tensors: what a network should see before it meets them.

Each function takes an image of shape (1, k, j, i), float32, normalised to about mean 0 and deviation 1, and gives a
new one; ``generator`` (torch.Generator) decides what is random. The tomographic axis is k unless `axis` says otherwise.

References
----------
Missing wedge: Frank (ed.), Electron Tomography, Springer 2006, ch. 10. Rings: Sijbers and Postnov, Phys. Med. Biol. 49
(2004) N247. Streaks: Barrett and Keat, RadioGraphics 24 (2004) 1679.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """One number between `low` and `high`, from the generator's own device."""
    import torch

    return float(torch.rand((), generator=generator, device=generator.device)) * (high - low) + low


def missing_wedge(image: torch.Tensor, half_angle: float, axis: int = 0, beam: float = 0.0) -> torch.Tensor:
    """Take out the frequencies that a tilt series of less than 180 degrees does not measure.

    Parameters
    ----------
    half_angle : float
        Half of the unmeasured angle in degrees: 30 for tilts from -60 to 60.
    axis : int
        Tilt axis, 0 (k), 1 (j) or 2 (i); the wedge lies in the plane across it.
    beam : float
        Direction of the untilted beam in that plane, degrees.
    """
    import torch

    first, second = (a for a in range(3) if a != axis)
    sizes = image.shape[1:]
    f = torch.fft.fftfreq(sizes[first], device=image.device)
    g = torch.fft.fftfreq(sizes[second], device=image.device)
    angle = torch.atan2(f[:, None], g[None, :]) - math.radians(beam)
    missing = torch.cos(angle).abs() > math.cos(math.radians(half_angle))
    missing[0, 0] = False
    shape = [1, 1, 1, 1]
    shape[first + 1], shape[second + 1] = missing.shape
    planes = (first + 1, second + 1)
    spectrum = torch.fft.fft2(image, dim=planes)
    return torch.fft.ifft2(spectrum.masked_fill(missing.reshape(shape), 0), dim=planes).real.contiguous()


def rings(image: torch.Tensor, amplitude: float, generator: torch.Generator, axis: int = 0) -> torch.Tensor:
    """Add concentric rings around a rotation axis, as detector pixels of unequal response leave them.

    Parameters
    ----------
    amplitude : float
        Deviation of the ring pattern where rings are, in deviations of the image.
    axis : int
        Rotation axis; its place in the plane across it is random, inside or up to one patch outside.
    """
    import torch

    first, second = (a + 1 for a in range(3) if a != axis)
    height, width = image.shape[first], image.shape[second]
    device = image.device
    centre = [uniform(-0.5, 1.5, generator) * n for n in (height, width)]
    y = torch.arange(height, device=device)[:, None] - centre[0]
    x = torch.arange(width, device=device)[None, :] - centre[1]
    radius = torch.sqrt(y * y + x * x)
    count = int(radius.max()) + 2
    profile = torch.randn(count, generator=generator, device=generator.device).to(device)
    chosen = torch.rand(count, generator=generator, device=generator.device).to(device) < 0.3
    profile = profile * chosen * amplitude
    low = radius.floor().long()
    part = radius - low
    pattern = profile[low] * (1 - part) + profile[low + 1] * part
    shape = [1, 1, 1, 1]
    shape[first], shape[second] = height, width
    return image + pattern.reshape(shape)


def streaks(image: torch.Tensor, amplitude: float, generator: torch.Generator, axis: int = 0) -> torch.Tensor:
    """Add straight streaks through one point of the planes across an axis, as dense particles leave them.

    Parameters
    ----------
    amplitude : float
        Height of a streak next to its source, in deviations of the image; it falls with the distance.
    """
    import torch

    first, second = (a + 1 for a in range(3) if a != axis)
    height, width, depth = image.shape[first], image.shape[second], image.shape[axis + 1]
    device = image.device
    y = torch.arange(height, device=device)[:, None] - uniform(0, 1, generator) * height
    x = torch.arange(width, device=device)[None, :] - uniform(0, 1, generator) * width
    fall = 1 / (1 + torch.sqrt(y * y + x * x) / (0.25 * min(height, width)))
    pattern = torch.zeros(height, width, device=device)
    for _ in range(2 + int(uniform(0, 6, generator))):
        angle, sign = uniform(0, math.pi, generator), math.copysign(1.0, uniform(-1, 1, generator))
        away = y * math.cos(angle) + x * math.sin(angle)
        pattern += sign * torch.exp(-0.5 * away * away) * fall
    centre, spread = uniform(0, 1, generator) * depth, uniform(0.1, 0.5, generator) * depth
    along = torch.exp(-0.5 * ((torch.arange(depth, device=device) - centre) / spread) ** 2)
    flat, line = [1, 1, 1, 1], [1, 1, 1, 1]
    flat[first], flat[second], line[axis + 1] = height, width, depth
    return image + amplitude * pattern.reshape(flat) * along.reshape(line)


def low_dose(image: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Add the noise of a low dose: larger where the sample absorbs more, and correlated over neighbours.

    Parameters
    ----------
    strength : float
        Deviation of the noise at the image's mean, in deviations of the image.
    """
    import torch

    noise = torch.randn(image.shape, generator=generator, device=generator.device).to(image.device)
    noise = blur(noise, 0.6)
    noise = noise / noise.std().clamp_min(1e-6)
    # Counts fall exponentially with absorption, so the deviation of log counts grows as exp(absorption / 2).
    return image + strength * noise * torch.exp(0.25 * image.clamp(-4, 4))


def blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur with a Gaussian of `sigma` voxels, separably, edges repeated."""
    import torch
    from torch.nn.functional import conv3d, pad

    radius = max(1, round(3 * sigma))
    radius = min(radius, min(image.shape[1:]) - 1) if min(image.shape[1:]) > 1 else 0
    x = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    result = image[None]
    for axis in range(3):
        shape, border = [1, 1, 1, 1, 1], [0] * 6
        shape[axis + 2] = len(kernel)
        border[2 * (2 - axis)] = border[2 * (2 - axis) + 1] = radius
        result = conv3d(pad(result, border, mode="replicate"), kernel.reshape(shape))
    return result[0]
