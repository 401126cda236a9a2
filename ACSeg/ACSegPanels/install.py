"""Installs what a step needs, asked for once, on the first button that needs it: never at start-up.

PyTorch comes through Slicer's extension PyTorch, which chooses the build for the graphics card; everything else
through ``slicer.packaging`` (Slicer 5.12), or ``slicer.util.pip_install`` where that is missing (Slicer 5.10).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from typing import Any

import slicer
from slicer.i18n import tr as _

_COMPUTE = ["numba>=0.59", "scikit-image>=0.22", "psutil>=5.9", "rich>=13"]
_FILES = ["h5py>=3.8", "mrcfile>=1.5", "tifffile>=2023.7"]

#: Packages of each step, beyond what Slicer has.
REQUIREMENTS: dict[str, list[str]] = {
    "fill": _COMPUTE,
    "train": [*_COMPUTE, *_FILES, "monai>=1.3", "safetensors>=0.4", "tensorboard>=2.14"],
    "predict": [*_COMPUTE, *_FILES, "monai>=1.3", "safetensors>=0.4"],
    "measure": [*_COMPUTE, "pandas>=2.0"],
    "xlsx": ["openpyxl>=3.1"],
}

#: Steps that need PyTorch.
NEED_TORCH = {"train", "predict"}

TORCH_REQUIREMENT = ">=2.2"


class DependencyError(RuntimeError):
    """What a step needs is not installed; the message says what to do."""


def ensureDependencies(step: str) -> None:
    """Install what a step needs, after asking; does nothing where all is there.

    Parameters
    ----------
    step : {"fill", "train", "predict", "measure", "xlsx"}

    Raises
    ------
    DependencyError
        If the person declines, or the installation fails.
    """
    missing = missingRequirements(step)
    if missing:
        _installPackages(missing)
    if step in NEED_TORCH and not _isInstalled(f"torch{TORCH_REQUIREMENT}"):
        _installTorch()


def missingRequirements(step: str) -> list[str]:
    """List the packages of a step that are not installed, PyTorch left out."""
    return [r for r in REQUIREMENTS[step] if not _isInstalled(r)]


def _isInstalled(requirement: str) -> bool:
    name, wanted = re.fullmatch(r"([A-Za-z0-9_.-]+?)>=([0-9.]+)", requirement).groups()
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return version is not None and _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])


def _installPackages(requirements: list[str]) -> None:
    try:
        import slicer.packaging as packaging
    except ImportError:
        packaging = None
    try:
        if packaging is not None:
            packaging.pip_ensure(requirements, requester="ACSeg", skip_in_testing=False)
        else:
            _installAsking(requirements)
    except DependencyError:
        raise
    except Exception as error:
        raise DependencyError(
            _("ACSeg needs {packages}, which could not be installed: {reason}").format(
                packages=", ".join(requirements), reason=error
            )
        ) from error
    importlib.invalidate_caches()


def _installAsking(requirements: list[str]) -> None:
    """Slicer 5.10: ask, then install with Slicer's own pip."""
    question = _("ACSeg needs to install: {packages}. Install now?").format(packages=", ".join(requirements))
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("ACSeg")):
        raise DependencyError(
            _("ACSeg needs {packages}: press the button again to install.").format(packages=", ".join(requirements))
        )
    slicer.util.pip_install(" ".join(f'"{r}"' for r in requirements))


def _installTorch() -> None:
    logic = _torchLogic()
    try:
        torch = logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT)
    except Exception as error:
        raise DependencyError(
            _(
                "PyTorch could not be installed: {reason}. Remove and install it in the module PyTorch, then restart."
            ).format(reason=error)
        ) from error
    if torch is None:
        raise DependencyError(_("Training and prediction need PyTorch: press the button again to install it."))


def _torchLogic() -> Any:
    if importlib.util.find_spec("PyTorchUtils") is None:
        question = _("Training and prediction need Slicer's extension PyTorch. Install it and restart Slicer?")
        if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("ACSeg")):
            model = slicer.app.extensionsManagerModel()
            model.interactive = False
            if model.installExtensionFromServer("PyTorch"):
                slicer.util.restart()
        raise DependencyError(_("Install the extension PyTorch in the Extensions Manager, then restart Slicer."))
    import PyTorchUtils

    return PyTorchUtils.PyTorchUtilsLogic()
