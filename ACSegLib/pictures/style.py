"""What all pictures share: colours, contrast, scale bars, and how a figure reaches a file."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.files.atomic import atomic_output
from ACSegLib.files.lazy import every_nth
from ACSegLib.geometry import unit_symbol
from ACSegLib.padding import intensities
from ACSegLib.volume import UNITS_IN_MM, Geometry, Segmentation, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with colour-blindness tell apart (M. Okabe and K. Ito, Color Universal Design, 2008).
PALETTE: tuple[tuple[float, float, float], ...] = (
    (0.902, 0.624, 0.000),  # orange
    (0.337, 0.706, 0.914),  # sky blue
    (0.800, 0.475, 0.655),  # purple
    (0.000, 0.620, 0.451),  # green
    (0.941, 0.894, 0.259),  # yellow
    (0.835, 0.369, 0.000),  # vermilion
    (0.000, 0.447, 0.698),  # blue
)
INK, PAPER, MUTED = "#1c1f24", "#ffffff", "#6b7280"
AXES = ("k", "j", "i")


def segment_colour(number: int) -> tuple[float, float, float]:
    """Colour of the n-th row of a segment table; the palette repeats after seven."""
    return PALETTE[number % len(PALETTE)]


def segment_colours(*segmentations: Segmentation) -> dict[str, tuple[float, float, float]]:
    """Colours by the names of segments, such that segments that touch differ, as far as the palette has enough.

    The first segments have the palette in its order. Each further one has a colour that is rare among those that it
    touches in the first segmentation, and then rare among all. A segment that the first one does not have, such as the
    same cell under another name, has the colour of its place.
    """
    names = list(dict.fromkeys(segment.name for segment in segmentations[0].segments))
    numbers = dict(zip(names, range(len(PALETTE)), strict=False))
    touching = _touching(segmentations[0]) if len(names) > len(PALETTE) else {}
    used = Counter(numbers.values())
    for name in names[len(PALETTE) :]:
        beside = Counter(numbers[other] for other in touching.get(name, ()) if other in numbers)
        numbers[name] = min(range(len(PALETTE)), key=lambda n: (beside[n], used[n]))
        used[numbers[name]] += 1
    for labels in segmentations[1:]:
        for place, segment in enumerate(labels.segments):
            numbers.setdefault(segment.name, place % len(PALETTE))
    return {name: PALETTE[number] for name, number in numbers.items()}


def _touching(labels: Segmentation) -> dict[str, set[str]]:
    """Segment -> the segments of its layer that lie beside it, or one voxel away from it."""
    from ACSegLib.measure.contacts import meeting_labels

    lines = [(tuple(step * (axis == a) for a in range(3)), 1.0) for axis in range(3) for step in (1, 2)]
    found: dict[str, set[str]] = {}
    for number, layer in enumerate(labels.layers):
        names = {segment.value: segment.name for segment in labels.segments if segment.layer == number}
        for value, met in meeting_labels(layer, lines).items():
            if value in names:
                found.setdefault(names[value], set()).update(names[other] for other in met if other in names)
    return found


def contrast_window(volume: Volume) -> tuple[float, float]:
    """Grey range that shows a volume well: its 0.5 to 99.7 percentiles, on a sample; NaN and padding are left out."""
    sample = intensities(every_nth(volume.array, 2_000_000))
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, [0.5, 99.7])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def nice_length(longest: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not over `longest`."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= longest * (1 + 1e-9)))


def length_text(length: float, unit: str) -> str:
    """A length for a person: 2000 nm is "2 µm"."""
    if unit == "px":
        return f"{length:g} px"
    for larger, factor in (("mm", 1.0), ("um", 1e-3), ("nm", 1e-6), ("angstrom", 1e-7)):
        value = length * UNITS_IN_MM[unit] / factor
        if value >= 0.9999:
            return f"{value:g} {unit_symbol(larger)}"
    return f"{length:g} {unit}"


def add_scale_bar(axes: Axes, width: float, unit: str, colour: str = "white") -> None:
    """Draw a scale bar in the lower left corner of axes whose data coordinates are lengths in `unit`.

    Parameters
    ----------
    width : float
        Length that the axes span.
    """
    from matplotlib import patheffects

    length = nice_length(0.3 * width)
    edge = [patheffects.withStroke(linewidth=3.2, foreground="black" if colour == "white" else "white")]
    low, high = axes.get_xlim()
    start = min(low, high) + 0.05 * width
    bar = axes.get_xaxis_transform()
    axes.plot([start, start + length], [0.06, 0.06], color=colour, lw=2.5, transform=bar, path_effects=edge)
    axes.text(
        start, 0.085, length_text(length, unit), color=colour, fontsize=8, transform=bar, va="bottom", path_effects=edge
    )


def slice_extent(geometry: Geometry, axis: int, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Extent for `imshow` of the slice across array axis `axis` (0 is k), in the geometry's unit, first row on top."""
    across, down = in_plane(axis)
    width = shape[across] * geometry.spacing[2 - across]
    height = shape[down] * geometry.spacing[2 - down]
    return 0.0, width, height, 0.0


def in_plane(axis: int) -> tuple[int, int]:
    """Array axes that run across and down in a slice's picture."""
    down, across = (a for a in range(3) if a != axis)
    return across, down


def new_figure(width: float, height: float) -> Figure:
    """A figure of the given size in inches that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes) -> None:
    """Take ticks and frame away."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int, **settings: Any) -> None:
    """Write a PNG, whole or not at all. Texts are shown as they are: a dollar in a name begins no formula."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with atomic_output(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, **settings)
