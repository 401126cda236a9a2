"""Pictures of the scene as Slicer's slice views and 3D view show it, drawn off screen.

The views are made of slicer-core's own parts: the slice logic blends and reslices the volumes, and MRML's displayable
managers draw segmentations and surfaces from the scene. Only the widgets around them are missing. The scale bar is
drawn here: Slicer's ruler takes every length for millimetres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

#: Displayable managers of slice views and of 3D views.
IN_SLICES = ("vtkMRMLSegmentationsDisplayableManager2D",)
IN_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLRulerDisplayableManager",
)


def slice_view(name: str, size: tuple[int, int], number: float | None = None) -> np.ndarray:
    """Draw a slice view as an RGB array.

    Parameters
    ----------
    name : str
        Layout name of the view: "Red", "Green" or "Yellow".
    size : tuple of int
        Width and height in pixels.
    number : float, optional
        Offset along the view's axis, in the scene's unit; where it stands without one.
    """
    logic = next(one for one in _slice_logics() if one.GetSliceNode().GetLayoutName() == name)
    node = logic.GetSliceNode()
    node.SetDimensions(*size, 1)
    logic.FitSliceToAll()
    if number is not None:
        logic.SetSliceOffset(number)
    logic.UpdatePipeline()
    renderer = vtk.vtkRenderer()
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    image = vtk.vtkActor2D()
    image.SetMapper(mapper)
    image.GetProperty().SetDisplayLocationToBackground()
    renderer.AddActor2D(image)
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    return _rendered(renderer, size, node, factory, IN_SLICES)


def view_3d(size: tuple[int, int], azimuth: float = 35.0, elevation: float = 20.0, zoom: float = 1.3) -> np.ndarray:
    """Draw the 3D view as an RGB array, its camera on everything that is visible."""
    scene = slicer.mrmlScene
    node = scene.GetFirstNodeByClass("vtkMRMLViewNode") or scene.AddNewNodeByClass("vtkMRMLViewNode", "View1")
    node.SetLayoutName("1")
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    node.SetBackgroundColor(1, 1, 1)
    node.SetBackgroundColor2(0.85, 0.89, 0.94)
    node.SetRenderMode(slicer.vtkMRMLViewNode.Orthographic)
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(node.GetBackgroundColor())
    renderer.SetBackground2(node.GetBackgroundColor2())
    renderer.GradientBackgroundOn()

    def aim() -> None:
        renderer.ResetCamera()
        camera = renderer.GetActiveCamera()
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        camera.Zoom(zoom)
        renderer.ResetCameraClippingRange()

    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    return _rendered(renderer, size, node, factory, IN_3D, aim)


def _slice_logics() -> list[Any]:
    logics = slicer.modules.applicationLogic.GetSliceLogics()
    return [logics.GetItemAsObject(n) for n in range(logics.GetNumberOfItems())]


def _rendered(renderer: Any, size: tuple[int, int], node: Any, factory: Any, managers: Any, aim: Any = None) -> Any:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(size)
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    factory.SetMRMLApplicationLogic(slicer.modules.applicationLogic)
    for manager in managers:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    group = factory.InstantiateDisplayableManagers(renderer)
    group.SetMRMLDisplayableNode(node)
    window.Render()
    if aim is not None:
        aim()
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    picture = grab.GetOutput()
    width, height, _ = picture.GetDimensions()
    from vtk.util.numpy_support import vtk_to_numpy

    pixels = vtk_to_numpy(picture.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()
    group.SetMRMLDisplayableNode(None)
    return pixels


#: Views of a step's picture, as in Slicer's layout "Four-Up", with the colours of their bars.
LAYOUT = (("Red", "#f34a33"), ("3D", "#8c8ce1"), ("Yellow", "#edd54c"), ("Green", "#6eb04b"))
_SIDE, _BAR, _GAP, _LINE = 320, 18, 4, 26


def four_up(labels: Any, unit: str, numbers: dict[str, float] | None = None) -> Any:
    """Draw the four views of the scene around one segmentation node, with a legend of its segments; a Pillow image.

    Parameters
    ----------
    labels : vtkMRMLSegmentationNode
        Shown alone in the 3D view; other segmentations keep their visibility in the slice views.
    unit : str
        Unit of the scene's lengths, for the scale bar.
    numbers : dict, optional
        Offset of slice views by their names.
    """
    from PIL import Image, ImageDraw

    side = 2 * _SIDE + _GAP
    sheet = Image.new("RGB", (side, 2 * (_SIDE + _BAR) + _GAP + _LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for n, (name, colour) in enumerate(LAYOUT):
        left, top = (n % 2) * (_SIDE + _GAP), (n // 2) * (_SIDE + _BAR + _GAP)
        draw.rectangle((left, top, left + _SIDE - 1, top + _BAR - 1), fill=colour)
        draw.text((left + 6, top + 2), name, fill="black", font=_font(11))
        size = (_SIDE, _SIDE)
        pixels = view_3d(size) if name == "3D" else slice_view(name, size, (numbers or {}).get(name))
        sheet.paste(Image.fromarray(pixels), (left, top + _BAR))
        if name != "3D":
            _scale_bar(draw, name, unit, (left + 12, top + _BAR + _SIDE - 12))
    x, y = 6, sheet.height - _LINE + 6
    segmentation = labels.GetSegmentation()
    for identifier in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(identifier)
        draw.rectangle((x, y, x + 13, y + 13), fill=tuple(round(255 * v) for v in segment.GetColor()))
        draw.text((x + 20, y - 1), segment.GetName(), fill="black", font=_font(13))
        x += 40 + round(draw.textlength(segment.GetName(), font=_font(13)))
    return sheet


def beside(panel: Any, views: Any, caption: str) -> Any:
    """Put a panel (left) and the views (right) into one Pillow image, with a line below that says what it shows."""
    from PIL import Image, ImageDraw

    gap, height = 8, max(panel.height, views.height)
    sheet = Image.new("RGB", (panel.width + gap + views.width, height + _LINE), "white")
    sheet.paste(panel.convert("RGB"), (0, 0))
    sheet.paste(views, (panel.width + gap, 0))
    ImageDraw.Draw(sheet).text((6, height + 5), caption, fill="#505050", font=_font(12))
    return sheet


def _scale_bar(draw: Any, name: str, unit: str, corner: tuple[int, int]) -> None:
    """Draw a bar of a round length, at most a third of a slice view wide, and its length."""
    logic = next(one for one in _slice_logics() if one.GetSliceNode().GetLayoutName() == name)
    pixel = logic.GetSliceNode().GetFieldOfView()[0] / _SIDE
    power = 10 ** np.floor(np.log10(pixel * _SIDE / 3))
    length = max(n * power for n in (1, 2, 5) if n * power <= pixel * _SIDE / 3)
    text = f"{length / 1000:g} µm" if unit == "nm" and length >= 1000 else f"{length:g} {unit}"
    x, y = corner
    draw.rectangle((x, y - 4, x + round(length / pixel), y), fill="white", outline="black")
    draw.text((x, y - 22), text, fill="white", font=_font(13), stroke_width=2, stroke_fill="black")


def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)  # it has a micro sign
