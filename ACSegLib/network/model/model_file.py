"""The model file: one safetensors file with a JSON header; no pickle, no code, readable without torch.

Layout: the safetensors format (https://github.com/huggingface/safetensors), that is eight bytes with the length of a
JSON object, that object, and the raw tensors. Its ``__metadata__`` holds the key ``acseg`` whose value is the text of
the JSON header:

================== =============================================================================================
``format``         "acseg-model"
``version``        `FORMAT_VERSION`; files of a later one are refused
``spec``           the network, see `ACSegLib.network.model.spec`
``preprocessing``  see `ACSegLib.network.model.preprocessing`
``segments``       list of name, value, colour, terminology, in the order of the output channels (after background)
``spacing``        voxel size (i, j, k) the network was trained at, in ``unit``; null when it was trained on voxels
``unit``           "nm", "um", "mm", ..., or "px"
``card``           what a user should know: training data checksums, versions, validation Dice, licence, date, text
================== =============================================================================================
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.atomic import atomic_output, require_writable_folder
from ACSegLib.json_values import Json
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.volume import UNITS_IN_MM, Segment
from ACSegLib.wording import counted

if TYPE_CHECKING:
    import torch

FORMAT_NAME, FORMAT_VERSION = "acseg-model", 1
#: Number of label values, 0 included, that files of labels can hold.
MAX_VALUES = 1 << 32
METADATA_KEY = "acseg"
SUFFIX = ".acseg"
#: Bytes of a header; a longer one is no header, or made to exhaust the memory.
MAX_HEADER_BYTES = 64 << 20
#: What reading a header raises that is JSON, but not what it should be; OverflowError: JSON knows "Infinity".
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass
class Model:
    """A trained network and all that is needed to apply it.

    Parameters
    ----------
    spec : NetworkSpec
    state_dict : dict of str to torch.Tensor, or to ndarray
        Its weights; empty in what `read_card` gives. `load_model` gives arrays where it is asked to, so that a
        prediction by OpenVINO needs no PyTorch; `network` and `tensors` turn them into tensors, `arrays` into arrays.
    segments : list of Segment
        In the order of the output channels; with softmax output channel 0, the background, comes before them.
    preprocessing : Preprocessing
        How an image becomes the network's input.
    spacing : tuple of float or None
        Voxel size (i, j, k) in `unit` that images are resampled to; None: images are taken voxel by voxel.
    unit : str
        Unit of `spacing`.
    card : dict
        Training data, versions, validation Dice, licence, date, free text; plain JSON values.
    """

    spec: NetworkSpec
    state_dict: dict[str, torch.Tensor]
    segments: list[Segment]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    spacing: tuple[float, float, float] | None = None
    unit: str = "px"
    card: Json = field(default_factory=dict)

    def __repr__(self) -> str:
        names = ", ".join(segment.name for segment in self.segments)
        sizes = ", ".join(f"{size:.6g}" for size in (self.spacing or ())[::-1])
        voxels = f"voxel size ({sizes}) {self.unit}" if sizes else "any voxel size"
        return f"<Model: {self.spec.kind}, {counted(len(self.segments), 'segments')} ({names}), {voxels}>"

    @property
    def reduces_images(self) -> bool:
        """Whether images are reduced to a fixed size for the network, whatever their voxels."""
        return bool(self.preprocessing.longest_side or self.preprocessing.mean_side)

    def network(self) -> torch.nn.Module:
        """Build the network with these weights, in evaluation mode, on the CPU.

        Raises
        ------
        InputError
            If the weights do not fit the spec.
        """
        from ACSegLib.network.model.architecture import build_network

        network = build_network(self.spec)
        try:
            network.load_state_dict(self.tensors())
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"the model's weights do not fit its network ({reason}); the file is damaged.") from error
        return network.eval()

    def tensors(self) -> dict[str, torch.Tensor]:
        """The weights as tensors, in the order of the model."""
        import torch

        return {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in self.state_dict.items()
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights as arrays; needs no torch where they were loaded as such."""
        return {
            name: value if isinstance(value, np.ndarray) else value.detach().cpu().float().numpy()
            for name, value in self.state_dict.items()
        }

    @property
    def thin_threshold(self) -> float:
        """Probability from which voxels of thin structures belong to their segment.

        The calibration measures it; 0.5 where it measured none, or where the file holds nonsense.
        """
        measured = self.preprocessing.thin_threshold
        return 0.5 if self.spec.overlapping or measured is None else float(measured)

    @property
    def segments_without_holes(self) -> list[str]:
        """Ids of the segments that should have no enclosed hole in a prediction."""
        names = self.preprocessing.without_holes or ()
        return [s.id for s in self.segments if s.name in names]

    def digest(self) -> str:
        """SHA-256 of network and weights, as hexadecimal digits."""
        import torch

        checksum = hashlib.sha256(json.dumps(self.spec.to_json(), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors().items()):
            checksum.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            checksum.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return checksum.hexdigest()


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model file, whole or not at all.

    Raises
    ------
    FileError
        If the folder is missing or the disk is full.
    """
    write_tensors(model.tensors(), json.dumps(_header(model), allow_nan=False), path)


def write_tensors(tensors: Mapping[str, torch.Tensor], header: str, path: str | os.PathLike[str]) -> None:
    """Write a safetensors file with a header of ours, whole or not at all.

    Raises
    ------
    FileError
        If the folder is missing or the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    require_output(path)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_output(path) as temporary:
        temporary.touch()
        usual = temporary.stat().st_mode  # safetensors' own files can be read by nobody but their owner
        try:
            save_file(contiguous, os.fspath(temporary), metadata={METADATA_KEY: header})
        except SafetensorError as error:
            raise FileError(f"cannot write {path}: {error}; free some space or choose another folder.") from error
        temporary.chmod(usual)


def require_output(path: str | os.PathLike[str]) -> None:
    """Raise FileError where no model can be written: no such folder, or a folder lies there, which it would replace."""
    require_writable_folder(path)
    if Path(path).is_dir():
        raise FileError(
            f"cannot write {path}: it is a folder; name a file in it, such as {Path(path) / 'model'}{SUFFIX}."
        )


def load_model(path: str | os.PathLike[str], *, arrays: bool = False) -> Model:
    """Read a model file.

    Parameters
    ----------
    arrays : bool
        Give the weights as numpy arrays, without importing torch.

    Raises
    ------
    FileError
        If it is missing, damaged, not a model of ACSeg, or written by a later version.
    """
    from safetensors import SafetensorError

    model = read_card(path)
    load = importlib.import_module("safetensors.numpy" if arrays else "safetensors.torch").load
    try:
        weights = load(Path(path).read_bytes())  # a mapped file could not be replaced or removed on Windows
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"the model file {path} is damaged ({error}); copy or train it again.") from error
    model.state_dict = dict(sorted(weights.items()))  # safetensors gives bytes' tensors in another order each time
    return model


