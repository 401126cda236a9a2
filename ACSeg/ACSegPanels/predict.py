"""Step 4, Predict: a trained network on a volume, or on a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import slicer
from slicer.i18n import tr as _

from ACSegLib.json_values import Json
from ACSegPanels.models import (
    SUFFIX,
    ModelEntry,
    addModel,
    defaultModel,
    isOwn,
    kindOfData,
    listModels,
    modelFolder,
    removeModel,
    setDefaultModel,
    setModelFolder,
)
from ACSegPanels.panel import Panel
from ACSegPanels.task import sentence
from ACSegPanels.words import Words, deviceWords, withNotes


class PredictPanel(Panel):
    """Choose a model by its card, and segment."""

    name = "Predict"
    title = _("4. Predict")
    dependencies = "predict"

    def setup(self) -> None:
        """Connect the widgets; the models are listed when the panel is first shown."""
        self.models: list[ModelEntry] = []
        self.show3DButton = self.addShow3DButton()
        for edit in (self.ui.predictFolderEdit, self.ui.predictTargetEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            self.connect(edit, "currentPathChanged(QString)", self._onPath)
        self.connect(self.ui.modelBox, "currentIndexChanged(int)", self._onModel)
        self.connect(self.ui.modelFolderButton, "clicked()", self.chooseFolder)
        self.connect(self.ui.modelSearchEdit, "textChanged(QString)", self._onSearch)
        self.connect(self.ui.modelAddButton, "clicked()", self.chooseModel)
        self.connect(self.ui.modelRemoveButton, "clicked()", self.removeModel)
        self.connect(self.ui.modelDefaultBox, "clicked(bool)", self._onDefault)
        self._kind = ""
        self.connect(self.ui.predictButton, "clicked()", self.predict)
        self.connect(self.ui.predictFolderButton, "clicked()", self.predictFolder)
        self.connect(self.ui.adaptButton, "clicked()", self.adapt)
        self.connect(self.ui.predictCancelButton, "clicked()", self.cancel)

    def enter(self, choose: Path | None = None) -> None:
        """List the models anew; the one to choose is the given one, else the one chosen before."""
        chosen = choose or (self.model.path if self.model else None)
        self.models = [entry for entry in listModels() if entry.matches(self.ui.modelSearchEdit.text)]
        box = self.ui.modelBox
        blocked = box.blockSignals(True)
        box.clear()
        for entry in self.models:
            box.addItem(entry.path.stem)
        paths = [entry.path for entry in self.models]
        if paths:
            box.setCurrentIndex(paths.index(chosen) if chosen in paths else 0)
        box.blockSignals(blocked)
        self._showCard()
        self.update()

    @property
    def model(self) -> ModelEntry | None:
        """The chosen model."""
        index = self.ui.modelBox.currentIndex
        return self.models[index] if 0 <= index < len(self.models) else None

    def _onModel(self, index: int) -> None:
        self._showCard()
        self.update()

    def _onSearch(self, text: str) -> None:
        self.enter()

    def chooseModel(self) -> None:
        """Let the user choose a model file to add."""
        import qt

        filters = _("Models (*.acseg *.h5)")
        path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Add a model"), "", filters)
        path = path[0] if isinstance(path, tuple) else path
        if path:
            self.addModel(path)

    def addModel(self, path: str) -> None:
        """Copy a model file into the model folder, and choose it."""
        try:
            target = addModel(path)
        except (ValueError, OSError) as error:
            self.say(sentence(error))
            return
        self.ui.modelSearchEdit.text = ""
        self.enter(choose=target)
        self.say(_("Added: {name}.").format(name=target.stem))

    def removeModel(self) -> None:
        """Delete the chosen model after a question."""
        entry = self.model
        question = _("Delete the file {path}? It cannot be brought back.").format(path=entry.path)
        if not slicer.util.confirmYesNoDisplay(question, windowTitle=_("Remove a model")):
            return
        try:
            removeModel(entry)
        except (ValueError, OSError) as error:
            self.say(sentence(error))
            return
        self.enter()
        self.say(_("Removed: {name}.").format(name=entry.path.stem))

    def _onDefault(self, on: bool) -> None:
        setDefaultModel(self._kind, self.model.path.name if on else "")

    def _followVolume(self, volume: Any) -> None:
        """Choose the default model when a volume of another voxel size is chosen."""
        kind = kindOfData(volume) if volume is not None else ""
        if kind == self._kind:
            return
        self._kind = kind
        names = [entry.path.name for entry in self.models]
        if kind and defaultModel(kind) in names:
            self.ui.modelBox.setCurrentIndex(names.index(defaultModel(kind)))

    def _showDefault(self) -> None:
        box = self.ui.modelDefaultBox
        usable = bool(self._kind) and self.model is not None and not self.model.problem
        box.setVisible(usable)
        if usable:
            box.text = _("Default for volumes with voxels of {size}").format(size=self._kind)
            box.checked = defaultModel(self._kind) == self.model.path.name

    def _onPath(self, path: str) -> None:
        self.update()

    def _showCard(self) -> None:
        self.ui.modelCard.text = (
            self.model.html
            if self.model
            else _("No model matches the search.")
            if self.ui.modelSearchEdit.text
            else _("No model in the folder '{folder}': train one first.").format(folder=modelFolder().name)
        )

    def chooseFolder(self) -> None:
        """Let the person choose the model folder."""
        import qt

        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Model folder"), str(modelFolder()))
        if folder:
            setModelFolder(folder)
            self.enter()

    def words(self) -> dict[str, Words]:
        """Words for the choices."""
        return {"predictDeviceBox": deviceWords()}

    def controls(self) -> dict[str, str]:
        """Options by their widgets."""
        return {
            "device": _("Compute on"),
            "output": _("Results"),
        }

    def update(self) -> None:
        """Enable the buttons, or say why not."""
        parameters = self.parameters
        self.offer3D(self.show3DButton, parameters.predictOutput if parameters is not None else None)
        self._followVolume(parameters.predictVolume if parameters is not None else None)
        self._showDefault()
        running = _("A prediction is running.") if self.running else ""
        own = (
            "" if self.model is not None and isOwn(self.model) else _("Only models of the model folder can be removed.")
        )
        self.enable(self.ui.modelRemoveButton, _("Delete the file of this model."), running or own)
        model = "" if self.model else _("Train a model first, or choose another model folder.")
        if self.model is not None and self.model.problem:
            model = self.model.problem
        volume = "" if parameters is not None and parameters.predictVolume else _("Choose the volume to segment.")
        folders = (
            ""
            if self.ui.predictFolderEdit.currentPath and self.ui.predictTargetEdit.currentPath
            else _("Choose the folder of volumes and the folder for the results.")
        )
        self.enable(self.ui.predictButton, _("Segment the volume."), running or model or volume)
        self.enable(self.ui.predictFolderButton, _("Segment every volume of the folder."), running or model or folders)
        self.enable(
            self.ui.adaptButton,
            _("Train the model on simulated tomograms like this volume; it needs no labels."),
            running or model or volume,
        )
        self.enable(
            self.ui.predictCancelButton,
            _("Stop the prediction."),
            "" if self.running else _("No prediction is running."),
        )

    def predict(self) -> None:
        """Segment the chosen volume in a process of its own."""
        p, path = self.parameters, self.model.path
        output = self.outputFor(p.predictVolume, p.predictOutput)
        self.start(
            lambda callbacks: self.module.logic.predict(
                p.predictVolume, path, output, device=p.predictDevice, **callbacks
            ),
            self._onDone,
        )

    def _onDone(self, node: Any) -> None:
        self.keepResults(predictOutput=node, measureSegmentation=node)
        self.say(withNotes(_("Done: {name}.").format(name=node.GetName()), self.module.logic.lastNotes))

    def adapt(self) -> None:
        """Train the chosen model on digital twins of the chosen volume; the result is a model of its own."""
        p, start = self.parameters, self.model.path
        name = "".join(c if c.isalnum() or c in "-_. " else "_" for c in p.predictVolume.GetName())
        target = modelFolder() / f"{start.stem} adapted to {name}{SUFFIX}"
        target.parent.mkdir(parents=True, exist_ok=True)
        self.start(
            lambda callbacks: self.module.logic.adapt(
                [p.predictVolume], target, startFrom=start, minutes=p.adaptMinutes, device=p.predictDevice, **callbacks
            ),
            lambda report: self._onAdapted(report, target),
            dependencies="train",
        )

    def _onAdapted(self, report: Json, target: Path) -> None:
        self.enter(choose=target)
        results = report["results"]
        before, after = results["dice_before"], results["dice_after"]
        scores = ", ".join(f"{name} {before[name]:.3f} > {after[name]:.3f}" for name in after)
        text = _("Dice on simulated tomograms like this one, before and after: {scores}.").format(scores=scores)
        if not results["helped"]:
            text += " " + _("The adaptation did not help; use the model that it started from.")
        self.say(text)

    def predictFolder(self) -> None:
        """Segment a folder in a process of its own."""
        source, target = self.ui.predictFolderEdit.currentPath, self.ui.predictTargetEdit.currentPath
        Path(target).mkdir(parents=True, exist_ok=True)
        path, device = self.model.path, self.parameters.predictDevice
        self.start(
            lambda callbacks: self.module.logic.predictFolder(source, target, path, device=device, **callbacks),
            lambda report: self.say(_("Done: the results are in {folder}.").format(folder=target)),
        )
