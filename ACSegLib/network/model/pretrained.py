"""The model that ships with ACSeg, and opening a model of any origin."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.errors import FileError

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

NAME = "cytoplasm.acseg"


def pretrained_model() -> Path:
    """Path of the pretrained model: cytoplasm = 1, bead = 2.

    It lies in Resources/Models beside ACSegLib in a source checkout and among Slicer's scripted modules, and in
    share/acseg/models of a Python installation, or of the user where pip may not write in that.

    Raises
    ------
    FileError
        If the installation lacks it.
    """
    beside = Path(__file__).resolve().parents[3] / "Resources" / "Models" / NAME
    data = (sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user")))
    for path in (beside, *(Path(place) / "share" / "acseg" / "models" / NAME for place in data)):
        if path.is_file():
            return path
    raise FileError(f"the pretrained model of ACSeg is missing ({beside}); install ACSeg again, or give a model: -m.")


def open_model(path: str | None = None, *, arrays: bool = False) -> Model:
    """Open a model: a file of ACSeg or of Biomedisa (.h5), told apart by content; None opens the pretrained one.

    Parameters
    ----------
    arrays : bool
        Give the weights of a file of ACSeg as numpy arrays, without importing torch.

    Raises
    ------
    FileError
        If the file is missing, damaged or of another kind.
    """
    from ACSegLib.network.biomedisa.model_import import import_biomedisa, is_biomedisa_file
    from ACSegLib.network.model.model_file import load_model

    if path is None:
        return load_model(pretrained_model(), arrays=arrays)
    return import_biomedisa(path) if is_biomedisa_file(path) else load_model(path, arrays=arrays)
