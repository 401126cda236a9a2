"""Loads 2D models that take a box as prompt (SAM-like): ONNX or OpenVINO files.

The signature is that of the exported EfficientSAM models (Xiong et al., CVPR 2024):

======================= ====================== =========================================================
tensor                  shape                  meaning
======================= ====================== =========================================================
input ``image``         (1, 3, rows, columns)  float32, 0 to 1
input ``points``        (1, 1, 2, 2)           float32, the box's two corners (column, row)
input ``point labels``  (1, 1, 2)              float32, 2 for the first corner and 3 for the last
output ``logits``       (1, 1, masks, rows, columns)  above 0 inside
output ``scores``       (1, 1, masks)          predicted quality; the best mask is taken
======================= ====================== =========================================================

Both hold a graph of arithmetic and nothing that could run or write. TorchScript (.pt) is refused: its programs can
write any file, whatever loads them. `torch.onnx.export` makes an ONNX file of such a model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError, InputError
from ACSegLib.heavy_imports import import_openvino

ENDINGS = (".onnx", ".xml")
_PROGRAMS = (".pt", ".pth", ".ts", ".torchscript", ".jit")
_Tensors = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class BoxPromptModel:
    """A loaded model; call it with an image and a box."""

    def __init__(self, run: _Tensors, name: str) -> None:
        self._run = run
        self.name = name

    def __call__(self, image: np.ndarray, box: Sequence[float]) -> np.ndarray:
        """Segment what the box encloses; see `ACSegLib.measure.thresholding.PromptModel`."""
        x0, y0, x1, y1 = (float(v) for v in box)
        points = np.array([[[[x0, y0], [x1, y1]]]], np.float32)
        labels = np.array([[[2.0, 3.0]]], np.float32)
        logits, scores = self._run(np.ascontiguousarray(image[None], np.float32), points, labels)
        if logits.ndim != 5 or logits.shape[-2:] != image.shape[-2:] or scores.shape[-1] != logits.shape[2]:
            raise InputError(
                f"{self.name}: the model gave shapes {logits.shape} and {scores.shape}; (1, 1, masks, rows, columns) "
                "and (1, 1, masks) are expected."
            )
        return np.asarray(logits[0, 0, int(np.argmax(scores[0, 0]))] > 0)


def open_prompt_model(path: str | os.PathLike[str]) -> BoxPromptModel:
    """Load a box-prompted 2D model.

    Parameters
    ----------
    path : path
        ONNX (.onnx) or OpenVINO (.xml, with its .bin).

    Raises
    ------
    FileError
        If the file is missing or no such model.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: there is no such model file; check the name.")
    ending = path.suffix.lower()
    if ending in _PROGRAMS:
        raise FileError(
            f"{path}: a TorchScript model can write any file of this computer, so it is not opened; export it as ONNX "
            "(torch.onnx.export)."
        )
    if ending not in ENDINGS:
        raise FileError(f"{path}: a prompt model must end in one of {', '.join(ENDINGS)}.")
    try:
        run = _openvino(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise FileError(
            f"{path}: is no ONNX or OpenVINO model that can be loaded ({reason}); export it again."
        ) from error
    return BoxPromptModel(run, path.name)


def _openvino(path: Path) -> _Tensors:
    compiled = import_openvino().Core().compile_model(str(path), "CPU")

    def run(image: np.ndarray, points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = compiled([image, points, labels])
        return np.asarray(found[0]), np.asarray(found[1])

    return run
