"""The model folder: which trained networks there are, and what their cards say."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from html import escape
from pathlib import Path

from slicer.i18n import tr as _

from ACSegLib.json_values import Json

SUFFIX = ".acseg"

#: Model files that can be applied: of ACSeg and of Biomedisa.
SUFFIXES = (SUFFIX, ".h5")


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


def listModels(folder: Path | None = None) -> list[ModelEntry]:
    """List the model files of a folder, the newest first, then the one that ships with ACSeg.

    A broken file is listed with its problem.
    """
    from ACSegLib.errors import FileError
    from ACSegLib.network.model.pretrained import pretrained_model

    folder = folder or modelFolder()
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
        return ModelEntry(path, [], {}, problem=str(error))
    size = ""
    if model.spacing is not None:
        numbers = sorted({round(v, 4) for v in model.spacing})
        size = " x ".join(f"{v:g}" for v in (numbers if len(numbers) == 1 else model.spacing)) + f" {model.unit}"
    return ModelEntry(path, [s.name for s in model.segments], model.card, size)
