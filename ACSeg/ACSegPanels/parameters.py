"""The guided module's parameters: stored in the scene, bound to the widgets of the panels."""

from typing import Annotated

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

DEVICES = ["auto", "cpu", "cuda", "mps", "xpu"]


@parameterNodeWrapper
class ACSegParameterNode:
    """Choices of the five panels; see the tool tips of the widgets for their meaning and units."""

    sourceVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    interval: Annotated[int, WithinRange(2, 500), Default(20)]

    fillOutput: vtkMRMLSegmentationNode
    fillAxis: Annotated[str, Choice(["auto", "k", "j", "i", "all"]), Default("auto")]
    fillBox: vtkMRMLMarkupsROINode
    fillIslands: Annotated[int, WithinRange(0, 10_000_000), Default(0)]
    fillHoles: bool = False
    fillSmooth: Annotated[float, WithinRange(0, 10), Default(0.0)]
    fillDevice: Annotated[str, Choice(DEVICES), Default("auto")]

    trainPreset: Annotated[str, Choice(["quick", "standard", "thorough"]), Default("standard")]
    trainName: str = "cells"
    trainMinutes: Annotated[float, WithinRange(0, 100_000), Default(0.0)]
    trainDevice: Annotated[str, Choice(DEVICES), Default("auto")]
    trainValidation: Annotated[float, WithinRange(0, 0.9), Default(0.2)]
    trainLicence: str = ""
    trainNote: str = ""

    predictVolume: vtkMRMLScalarVolumeNode
    predictOutput: vtkMRMLSegmentationNode
    predictDevice: Annotated[str, Choice(DEVICES), Default("auto")]
    adaptMinutes: Annotated[float, WithinRange(1, 10_000), Default(10.0)]

    measureSegmentation: vtkMRMLSegmentationNode
    measureVolume: vtkMRMLScalarVolumeNode
    measureTable: vtkMRMLTableNode
    measureUnit: Annotated[str, Choice(["um", "nm", "mm", "px"]), Default("um")]
    measureFilopodia: bool = True
