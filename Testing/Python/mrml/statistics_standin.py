"""Stands in for Slicer's module Segment Statistics: the part of its logic and of its plugin base that a plugin meets.

With ``ACSEG_SLICER_SOURCE``, the folder ``Base/Python/slicer`` of Slicer's sources, Slicer's own module is used.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import ClassVar


def install():
    """Make ``import SegmentStatistics`` and ``import SegmentStatisticsPlugins`` work."""
    if "SegmentStatistics" in sys.modules:
        return
    source = os.environ.get("ACSEG_SLICER_SOURCE")
    if source:
        folder = Path(source).parents[2] / "Modules" / "Scripted" / "SegmentStatistics"
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        import slicer

        # names under which Slicer's Python has what slicer-core keeps in `slicer`
        sys.modules.setdefault("vtkSegmentationCorePython", slicer)
        sys.modules.setdefault("vtkITK", slicer)
        return
    plugins = types.ModuleType("SegmentStatisticsPlugins")
    plugins.SegmentStatisticsPluginBase = _plugin_base()
    module = types.ModuleType("SegmentStatistics")
    module.SegmentStatisticsLogic = _logic(plugins.SegmentStatisticsPluginBase)
    sys.modules["SegmentStatisticsPlugins"], sys.modules["SegmentStatistics"] = plugins, module


def _plugin_base():
    import qt

    class SegmentStatisticsPluginBase:
        """What Slicer's base class does with parameters, keys and codes."""

        def __init__(self):
            self.name = self.title = ""
            self.keys = []
            self.defaultKeys = []
            self.parameterNode = None

        @staticmethod
        def createCodedEntry(value, scheme, meaning, returnAsString=False):
            import slicer

            entry = slicer.vtkCodedEntry()
            assert entry.SetValueSchemeMeaning(value, scheme, meaning) is None
            return entry.GetAsString() if returnAsString else entry

        @staticmethod
        def createMeasurementInfo(
            name, title, description, units, quantityDicomCode=None, unitsDicomCode=None, *more, **named
        ):
            info = {"name": name, "title": title, "description": description, "units": units}
            if quantityDicomCode:
                info["DICOM.QuantityCode"] = quantityDicomCode
            if unitsDicomCode:
                info["DICOM.UnitsCode"] = unitsDicomCode
            return info

        def toLongKey(self, key):
            return f"{type(self).__name__}.{key}"

        def getParameterNode(self):
            return self.parameterNode

        def setParameterNode(self, node):
            self.parameterNode = node
            for key in self.keys:
                name = self.toLongKey(key) + ".enabled"
                if not node.GetParameter(name):
                    node.SetParameter(name, str(key in self.defaultKeys))
            node.AddObserver("ModifiedEvent", self.updateGuiFromParameterNode)
            self.createDefaultOptionsWidget()
            self.updateGuiFromParameterNode()

        def getRequestedKeys(self):
            enabled = lambda key: self.parameterNode.GetParameter(self.toLongKey(key) + ".enabled") == "True"  # noqa: E731
            return [key for key in self.keys if enabled(key)] if self.parameterNode else ()

        def createDefaultOptionsWidget(self):
            self.optionsWidget = qt.QWidget()
            qt.QFormLayout(self.optionsWidget)

        def updateGuiFromParameterNode(self, caller=None, event=None):
            pass

        def updateParameterNodeFromGui(self):
            pass

    return SegmentStatisticsPluginBase


def _logic(base):
    class SegmentStatisticsLogic:
        """Runs the registered plugins over the visible segments, and fills tables."""

        registeredPlugins: ClassVar[list] = []

        @staticmethod
        def registerPlugin(plugin):
            assert isinstance(plugin, base)
            assert not any("." in key for key in plugin.keys)
            if type(plugin) in SegmentStatisticsLogic.registeredPlugins:
                raise AssertionError("Slicer would warn: the plugin is registered already")
            SegmentStatisticsLogic.registeredPlugins.append(type(plugin))

        def __init__(self):
            import slicer

            self.plugins = [plugin() for plugin in self.registeredPlugins]
            self._node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
            for plugin in self.plugins:
                plugin.setParameterNode(self._node)
            self._statistics = {}

        def getParameterNode(self):
            return self._node

        def computeStatistics(self):
            import slicer

            node = slicer.mrmlScene.GetNodeByID(self._node.GetParameter("Segmentation"))
            self._statistics = {"SegmentIDs": list(node.GetSegmentation().GetSegmentIDs()), "MeasurementInfo": {}}
            if node.GetParentTransformNode() is None:
                self._compute()
                return
            hardened = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"_tmp_{node.GetName()}")
            hardened.CopyContent(node)  # without its references
            hardened.SetAndObserveTransformNodeID(node.GetParentTransformNode().GetID())
            hardened.HardenTransform()
            self._node.SetParameter("Segmentation", hardened.GetID())
            self._compute()
            self._node.SetParameter("Segmentation", node.GetID())
            slicer.mrmlScene.RemoveNode(hardened)

        def _compute(self):
            for segment in self._statistics["SegmentIDs"]:
                for plugin in self.plugins:
                    for key, value in plugin.computeStatistics(segment).items():
                        self._statistics[segment, plugin.toLongKey(key)] = value
                        self._statistics["MeasurementInfo"][plugin.toLongKey(key)] = plugin.getMeasurementInfo(key)

        def getStatistics(self):
            return self._statistics

        def exportToTable(self, table):
            import vtk

            keys = list(self._statistics["MeasurementInfo"])
            for _ in keys:
                table.AddColumn(vtk.vtkDoubleArray())
            for segment in self._statistics["SegmentIDs"]:
                row = table.AddEmptyRow()
                for column, key in enumerate(keys):
                    value = self._statistics.get((segment, key))
                    if type(value) not in (float, int):
                        raise TypeError(f"{key}: {type(value)} cannot be put into a table")
                    table.GetTable().SetValue(row, column, vtk.vtkVariant(value))

    return SegmentStatisticsLogic
