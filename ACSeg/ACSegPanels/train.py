"""Step 3, Train: a data set, its check, the course of the training, and the model file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from ACSegLib.commands.options import OptionValues
from ACSegLib.json_values import Row
from ACSegLib.worker.events import capitalized
from ACSegPanels.dataset import Pair, fromFolders, problemsOf
from ACSegPanels.models import SUFFIX, modelFolder
from ACSegPanels.panel import Panel
from ACSegPanels.tables import Chart, writeTable
from ACSegPanels.task import sentence
from ACSegPanels.translation import translated
from ACSegPanels.words import Words, deviceWords, presetWords

_COLUMNS = (_("Volume"), _("Labels"), _("Validation"), _("Problem"))
_VALIDATION, _PROBLEM = 2, 3

#: Characters that some system does not take in the name of a file.
_NOT_IN_NAMES = '/\\:*?"<>|'


@dataclass(frozen=True)
class Training:
    """What a training is started with. The choices may change, or the module may be left, while it runs.

    Attributes
    ----------
    pairs, validation : list of (image, labels)
        Nodes or paths.
    path : Path
        File that the model is written to.
    options : mapping
        Of the command ``acseg train``.
    """

    pairs: list[tuple[Any, Any]]
    validation: list[tuple[Any, Any]]
    path: Path
    options: Row

    @property
    def checkpoint(self) -> Path:
        """File that a stopped training goes on from."""
        return self.path.with_name(f"{self.path.name}.checkpoint")


class TrainPanel(Panel):
    """Train a network on pairs of tomogram and labels."""

    name = "Train"
    title = _("3. Train")
    dependencies = "train"

    def setup(self) -> None:
        """Connect the widgets."""
        self.pairs: list[Pair] = []
        self.history: list[Row] = []
        self.chart: Chart | None = None
        self._tables: dict[str, Any] = {}
        self._training: Training | None = None
        self._keepBest = False
        self._began = 0.0
        ui = self.ui
        ui.pairsTable.setMinimumHeight(110)
        ui.pairsTable.setMaximumHeight(170)
        ui.pairsTable.setColumnCount(len(_COLUMNS))
        ui.pairsTable.setHorizontalHeaderLabels(list(_COLUMNS))
        header = ui.pairsTable.horizontalHeader()
        for column in range(len(_COLUMNS)):  # the problem is in sight however long the names are
            narrow = column == _VALIDATION
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents if narrow else qt.QHeaderView.Stretch)
        ui.pairsTable.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        ui.pairsTable.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        ui.pairsTable.horizontalHeaderItem(_VALIDATION).setToolTip(
            _("Pairs to choose the best weights by, not trained on. Without any, a part of the data is held back.")
        )
        self.connect(ui.pairsTable, "cellChanged(int,int)", self._onCellChanged)
        self.connect(ui.pairsTable, "itemSelectionChanged()", self._onChanged)
        for edit in (ui.imageFolderEdit, ui.labelFolderEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            self.connect(edit, "currentPathChanged(QString)", self._onChanged)
        for selector in (ui.trainVolumeSelector, ui.trainLabelsSelector):
            self.connect(selector, "currentNodeChanged(vtkMRMLNode*)", self._onChanged)
        for button, slot in (
            (ui.addPairButton, self.addNodes),
            (ui.addFoldersButton, self.addFolders),
            (ui.removePairButton, self.removeSelected),
            (ui.clearPairsButton, self.clear),
            (ui.trainButton, self.train),
            (ui.trainStopButton, self.stopAndKeepBest),
            (ui.trainCancelButton, self.cancel),
            (ui.trainResumeButton, self.resume),
        ):
            self.connect(button, "clicked()", slot)

    # -- data set ---------------------------------------------------------------------------------------------------

    def addNodes(self) -> None:
        """Add the chosen nodes as a pair."""
        self.pairs.append(Pair(self.ui.trainVolumeSelector.currentNode(), self.ui.trainLabelsSelector.currentNode()))
        self._showPairs()

    def addFolders(self) -> None:
        """Add the pairs that the two folders hold."""
        try:
            self.pairs += fromFolders(self.ui.imageFolderEdit.currentPath, self.ui.labelFolderEdit.currentPath)
        except (ValueError, OSError) as error:
            self.say(sentence(error))
            return
        self._showPairs()

    def removeSelected(self) -> None:
        """Remove the selected pair."""
        row = self.ui.pairsTable.currentRow()
        if 0 <= row < len(self.pairs):
            del self.pairs[row]
            self._showPairs()

    def clear(self) -> None:
        """Remove all pairs."""
        self.pairs = []
        self._showPairs()

    def _showPairs(self) -> None:
        table = self.ui.pairsTable
        blocked = table.blockSignals(True)
        table.setRowCount(len(self.pairs))
        for row, pair in enumerate(self.pairs):
            texts = {0: pair.imageName, 1: pair.labelsName, _PROBLEM: ""}
            for column, text in texts.items():
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(row, column, item)
            check = qt.QTableWidgetItem(_answer(pair.validation))
            check.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            check.setCheckState(qt.Qt.Checked if pair.validation else qt.Qt.Unchecked)
            table.setItem(row, _VALIDATION, check)
        table.blockSignals(blocked)
        self.update()

    def _showProblems(self) -> None:
        """Say beside each pair what is wrong with it: nodes may have been deleted meanwhile."""
        table, problems = self.ui.pairsTable, problemsOf(self.pairs)
        blocked = table.blockSignals(True)
        for row in range(len(self.pairs)):
            text = problems.get(row, _("none"))
            table.item(row, _PROBLEM).setText(text)
            table.item(row, _PROBLEM).setToolTip(text)
        table.blockSignals(blocked)

    def _onCellChanged(self, row: int, column: int) -> None:
        if column != _VALIDATION:
            return
        table = self.ui.pairsTable
        checked = table.item(row, column).checkState() == qt.Qt.Checked
        self.pairs[row] = replace(self.pairs[row], validation=checked)
        blocked = table.blockSignals(True)
        table.item(row, column).setText(_answer(checked))
        table.blockSignals(blocked)
        self.update()

    # -- state ------------------------------------------------------------------------------------------------------

    def _onChanged(self, *_ignored: Any) -> None:
        self.update()

    @property
    def modelPath(self) -> Path:
        """File that the model is written to."""
        return modelFolder() / f"{self.parameters.trainName.strip()}{SUFFIX}"

    @property
    def checkpoint(self) -> Path:
        """File that a stopped training of the chosen name goes on from."""
        return self._chosen().checkpoint

    def words(self) -> dict[str, Words]:
        """Words for the choices."""
        return {"trainPresetBox": presetWords(), "trainDeviceBox": deviceWords()}

    def controls(self) -> dict[str, str]:
        """Options by their widgets."""
        return {
            "preset": _("Preset"),
            "minutes": _("Length"),
            "device": _("Compute on"),
            "validation_part": _("Held back"),
            "images": _("Folder of volumes"),
            "labels": _("Folder of labels"),
            "resume": _("Resume"),
        }

    def update(self) -> None:
        """Enable the buttons, or say why not."""
        ui, parameters = self.ui, self.parameters
        running = _("A training is running.") if self.running else ""
        idle = "" if self.running else _("No training is running.")
        nodes = ui.trainVolumeSelector.currentNode() and ui.trainLabelsSelector.currentNode()
        folders = ui.imageFolderEdit.currentPath and ui.labelFolderEdit.currentPath
        self.enable(
            ui.addPairButton, _("Add the two nodes as a pair."), "" if nodes else _("Choose a volume and its labels.")
        )
        self.enable(
            ui.addFoldersButton,
            _("Add the files of the two folders, paired by name."),
            "" if folders else _("Choose the folder of volumes and the folder of labels."),
        )
        empty = "" if self.pairs else _("There is no pair yet.")
        chosen = 0 <= ui.pairsTable.currentRow() < len(self.pairs)
        self.enable(
            ui.removePairButton,
            _("Remove the selected pair."),
            empty or ("" if chosen else _("Select a pair in the table first.")),
        )
        self.enable(ui.clearPairsButton, _("Remove all pairs."), empty)
        self._showProblems()
        self.enable(
            ui.trainValidationBox,
            _("Fraction of the data held back to choose the best weights by, 0 to 0.9."),
            _("Pairs for validation are chosen in the table.") if any(p.validation for p in self.pairs) else "",
        )
        missing = running or self._missing()
        self.enable(ui.trainButton, _("Train a new model."), missing)
        self.enable(ui.trainStopButton, _("Stop, and write the best model so far."), idle)
        self.enable(ui.trainCancelButton, _("Stop; the state is kept, and Resume goes on from it."), idle)
        resumable = parameters is not None and self.checkpoint.exists()
        self.enable(
            ui.trainResumeButton,
            _("Go on from where the training of this name was stopped."),
            missing or ("" if resumable else _("No training of this name was stopped.")),
        )

    def _missing(self) -> str:
        if self.parameters is None or not self.parameters.trainName.strip():
            return _("Give the model a name.")
        if set(self.parameters.trainName) & set(_NOT_IN_NAMES):
            return _("Give the model a name without {characters}").format(characters=" ".join(_NOT_IN_NAMES))
        if not self.pairs:
            return _("Add at least one pair of volume and labels.")
        if all(pair.validation for pair in self.pairs):
            return _("Leave at least one pair to train on: all are for validation.")
        if problemsOf(self.pairs):
            return _("Remove or correct the pairs with a problem.")
        return ""

    def options(self) -> Row:
        """Options of the command ``acseg train``."""
        p = self.parameters
        options: OptionValues = {
            "preset": p.trainPreset,
            "device": p.trainDevice,
            "validation_part": p.trainValidation,
            "licence": p.trainLicence,
            "note": p.trainNote,
            "resample": True,
        }
        if p.trainMinutes:
            options["minutes"] = p.trainMinutes
        return options

    # -- training ---------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train a new model in a process of its own."""
        self.history, self.chart = [], None
        self._start(self._chosen())

    def resume(self) -> None:
        """Go on with a stopped training."""
        self._start(self._chosen(resume=True))

    def stopAndKeepBest(self) -> None:
        """Stop, then write the model with the best weights."""
        if self.running:
            self._keepBest = True
            self.cancel()

    def _chosen(self, **more: Any) -> Training:
        """The training that is chosen now."""
        pairs, validation = (
            [(p.image, p.labels) for p in self.pairs if p.validation == group] for group in (False, True)
        )
        return Training(pairs, validation, self.modelPath, {**self.options(), **more})

    def _start(self, training: Training) -> None:
        training.path.parent.mkdir(parents=True, exist_ok=True)
        self._training, self._keepBest, self._began = training, False, time.monotonic()
        self.start(
            lambda callbacks: self.module.logic.train(
                training.pairs, training.path, validation=training.validation, **training.options, **callbacks
            ),
            self._onDone,
            onMetrics=self._onMetrics,
            onError=self._onStopped,
            onProgress=self._onTraining,
        )

    def _onTraining(self, fraction: float, message: str) -> None:
        self.showProgress(fraction)
        text = capitalized(translated(message))
        self.say(f"{text} {remaining(time.monotonic() - self._began, fraction)}".strip())

    def _onMetrics(self, row: Row) -> None:
        self.history.append({**row, "minutes": round(float(row.get("seconds", 0.0)) / 60, 3)})
        if self.parameters is None:
            return
        validated = [r for r in self.history if "dice" in r]
        self._tables["loss"] = writeTable(self.history, self._tables.get("loss"), _("Training"))
        curves = [(self._tables["loss"], "loss")]
        if validated:  # a table of its own: the epochs between validations would tear the curve
            table = self._tables["dice"] = writeTable(validated, self._tables.get("dice"), _("Training validation"))
            columns = dict.fromkeys(name for r in validated for name in r)
            curves += [(table, name) for name in columns if name == "dice" or name.startswith("dice ")]
        shown = self.chart is not None
        self.chart = self.chart or Chart(_("Training"), _("minutes"), _("loss, validation Dice"), "training")
        self.chart.draw(curves, "minutes")
        if not shown:
            self.chart.show()

    def _onDone(self, path: str) -> None:
        self.say(_("Trained: {path}.").format(path=path))
        self.module.panels["Predict"].enter(choose=Path(path))

    def _onStopped(self, message: str) -> None:
        training = self._training
        resumable = training is not None and training.checkpoint.exists()
        if not message and self._keepBest and resumable:
            self.task = None
            self._start(replace(training, options={**training.options, "resume": True, "minutes": 0.05}))
            return
        kept = _("Cancelled; Resume goes on from where it stopped.")
        self._onError(message or (kept if resumable else ""))

    def sceneClosed(self) -> None:
        """Pairs of nodes are gone; those of files stay."""
        self.pairs = [p for p in self.pairs if not p.hasNodes]
        self.chart, self._tables, self._keepBest = None, {}, False
        self._showPairs()


def _answer(yes: bool) -> str:
    """What stands beside a box in the table: some dark themes hardly show the box itself."""
    return _("yes") if yes else _("no")


def remaining(elapsed: float, fraction: float) -> str:
    """Say how long it will still take, from the time so far (seconds) and the fraction done."""
    if fraction < 0.02 or elapsed < 5:
        return ""
    left = elapsed * (1 - fraction) / fraction
    if left < 90:
        return _("About {n} s left.").format(n=max(1, round(left)))
    if left < 5400:
        return _("About {n} min left.").format(n=round(left / 60))
    return _("About {n} h left.").format(n=round(left / 3600, 1))
