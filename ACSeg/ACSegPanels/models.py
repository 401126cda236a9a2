"""The model folder: which trained networks there are, and what their cards say."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json
from ACSegPanels.translation import translated

SUFFIX = ".acseg"

#: Model files that can be applied: of ACSeg and of Biomedisa.
SUFFIXES = (SUFFIX, ".h5")

#: Texts of a card that a search looks at.
_SEARCHED = ("title", "note", "trained_on", "works_on", "fails_on", "licence")


def modelFolder() -> Path:
    """Give the folder of the models: the setting "ACSeg/ModelFolder", else "ACSeg models" among the documents."""
    import slicer

    chosen = slicer.app.userSettings().value("ACSeg/ModelFolder")
    if chosen:
        return Path(chosen)
    import qt

    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    return Path(documents) / "ACSeg models"


def setModelFolder(folder: str | Path) -> None:
    """Choose the folder of the models."""
    import slicer

    slicer.app.userSettings().setValue("ACSeg/ModelFolder", str(folder))


def addModel(source: str | Path) -> Path:
    """Copy a model file into the model folder, and give its place there.

    Raises
    ------
    InputError
        If it is no model, or the folder has a file of its name.
    """
    from ACSegLib.files.atomic import atomic_output

    source, folder = Path(source), modelFolder()
    entry = readModel(source)
    if entry.problem:
        raise InputError(entry.problem)
    target = folder / source.name
    if target.exists():
        raise InputError(_("The model folder has a file {name}: rename one of them.").format(name=source.name))
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_output(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def isOwn(entry: ModelEntry) -> bool:
    """Whether a model lies in the model folder, so that it may be removed; the pretrained one does not."""
    return entry.path.parent == modelFolder()


def removeModel(entry: ModelEntry) -> None:
    """Delete the file of a model of the model folder."""
    if not isOwn(entry):
        raise InputError(_("The model {name} belongs to ACSeg: it stays.").format(name=entry.path.name))
    entry.path.unlink()


def kindOfData(volumeNode: Any) -> str:
    """What a default model is kept for: the voxel size of a volume with two digits, such as "59 nm"."""
    from ACSegLib.scene.grid import length_unit

    spacing = volumeNode.GetSpacing()
    size = (spacing[0] * spacing[1] * spacing[2]) ** (1 / 3)
    return f"{float(f'{size:.2g}'):g} {length_unit(volumeNode)}"


def defaultModel(kind: str) -> str:
    """Name of the model file that was chosen for data of this kind; empty for none."""
    import slicer

    return str(slicer.app.userSettings().value(f"ACSeg/DefaultModel/{kind}") or "")


def setDefaultModel(kind: str, name: str) -> None:
    """Choose the model file for data of this kind (empty: none)."""
    import slicer

    slicer.app.userSettings().setValue(f"ACSeg/DefaultModel/{kind}", name)


@dataclass(frozen=True)
class ModelEntry:
    """One model file.

    Attributes
    ----------
    path : Path
    problem : str
        Why it cannot be used; empty where it can.
    labels : list of str
    card : mapping
        What the file says about itself.
    voxelSize : str
        Voxel size that it was trained at, with its unit.
    """

    path: Path
    labels: list[str]
    card: Json
    voxelSize: str = ""
    problem: str = ""

    def matches(self, text: str) -> bool:
        """Whether every word of a search is in the name, the labels or the texts of the card."""
        written = (str(self.card.get(key) or "") for key in _SEARCHED)
        told = " ".join([self.path.stem, *self.labels, *written]).lower()
        return all(word in told for word in text.lower().split())

    @property
    def html(self) -> str:
        """The card, for a person."""
        if self.problem:
            return f"<b>{escape(self.path.name)}</b><br>{escape(self.problem)}"
        rows = [
            (_("Labels"), ", ".join(self.labels) or _("as trained")),
            (_("Voxel size"), self.voxelSize or _("any")),
        ]
        rows += [(title, text) for title, text in _describe(self.card) if text]
        lines = "".join(f"<tr><td><b>{title}</b>&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>" for title, text in rows)
        return f"<b>{escape(self.path.stem)}</b><table>{lines}</table>"


def _describe(card: Json) -> list[tuple[str, str]]:
    scores = card.get("validation") or {}
    dice = scores.get("mean_dice")
    by_segment = ", ".join(f"{name} {value:.3f}" for name, value in (scores.get("dice") or {}).items())
    training = card.get("training") or []
    return [
        (_("Validation Dice"), f"{dice:.3f} ({by_segment})" if isinstance(dice, float) else ""),
        (_("Trained on"), _("{count} volumes").format(count=len(training)) if training else ""),
        (_("Date"), str(card.get("date") or "")[:10]),
        (_("Licence"), str(card.get("licence") or _("not stated"))),
        (_("Note"), str(card.get("note") or "")),
    ]


def listModels() -> list[ModelEntry]:
    """List the model files of the model folder, the newest first, then the one that ships with ACSeg.

    A broken file is listed with its problem.
    """
    from ACSegLib.errors import FileError
    from ACSegLib.network.model.pretrained import pretrained_model

    folder = modelFolder()
    files = [p for suffix in SUFFIXES for p in folder.glob(f"*{suffix}")] if folder.is_dir() else []
    files.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    try:
        files.append(pretrained_model())
    except FileError:
        logging.getLogger("ACSeg").debug("this build ships no model")
    return [readModel(path) for path in files]


def readModel(path: Path) -> ModelEntry:
    """Read a model's card, without its weights."""
    from ACSegLib.network.model.model_file import read_card

    if path.suffix == ".h5":
        return ModelEntry(path, [], {"note": _("Biomedisa model, applied as Biomedisa does")})
    try:
        model = read_card(path)
    except (ValueError, OSError) as error:
        return ModelEntry(path, [], {}, problem=translated(str(error)))
    size = ""
    if model.spacing is not None:
        numbers = sorted({round(v, 4) for v in model.spacing})
        size = " x ".join(f"{v:g}" for v in (numbers if len(numbers) == 1 else model.spacing)) + f" {model.unit}"
    return ModelEntry(path, [s.name for s in model.segments], model.card, size)
