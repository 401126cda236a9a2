"""3D pictures of segmentations: smooth shaded surfaces, rendered without a display."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.pictures import style
from ACSegLib.pictures.splat import View, frame, splat
from ACSegLib.volume import Segment, Segmentation

#: Seen from the front, a little from above; and from the side.
VIEWS = (View(azimuth=30.0, elevation=22.0), View(azimuth=120.0, elevation=22.0))
_PROBE = """
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
import vtkmodules.vtkRenderingOpenGL2
window = vtkRenderWindow(); window.SetOffScreenRendering(1); window.AddRenderer(vtkRenderer()); window.SetSize(8, 8)
window.Render()
raise SystemExit(0 if window.SupportsOpenGL() else 3)
"""


@functools.cache
def can_render() -> bool:
    """Whether VTK can render here, with a graphics card or in software.

    Tried in a process of its own, since a missing OpenGL library can end the process. Nothing is read from it: on
    Windows, a pipe to a process that was stopped stays open as long as one that it started lives.
    """
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def surface_picture(
    segmentation: Segmentation,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    colours: Mapping[str, tuple[float, float, float]] | None = None,
    size: int = 560,
    renderer: str = "auto",
) -> str:
    """Write a picture of the segments' surfaces, each in its colour, with a legend and a scale bar.

    Parameters
    ----------
    segmentation : Segmentation
    path : path-like
        The PNG.
    colours : mapping of name to colour, optional
        sRGB, 0 to 1; the palette's where a name is left out.
    size : int
        Pixels along a view's side.
    renderer : str
        "vtk", "numpy", or "auto": VTK where it can render.

    Returns
    -------
    str
        The renderer that was used.

    Raises
    ------
    InputError
        If there is nothing to show, or the renderer's name is unknown.
    """
    if renderer not in ("auto", "vtk", "numpy"):
        raise InputError(f"renderer must be auto, vtk or numpy, not {renderer!r}.")
    shown = [segment for segment in segmentation.segments if np.any(segmentation.mask(segment))]
    if not shown:
        raise InputError(f"segmentation {segmentation.name!r} has no voxels to show a surface of.")
    given = colours or {}
    rows = segmentation.segments
    palette = [given.get(segment.name, style.segment_colour(rows.index(segment))) for segment in shown]
    masks = [segmentation.mask(segment) for segment in shown]
    spacing = segmentation.geometry.spacing
    middle, width = frame(masks, spacing, VIEWS)
    if renderer == "vtk" or (renderer == "auto" and can_render()):
        from ACSegLib.pictures.vtk_surface import render

        pictures, used = render(masks, palette, spacing, VIEWS, middle, width, size), "vtk"
    else:
        pictures = [splat(masks, palette, spacing, view, middle, width, size) for view in VIEWS]
        used = "numpy"
    _compose(pictures, shown, palette, width, segmentation.geometry.unit, title or segmentation.name, path)
    return used


def _compose(
    pictures: Sequence[np.ndarray],
    shown: Sequence[Segment],
    colours: Sequence[tuple[float, float, float]],
    width: float,
    unit: str,
    title: str,
    path: str | os.PathLike[str],
) -> None:
    from matplotlib.patches import Patch

    used = np.flatnonzero(np.any([(picture < 0.97).any(axis=(1, 2)) for picture in pictures], axis=0))
    size = pictures[0].shape[0]
    margin = size // 25
    top, bottom = max(int(used[0]) - margin, 0), min(int(used[-1]) + 1 + 3 * margin, size)  # the scale bar is below
    side, head, foot = 5.0, 0.55, 0.6
    high = side * (bottom - top) / size
    height = high + head + foot
    figure = style.new_figure(side * len(pictures), height)
    for number, picture in enumerate(pictures):
        axes = figure.add_axes((number / len(pictures), foot / height, 1 / len(pictures), high / height))
        axes.imshow(picture[top:bottom], extent=(0, width, 0, width * (bottom - top) / size), interpolation="bilinear")
        style.bare(axes)
    style.add_scale_bar(figure.axes[0], width, unit, style.INK)
    figure.text(0.02, 1 - 0.28 / height, title, fontsize=13, color=style.INK, weight="bold", va="center")
    handles = [Patch(color=colour, label=segment.name) for colour, segment in zip(colours[:9], shown[:9], strict=True)]
    if len(shown) > len(handles):
        handles.append(Patch(color="white", label=f"and {len(shown) - len(handles)} more"))
    figure.legend(handles=handles, loc="lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9)
    style.save_figure(figure, path, round(size / side))