def read_card(path: str | os.PathLike[str]) -> Model:
    """Read everything of a model file but its weights; needs no torch.

    Raises
    ------
    FileError
        As `load_model`.
    """
    header = _read_metadata(Path(path))
    version = header.get("version")
    if header.get("format") != FORMAT_NAME or not isinstance(version, int) or version < 1:
        raise FileError(f"{path} is not a model file of ACSeg; choose a file that 'acseg train' wrote.")
    if version > FORMAT_VERSION:
        raise FileError(
            f"the model file {path} has format version {version}, but this ACSeg reads up to {FORMAT_VERSION}; "
            "update ACSeg."
        )
    try:
        return _model(header)
    except _MALFORMED as error:
        raise FileError(f"the model file {path} is damaged (its header: {error}); copy or train it again.") from error


def _header(model: Model) -> Json:
    return {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "spec": model.spec.to_json(),
        "preprocessing": model.preprocessing.to_json(),
        "segments": [asdict(segment) for segment in model.segments],
        "spacing": list(model.spacing) if model.spacing else None,
        "unit": model.unit,
        "card": model.card,
    }


def _model(header: Json) -> Model:
    described, preprocessing, card = header["spec"], header["preprocessing"], header["card"]
    if not all(isinstance(part, dict) for part in (described, preprocessing, card)):
        raise TypeError("spec, preprocessing and card must be objects")
    spec = NetworkSpec.from_json(described)
    spacing = header["spacing"]
    if spacing is not None:
        spacing = tuple(float(v) for v in spacing)
        if len(spacing) != 3 or not all(math.isfinite(v) and v > 0 for v in spacing):
            raise ValueError(f"spacing must be three positive numbers, not {spacing}")
    if header["unit"] != "px" and header["unit"] not in UNITS_IN_MM:
        raise ValueError(f"unknown unit {header['unit']!r}")
    segments = [_segment(row) for row in header["segments"]]
    if len({segment.value for segment in segments}) < len(segments):
        raise ValueError("two segments have one value")
    if not all(0 < segment.value < MAX_VALUES for segment in segments):
        raise ValueError(f"values of segments must be 1 to {MAX_VALUES - 1}")
    if spec.segment_count != len(segments):
        raise ValueError(f"{len(segments)} segments for {spec.segment_count} outputs")
    return Model(spec, {}, segments, Preprocessing.from_json(preprocessing), spacing, header["unit"], card)


def _segment(row: Json) -> Segment:
    colour = tuple(float(v) for v in row["colour"])
    if len(colour) != 3 or not all(0 <= v <= 1 for v in colour):
        raise ValueError(f"colour of segment {row['name']!r} must be three numbers from 0 to 1")
    return Segment(
        str(row["name"]),
        int(row["value"]),
        colour,
        id=str(row.get("id", "")),
        terminology=str(row.get("terminology", "")),
        tags={str(k): str(v) for k, v in dict(row.get("tags", {})).items()},
    )


def _read_metadata(path: Path) -> Json:
    """Read the JSON header of a safetensors file: the first bytes alone, and never more than the file has."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            size = path.stat().st_size
            if len(start) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
                raise FileError(_foreign(path, start))
            header = json.loads(stream.read(length))
        text = header.pop("__metadata__")[METADATA_KEY]
        header_json = json.loads(text)
        promised = 8 + length + max((row["data_offsets"][1] for row in header.values()), default=0)
    except FileNotFoundError as error:
        raise FileError(f"the model file {path} does not exist; check the path.") from error
    except IsADirectoryError as error:
        raise FileError(f"{path} is a folder, not a model file.") from error
    except (*_MALFORMED, RecursionError) as error:
        raise FileError(_foreign(path, start)) from error
    if not isinstance(header_json, dict):
        raise FileError(f"the model file {path} is damaged (its header is no object); copy or train it again.")
    if size != promised:
        raise FileError(
            f"the model file {path} is damaged ({size:,} bytes instead of {promised:,}); copy or train it again."
        )
    return header_json


def _foreign(path: Path, start: bytes) -> str:
    """Say what a file that is no model file is, where its first bytes tell."""
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return (
            f"{path} is a pickled or zipped checkpoint (PyTorch), which could run code when opened and is never read; "
            "choose a file that 'acseg train' wrote."
        )
    if start == b"\x89HDF\r\n\x1a\n":
        return f"{path} is an HDF5 file; if it is a Biomedisa model, import it with: acseg model import {path} -o FILE"
    return f"{path} is not a model file of ACSeg, or is cut short; choose a file that 'acseg train' wrote."
