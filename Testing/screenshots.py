"""Writes Resources/Screenshots: every panel and the effect, light and dark, alone and beside the views of the scene.

``python Testing/screenshots.py [FOLDER] [--size N]`` (or ``make screenshots``). It runs on the stand-in of Slicer's
application, without a screen: the panels are ACSeg's own, the frame around them is not Slicer's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent

import slicer  # noqa: E402  (after Qt's platform is chosen)

sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "Testing" / "Python"), str(ROOT)]
WIDTH = 470


def palettes() -> dict:
    """Give the light and the dark palette."""
    from PySide6.QtGui import QColor, QPalette

    def palette(window, base, text, button, highlight, disabled, hint):
        made = QPalette()
        for role, colour in (
            (QPalette.ColorRole.Window, window),
            (QPalette.ColorRole.Base, base),
            (QPalette.ColorRole.AlternateBase, window),
            (QPalette.ColorRole.WindowText, text),
            (QPalette.ColorRole.Text, text),
            (QPalette.ColorRole.ButtonText, text),
            (QPalette.ColorRole.ToolTipText, text),
            (QPalette.ColorRole.Button, button),
            (QPalette.ColorRole.Highlight, highlight),
            (QPalette.ColorRole.HighlightedText, "#ffffff"),
            (QPalette.ColorRole.PlaceholderText, hint),
        ):
            made.setColor(role, QColor(colour))
        for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
            made.setColor(QPalette.ColorGroup.Disabled, role, QColor(disabled))
        return made

    return {
        "": palette("#f0f0f0", "#ffffff", "#202020", "#f7f7f7", "#2f6fb4", "#a0a0a0", "#808080"),
        "-dark": palette("#424242", "#1e1e1e", "#ffffff", "#505050", "#3daee9", "#8a8a8a", "#a8a8a8"),
    }


def wait(until, seconds: float = 600.0) -> None:
    """Run Qt's event loop until a condition holds."""
    end = time.monotonic() + seconds
    while not until():
        slicer.app.processEvents()
        time.sleep(0.01)
        if time.monotonic() > end:
            raise TimeoutError("a panel did not finish")


def shoot(widget, name: str, folder: Path, width: int = WIDTH) -> None:
    """Write a widget as NAME.png and NAME-dark.png."""
    from PySide6.QtWidgets import QApplication

    widget.setParent(None)
    for ending, palette in palettes().items():
        QApplication.setPalette(palette)
        widget.setPalette(palette)
        widget.setAutoFillBackground(True)
        widget.setFixedWidth(width)
        widget.show()
        for _turn in range(3):
            slicer.app.processEvents()
            widget.adjustSize()
            if widget.layout() and widget.layout().hasHeightForWidth():  # `adjustSize` stops at two thirds of a screen
                widget.resize(width, widget.layout().totalHeightForWidth(width))
        widget.grab().save(str(folder / f"{name}{ending}.png"))
    widget.setMaximumWidth(16777215)


def use_plain_font() -> None:
    """Use a sans-serif font where the system has one: without a desktop Qt may choose any."""
    from PySide6.QtGui import QFont, QFontDatabase
    from PySide6.QtWidgets import QApplication

    families = QFontDatabase.families()
    for family in ("Noto Sans", "Segoe UI", "Helvetica", "Liberation Sans", "DejaVu Sans"):
        if family in families:
            QApplication.setFont(QFont(family, 9))
            return


def start_module():
    """Make the guided module and the effect on a fresh scene."""
    import standin
    from standin.scripted import ModuleParent, open_module

    standin.install()
    use_plain_font()
    from SegmentEditorACSegFill import SegmentEditorACSegFill

    from ACSeg import ACSegWidget

    SegmentEditorACSegFill(ModuleParent(str(ROOT / "ACSeg/SegmentEditorACSegFill/x.py"))).registerEditorEffect()
    from ACSegPanels.models import setModelFolder

    setModelFolder(Path(slicer.app.temporaryPath) / "ACSeg models")
    widget = open_module(ACSegWidget)
    return widget


