"""ACSeg, the guided module: Label -> Fill -> Train -> Predict -> Measure, one panel a step.

Scripts use its logic: ``from ACSeg import ACSegLogic``.
"""

import logging
import sys
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.util import VTKObservationMixin

try:
    import ACSegLib  # noqa: F401
except ModuleNotFoundError:  # a source checkout that was added as module path
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from ACSegPanels.logic import ACSegLogic

__all__ = ["ACSeg", "ACSegLogic", "ACSegTest", "ACSegWidget"]


#: Where the documentation is read.
DOCUMENTATION = "https://github.com/acseg/SlicerACSeg/blob/main/Documentation/README.md"


class ACSeg(ScriptedLoadableModule):  # noqa: F405
    """Describes the module to Slicer."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        parent.title = "ACSeg"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "SegmentEditor"]
        parent.contributors = ["The ACSeg developers"]
        parent.helpText = _(
            "From a few labelled slices to full 3D segmentations, trained networks and measurements of cells in soft "
            "X-ray tomograms. Work through the five steps from top to bottom."
        ) + _('<p>More in the <a href="{address}">documentation</a>.</p>').format(address=DOCUMENTATION)
        parent.acknowledgementText = _(
            "After the workflow of Erozan et al., iScience 27 (2024) 109856, doi:10.1016/j.isci.2024.109856."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the sample data; nothing is downloaded before a person asks for it."""
    from ACSegPanels.sampledata import registerAll

    registerAll()


class ACSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    """The five panels, and what they share: parameters, logic, the life of the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)  # noqa: F405
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self.panels = {}
        self.sections = {}

    def setup(self):
        """Make the panels."""
        ScriptedLoadableModuleWidget.setup(self)  # noqa: F405
        import ctk
        import qt
        from ACSegPanels.fill import FillPanel
        from ACSegPanels.label import LabelPanel
        from ACSegPanels.measure import MeasurePanel
        from ACSegPanels.packages import PackagesSection
        from ACSegPanels.predict import PredictPanel
        from ACSegPanels.train import TrainPanel

        self.logic = ACSegLogic()
        for panelClass in (LabelPanel, FillPanel, TrainPanel, PredictPanel, MeasurePanel):
            section = ctk.ctkCollapsibleButton()
            section.text = panelClass.title
            section.objectName = f"ACSeg{panelClass.name}Section"
            panel = panelClass(self)
            qt.QVBoxLayout(section).addWidget(panel.widget)
            section.collapsed = panelClass is not LabelPanel
            self.layout.addWidget(section)
            self.panels[panelClass.name], self.sections[panelClass.name] = panel, section
        self.packages = PackagesSection()
        self.layout.addWidget(self.packages.widget)
        self.layout.addWidget(self._logButton())
        label = self.panels["Label"]
        label.connect(self.sections["Label"], "contentsCollapsed(bool)", label.onCollapsed)
        self.layout.addStretch(1)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        for event in (slicer.mrmlScene.EndCloseEvent, slicer.mrmlScene.EndImportEvent):
            self.addObserver(slicer.mrmlScene, event, self.onSceneReady)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndBatchProcessEvent, self.onBatchDone)
        self.initializeParameterNode()
        if self.parent.isEntered:  # the module was reloaded: it is not entered again
            self.enter()

    def _logButton(self):
        """A button that opens what the worker process wrote to its log."""
        import qt
        from ACSegPanels.working import openLog

        button = qt.QPushButton(_("Log of the worker process"))
        button.objectName = "ACSegLogButton"
        button.flat = True
        button.toolTip = _("Open what the process that fills, trains, predicts and measures wrote to its log.")
        self.panels["Label"].connect(button, "clicked()", openLog)
        return button

    def enter(self):
        """The module is shown."""
        self.initializeParameterNode()
        self.panels["Label"].enter()
        self.panels["Predict"].enter()

    def exit(self):
        """Another module is shown; running work goes on."""
        self.panels["Label"].exit()
        self.setParameterNode(None)

    def cleanup(self):
        """Slicer closes, or the module is reloaded."""
        self.setParameterNode(None)
        for panel in self.panels.values():
            panel.cleanup()
        self.packages.cleanup()
        self.removeObservers()

    def onSceneStartClose(self, caller, event):
        """The scene is about to be closed: stop what runs, and let go of its nodes."""
        self.setParameterNode(None)
        for panel in self.panels.values():
            panel.closeScene()

    def onSceneReady(self, caller, event):
        """The scene was closed, or one was read: start anew where the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()
            self.panels["Label"].enter()

    def onBatchDone(self, caller, event):
        """Many nodes were added or removed: the editor has taken up what its selectors show."""
        if self.parent.isEntered:
            self.panels["Label"].showChosen()

    def initializeParameterNode(self):
        """Bind the panels to the scene's parameter node, and choose a volume where none is chosen."""
        parameters, volume = self.logic.getParameterNode(), self._volumeToChoose()
        for name in ("sourceVolume", "predictVolume"):
            if parameters.getValue(name) is None and volume is not None:
                parameters.setValue(name, volume)
        self.setParameterNode(parameters)

    @staticmethod
    def _volumeToChoose():
        """The volume that the slice views show, else the first; none that the selectors do not list, or an overlay."""
        from ACSegPanels.views import shownVolumes

        own = "vtkMRMLScalarVolumeNode"
        volumes = slicer.util.getNodesByClass(own)  # with those of colours and label maps
        images = [v for v in volumes if v.GetClassName() == own and not v.GetAttribute("ACSeg.Role")]
        images = [v for v in images if not v.GetHideFromEditors()]
        shown = shownVolumes()
        return next((v for v in images if v.GetID() in shown), next(iter(images), None))

    def setParameterNode(self, parameters):
        """Bind the panels to a parameter node (None: to nothing)."""
        if self.parameters is not None:
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        for panel in self.panels.values():
            panel.bind(parameters)
        self.parameters = parameters
        if parameters is not None:
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self.updatePanels()

    def onParametersModified(self, caller, event):
        """A choice changed, here or by a script."""
        self.updatePanels()

    def updatePanels(self):
        """Let every panel say what can be done now."""
        for panel in self.panels.values():
            panel.update()

    def showStep(self, name):
        """Open the panel of a step."""
        self.sections[name].collapsed = False


class ACSegTest(ScriptedLoadableModuleTest):  # noqa: F405
    """Self test: what needs no package first, then the workflow's quick half on a simulated cell."""

    def setUp(self):
        """Start with an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self, **kwargs):
        """Run the self test."""
        for test in (self.test_sceneRoundTrip, self.test_guide, self.test_parameters, self.test_fillAndMeasure):
            self.setUp()
            test()

    def test_sceneRoundTrip(self):
        """Nodes are written and read."""
        from ACSegPanels.selftest import checkSceneRoundTrip

        checkSceneRoundTrip()

    def test_guide(self):
        """The slice guide counts."""
        from ACSegPanels.selftest import checkGuide

        checkGuide()

    def test_parameters(self):
        """Choices are kept."""
        from ACSegPanels.selftest import checkParameters

        checkParameters()

    def test_fillAndMeasure(self):
        """A simulated cell is filled and measured."""
        from ACSegPanels.selftest import checkFillAndMeasure, whySkipped

        reason = whySkipped("fill", "measure")
        if reason:
            self.delayDisplay(reason)
            logging.warning(reason)
            self.skipTest(reason)
        checkFillAndMeasure()
