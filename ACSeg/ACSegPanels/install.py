"""Installs what a step needs, asked for once, on the first button that needs it: never at start-up.

PyTorch comes through Slicer's extension PyTorch, which chooses the build for the graphics card, and before everything
else, so that no other package brings another build. The rest comes through ``slicer.packaging`` (Slicer 5.12), or
``slicer.util.pip_install`` where that is missing (Slicer 5.10).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

_COMPUTE = ["numba>=0.59", "psutil>=5.9", "pynrrd>=1.0"]
_TIFF = ["tifffile>=2023.7", "imagecodecs>=2023.7"]  # the second for LZW, which Fiji writes, and JPEG
_FILES = ["h5py>=3.8", "mrcfile>=1.5", *_TIFF, "nibabel>=5.0", "pydicom>=2.4", "zarr>=3.0"]

#: Packages of each step, beyond what Slicer has; the bounds are those of pyproject.toml.
REQUIREMENTS: dict[str, list[str]] = {
    "fill": _COMPUTE,
    "train": [*_COMPUTE, *_FILES, "monai>=1.3", "lightning>=2.2", "safetensors>=0.4", "matplotlib>=3.8"],
    "predict": [*_COMPUTE, *_FILES, "safetensors>=0.4", "openvino>=2024.1", "opencv-python-headless>=4.8"],
    "measure": [*_COMPUTE, "scikit-image>=0.22"],
    "xlsx": ["openpyxl>=3.1"],
}

REQUIREMENTS["simulate"] = _COMPUTE
REQUIREMENTS["download"] = [*_COMPUTE, *_FILES]

#: Steps that need PyTorch on every computer; a prediction needs it on a graphics card alone.
NEED_TORCH = {"train"}

TORCH_REQUIREMENT = ">=2.2"

#: Packages of Slicer and of its extension PyTorch: what is built on them needs the version that is there, and they are
#: loaded, so that a running program must not get another one. Without this, pip renews numpy for tifffile's sake.
KEPT = ("numpy", "scipy", "SimpleITK", "pydicom", "pillow", "requests", "torch", "torchvision")

#: Called before and after packages are installed: Windows replaces no file of a package that a process has loaded, and
#: what runs already does not know the new ones.
onInstall: list[Callable[[], None]] = []


class DependencyError(RuntimeError):
    """What a step needs is not installed; the message says what to do."""


def ensureDependencies(step: str) -> None:
    """Install what a step needs, after one question; does nothing where all is there.

    Parameters
    ----------
    step : str
        A key of `REQUIREMENTS`.

    Raises
    ------
    DependencyError
        If the person declines, the installation fails, or Slicer has to be restarted first.
    """
    packages, torch = missingRequirements(step), _lacksTorch(step)
    if not packages and not torch:
        return
    names = [*(["PyTorch"] if torch else []), *packages]
    if slicer.app.testingEnabled():
        raise DependencyError(
            _("ACSeg needs {packages}; nothing is installed in testing mode.").format(packages=", ".join(names))
        )
    logic = _torchLogic() if torch else None
    _ask(names)
    with installing():
        if torch:
            _installTorch(logic)
        if packages:
            _installPackages(packages)
    importlib.invalidate_caches()
    left = [*missingRequirements(step), *(["PyTorch"] if _lacksTorch(step) else [])]
    if left:
        raise DependencyError(
            _("{packages} cannot be found after the installation: restart Slicer, then press the button again.").format(
                packages=", ".join(left)
            )
        )


@contextlib.contextmanager
def installing() -> Iterator[None]:
    """Call what is in `onInstall` before packages are installed in the block, and after they were."""
    for callback in onInstall:
        callback()
    yield
    for callback in onInstall:
        callback()


def missingRequirements(step: str) -> list[str]:
    """List the packages of a step that are not installed, PyTorch left out."""
    return [r for r in REQUIREMENTS[step] if not _isInstalled(r)]


def _lacksTorch(step: str) -> bool:
    return needsTorch(step) and not _isInstalled(f"torch{TORCH_REQUIREMENT}")


def needsTorch(step: str) -> bool:
    """Whether a step computes with PyTorch here: a prediction does so only on a graphics card of NVIDIA."""
    return step in NEED_TORCH or (step == "predict" and shutil.which("nvidia-smi") is not None)


def installedVersion(name: str) -> str:
    """Version of a package; empty where it is not installed, or only half."""
    try:
        return importlib.metadata.version(name) or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _isInstalled(requirement: str) -> bool:
    name, wanted = re.fullmatch(r"([A-Za-z0-9_.-]+?)>=([0-9.]+)", requirement).groups()
    version = installedVersion(name)
    return bool(version) and _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.split("+")[0])[:3])


def _ask(names: list[str]) -> None:
    """Ask whether packages may be installed; DependencyError where not."""
    question = _(
        "This step needs Python packages that are not installed yet:\n\n{packages}\n\n"
        "They will be downloaded and added to Slicer's Python. Install them now?"
    ).format(packages="\n".join(f"- {name}" for name in names))
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("ACSeg: install packages")):
        raise DependencyError(
            _("ACSeg needs {packages}: press the button again to install.").format(packages=", ".join(names))
        )


def _installPackages(requirements: list[str]) -> None:
    try:
        import slicer.packaging as packaging
    except ImportError:  # Slicer 5.10
        packaging = None
    kept = [f"{name}=={version}" for name in KEPT if (version := installedVersion(name))]
    try:
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text("\n".join(kept), encoding="utf-8")
            if packaging is not None:
                packaging.pip_ensure(requirements, constraints=constraints, prompt_install=False, requester="ACSeg")
            else:
                slicer.util.pip_install(["--constraint", str(constraints), *requirements])
    except Exception as error:
        raise DependencyError(
            _("{packages} could not be installed: {reason}. Slicer's log has the details.").format(
                packages=", ".join(requirements), reason=str(error).rstrip(".")
            )
        ) from error


def _installTorch(logic: Any) -> None:
    try:
        torch = logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH_REQUIREMENT)
    except Exception as error:
        raise DependencyError(
            _(
                "PyTorch could not be installed: {reason}. Remove and install it in the module PyTorch, then restart."
            ).format(reason=str(error).rstrip("."))
        ) from error
    if torch is None:
        raise DependencyError(_("Training and prediction need PyTorch: press the button again to install it."))


def _torchLogic() -> Any:
    """Logic of Slicer's extension PyTorch; where it is missing, offer to install it, which ends in a restart."""
    if importlib.util.find_spec("PyTorchUtils") is not None:
        import PyTorchUtils

        return PyTorchUtils.PyTorchUtilsLogic()
    question = _(
        "Training and prediction need Slicer's extension PyTorch. Install it now? Slicer restarts then: save your work "
        "first."
    )
    if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("ACSeg: install the extension PyTorch")):
        model = slicer.app.extensionsManagerModel()
        interactive, model.interactive = model.interactive, False  # it was asked above
        try:
            if model.installExtensionFromServer("PyTorch"):  # restarts Slicer
                raise DependencyError(_("The extension PyTorch is installed: restart Slicer."))
        finally:
            model.interactive = interactive
        logging.getLogger("ACSeg").info("the extension PyTorch could not be installed")
    raise DependencyError(_("Install the extension PyTorch in the Extensions Manager, then restart Slicer."))
