"""Shaded surfaces by VTK, off screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ACSegLib.pictures.splat import Colour, View, smooth_normals


def render(
    masks: Sequence[np.ndarray],
    colours: Sequence[Colour],
    spacing: Sequence[float],
    views: Sequence[View],
    middle: np.ndarray,
    width: float,
    size: int,
) -> list[np.ndarray]:
    """Pictures of the masks' surfaces, as `ACSegLib.pictures.splat.splat` makes them, one a view."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  (the renderer's implementation)
    from vtkmodules.vtkCommonCore import vtkLogger
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it warns of the absent display
    renderer = vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    for mask, colour in zip(masks, colours, strict=True):
        renderer.AddActor(_actor(mask, colour, spacing))
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(size, size)
    window.AddRenderer(renderer)
    _light(renderer)
    pictures = []
    for view in views:
        _aim(renderer, view, middle, width)
        window.Render()
        pictures.append(_pixels(window))
    return pictures


def _actor(mask: np.ndarray, colour: Colour, spacing: Sequence[float]) -> Any:
    """Closed surface of a mask: flying edges, smoothed by a windowed sinc filter, which keeps thin structures."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter
    from vtkmodules.vtkFiltersGeneral import vtkDiscreteFlyingEdges3D
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    used = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    first = [int(u[0]) for u in used]
    part = np.pad(mask[tuple(slice(int(u[0]), int(u[-1]) + 1) for u in used)], 1).astype(np.uint8)
    image = vtkImageData()
    image.SetDimensions(*part.shape[::-1])
    image.SetSpacing(*spacing)
    image.SetOrigin(*(s * (n - 1) for s, n in zip(spacing, first[::-1], strict=True)))
    image.GetPointData().SetScalars(numpy_to_vtk(part.ravel(), deep=True))
    edges = vtkDiscreteFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 1)
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(edges.GetOutputPort())
    smooth.SetNumberOfIterations(20)
    smooth.SetPassBand(0.08)
    smooth.BoundarySmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    mesh = smooth.GetOutput()
    # The mesh's own normals still show the voxels' steps; those of the blurred mask do not.
    places = vtk_to_numpy(mesh.GetPoints().GetData())[:, ::-1] / np.asarray(spacing)[::-1] - first
    normals = numpy_to_vtk(smooth_normals(part[1:-1, 1:-1, 1:-1] > 0, places, spacing), deep=True)
    mesh.GetPointData().SetNormals(normals)
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(mesh)
    mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.SetColor(*colour)
    surface.SetAmbient(0.32)
    surface.SetDiffuse(0.72)
    surface.SetSpecular(0.18)
    surface.SetSpecularPower(18)
    return actor


def _light(renderer: Any) -> None:
    """A key light from the upper left and a weak fill, both fixed to the camera."""
    from vtkmodules.vtkRenderingCore import vtkLight

    renderer.AutomaticLightCreationOff()
    for position, strength in (((-0.6, 0.8, 1.0), 0.95), ((0.9, -0.2, 0.8), 0.25)):
        light = vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*position)
        light.SetFocalPoint(0, 0, 0)
        light.SetIntensity(strength)
        renderer.AddLight(light)


def _aim(renderer: Any, view: View, middle: np.ndarray, width: float) -> None:
    _, up, eye = view.axes
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetParallelScale(0.5 * width)
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(middle + 2 * width * eye))
    camera.SetViewUp(*up)
    renderer.ResetCameraClippingRange()


def _pixels(window: Any) -> np.ndarray:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    columns, rows, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
    return values[::-1, :, :3].astype(float) / 255.0
