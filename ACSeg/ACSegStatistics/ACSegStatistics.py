"""Hidden module that adds ACSeg's measures to Slicer's module Segment Statistics."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *  # noqa: F403

try:
    import ACSegLib  # noqa: F401
except ModuleNotFoundError:  # a source checkout that was added as module path
    sys.path.append(str(Path(__file__).resolve().parents[2]))


class ACSegStatistics(ScriptedLoadableModule):  # noqa: F405
    """Registers the plugin once Slicer has started."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        parent.title = _("ACSeg statistics (Segment Statistics plugin)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["SegmentStatistics"]
        parent.contributors = ["The ACSeg developers"]
        parent.hidden = True
        parent.helpText = _(
            "Adds surface-to-volume ratio, sphericity, filopodia and absorption (LAC) to Segment Statistics."
        )
        parent.acknowledgementText = _(
            "After the workflow of Erozan et al., iScience 27 (2024) 109856, doi:10.1016/j.isci.2024.109856."
        )
        slicer.app.connect("startupCompleted()", registerPlugin)


def registerPlugin():
    """Make the plugin known to Segment Statistics, once, however often this is called."""
    from ACSegStatisticsLib.ACSegSegmentStatisticsPlugin import ACSegSegmentStatisticsPlugin
    from SegmentStatistics import SegmentStatisticsLogic

    names = [plugin.__name__ for plugin in SegmentStatisticsLogic.registeredPlugins]
    if ACSegSegmentStatisticsPlugin.__name__ not in names:
        SegmentStatisticsLogic.registerPlugin(ACSegSegmentStatisticsPlugin())


class ACSegStatisticsTest(ScriptedLoadableModuleTest):  # noqa: F405
    """The plugin is registered once and measures a ball."""

    def runTest(self, **kwargs):
        """Run the self test."""
        from ACSegStatisticsLib.selftest import checkBall

        slicer.mrmlScene.Clear(0)
        registerPlugin()
        registerPlugin()
        checkBall()
