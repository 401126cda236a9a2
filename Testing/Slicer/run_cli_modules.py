"""Run by CTest in Slicer: the CLI modules are found, described, and one of them runs on nodes of the scene."""

import sys
from pathlib import Path

import slicer

sys.path.insert(0, str(Path(__file__).resolve().parent))


def main():
    """Run the module ACSegMeasure on a simulated ball; True if all is well."""
    from self_tests import simulated

    from ACSegLib.commands.cli_modules import CLI_MODULES
    from ACSegLib.scene import volume_from_node, write_segmentation_to_node
    from ACSegLib.volume import Segmentation

    missing = [name for name in CLI_MODULES if not hasattr(slicer.modules, name.lower())]
    if missing:
        print(f"Slicer has not loaded: {missing}")
        return False
    volume, truth, _ = simulated()
    labels = Segmentation.from_labels(truth, volume_from_node(volume).geometry, {1: "ball"})
    segmentation = write_segmentation_to_node(labels, volume_node=volume)
    table = Path(slicer.app.temporaryPath) / "acseg-measure.csv"
    parameters = {"inputs": segmentation.GetID(), "image": volume.GetID(), "output": str(table), "noCells": True}
    node = slicer.cli.runSync(slicer.modules.acsegmeasure, None, parameters)
    failed = node.GetStatus() & node.ErrorsMask
    if failed:
        print(node.GetErrorText())
    slicer.mrmlScene.RemoveNode(node)
    return not failed and len(table.read_text().splitlines()) == 2


slicer.util.exit(slicer.util.EXIT_SUCCESS if main() else slicer.util.EXIT_FAILURE)