def shoot_panels(module, folder: Path, size: int, compute: bool) -> tuple:
    """Work through the steps, and write a picture of each; returns tomogram, drawing, filled segmentation and a slice.

    Without `compute` nothing is filled or measured, and the drawing stands for its fill.
    """
    from ACSegPanels.sampledata import simulatedCell
    from ACSegPanels.views import showVolume

    every = max(6, size // 7)
    volume, drawing = simulatedCell(size=size, every=every)
    showVolume(volume)
    module.parameters.sourceVolume, module.parameters.segmentation = volume, drawing
    module.parameters.interval = every
    label = module.panels["Label"]
    label.counter.count()
    wait(lambda: not label.counter.busy)
    label.editor.setVisible(False)
    shoot(label.widget, "label", folder)
    labelled = every // 2 + every * (size // every // 2)
    between = labelled + every // 2
    shoot_step("label", folder, drawing, labelled)
    fill = module.panels["Fill"]
    if compute:
        fill.fill()
        wait(lambda: not fill.running)
        if module.parameters.fillOutput is None:
            raise RuntimeError(fill.ui.fillMessage.text)
    shoot(fill.widget, "fill", folder)
    filled = module.parameters.fillOutput or drawing
    shoot_step("fill", folder, filled, between)
    train = module.panels["Train"]
    train.ui.trainVolumeSelector.setCurrentNode(volume)
    train.ui.trainLabelsSelector.setCurrentNode(filled)
    train.addNodes()
    shoot(train.widget, "train", folder)
    predict = module.panels["Predict"]
    module.parameters.predictVolume = volume
    predict.enter()
    if compute:
        predict.predict()
        wait(lambda: not predict.running)
    shoot(predict.widget, "predict", folder)
    shoot_step("predict", folder, module.parameters.predictOutput or drawing, between)
    module.parameters.measureSegmentation = filled
    measure = module.panels["Measure"]
    module.parameters.measureVolume = volume
    if compute:
        measure.measure()
        wait(lambda: not measure.running)
    shoot(measure.widget, "measure", folder)
    shoot_step("measure", folder, filled, between)
    return volume, drawing, filled, between


def shoot_effect(module, folder: Path, compute: bool, slice_number: int) -> None:
    """Fill with the effect (where `compute` says so), and write a picture of its panel."""
    label = module.panels["Label"]
    label.editor.setActiveEffectByName("ACSeg random walk fill")
    effect = label.editor.activeEffect().self()
    effect.panel.guide.intervalBox.value = module.parameters.interval
    count(effect)
    if compute:
        effect.onPreview()
        wait(lambda: not effect.session.running)
        effect.panel.opacitySlider.value = 0.7
        count(effect)
        effect.panel.uncertaintyBox.click()
        wait(lambda: effect.overlay.node is not None)
    shoot(label.editor.activeEffect().optionsFrame(), "effect", folder)
    shoot_step("effect", folder, effect.preview.node or module.parameters.segmentation, slice_number)
    effect.onCancel()


def shoot_step(name: str, folder: Path, labels, slice_number: int) -> None:
    """Write a panel beside the views of the scene, which show one segmentation and one slice: step-NAME.png."""
    import numpy as np
    import views
    from PIL import Image

    from ACSegLib.scene import volume_from_node

    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetVisibility(node is labels)
    labels.CreateClosedSurfaceRepresentation()
    volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    opened = volume_from_node(volume)
    shape, unit = opened.array.shape, opened.geometry.unit
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    middle = {"Red": bounds[4] + (bounds[5] - bounds[4]) * (slice_number + 0.5) / shape[0]}
    title = f"Simulated tomogram of {' x '.join(map(str, np.array(shape)[::-1]))} voxels. "
    text = "Views: Slicer's slice logic and displayable managers. Panel: ACSeg's, in a stand-in of Slicer's window."
    sheet = views.beside(Image.open(folder / f"{name}.png"), views.four_up(labels, unit, middle), title + text)
    sheet = sheet.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    sheet.save(folder / f"step-{name}.png", optimize=True)


def count(effect) -> None:
    """Let the effect's guide count the labelled slices."""
    effect.updateGuide()
    wait(lambda: not effect.counting)


def slice_picture(volume, segmentations, path: Path) -> None:
    """Write a column of pictures a segmentation: a labelled slice and two between, with coloured labels."""
    import numpy as np
    from PIL import Image

    from ACSegLib.scene import segmentation_from_node, volume_from_node

    image = volume_from_node(volume).array.astype(float)
    low, high = np.percentile(image, (1, 99.7))
    grey = (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    rows = []
    labels = [segmentation_from_node(node, volume) for node in segmentations]
    drawn = np.flatnonzero((labels[0].labels > 0).any(axis=(1, 2)))
    first = int(drawn[len(drawn) // 2])
    gap = int(drawn[len(drawn) // 2 + 1]) - first
    for segmentation in labels:
        cells = []
        for number in (first, first + gap // 3, first + 2 * gap // 3):
            picture = np.repeat(grey[number][..., None], 3, axis=2).astype(float)
            for segment in segmentation.segments:
                mask = segmentation.mask(segment)[number]
                picture[mask] = 0.55 * picture[mask] + 0.45 * 255 * np.asarray(segment.colour)
            picture = picture.astype(np.uint8)
            cells.append(np.array(Image.fromarray(picture).resize((300, 300), Image.Resampling.BICUBIC)))
            cells.append(np.full((300, 6, 3), 255, np.uint8))
        rows.append(np.concatenate(cells[:-1], axis=1))
        rows.append(np.full((6, rows[0].shape[1], 3), 255, np.uint8))
    Image.fromarray(np.concatenate(rows[:-1])).save(path)


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "Resources" / "Screenshots")
    parser.add_argument("--size", type=int, default=128, help="edge of the simulated tomogram, in voxels")
    parser.add_argument("--dry", action="store_true", help="fill and measure nothing: the panels as they open")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    module = start_module()
    volume, drawing, filled, between = shoot_panels(module, options.folder, options.size, not options.dry)
    shoot_effect(module, options.folder, not options.dry, between)
    slice_picture(volume, [drawing, filled], options.folder / "slices.png")
    for path in sorted(options.folder.glob("*.png")):
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
    sys.stdout.flush()
    with contextlib.suppress(Exception):
        module.cleanup()
    os._exit(0)  # VTK's off-screen window and Qt may not be torn down in this order


if __name__ == "__main__":
    main()
