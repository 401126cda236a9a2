"""Hidden module that registers the Segment Editor effect "Random walk fill"."""

import logging
import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *  # noqa: F403

try:
    import ACSegPanels  # noqa: F401
except ModuleNotFoundError:  # a source checkout that was added as module path
    sys.path.append(str(Path(__file__).resolve().parent.parent))


class SegmentEditorACSegFill(ScriptedLoadableModule):  # noqa: F405
    """Registers the effect once Slicer has started."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        parent.title = _("Random walk fill (Segment Editor effect)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations"]
        parent.contributors = ["The ACSeg developers"]
        parent.hidden = True
        parent.helpText = _("Adds the effect 'Random walk fill' to Segment Editor.")
        parent.acknowledgementText = _(
            "After the workflow of Erozan et al., iScience 27 (2024) 109856, doi:10.1016/j.isci.2024.109856."
        )
        slicer.app.connect("startupCompleted()", self.registerEditorEffect)

    def registerEditorEffect(self):
        """Make the effect known to Segment Editor."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects
        import SegmentEditorACSegFillLib

        instance = effects.qSlicerSegmentEditorScriptedEffect(None)
        path = Path(SegmentEditorACSegFillLib.__file__).parent / "SegmentEditorEffect.py"
        instance.setPythonSource(path.as_posix())
        instance.self().register()


class SegmentEditorACSegFillTest(ScriptedLoadableModuleTest):  # noqa: F405
    """The effect at work in a Segment Editor."""

    def setUp(self):
        """Start with an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self, **kwargs):
        """Run the self test."""
        for test in (self.test_panel, self.test_fill):
            self.setUp()
            test()

    def test_panel(self):
        """The effect can be chosen, its guide counts, and its panel says what can be done."""
        from SegmentEditorACSegFillLib.selftest import checkPanel

        checkPanel()

    def test_fill(self):
        """Preview, apply, undo."""
        from ACSegPanels.selftest import whySkipped
        from SegmentEditorACSegFillLib.selftest import checkFill

        reason = whySkipped("fill")
        if reason:
            self.delayDisplay(reason)
            logging.warning(reason)
            self.skipTest(reason)
        checkFill()
