"""Biomedisa's model files (.h5): read with h5py alone, checked, and turned into a `Model`.

The file is a Keras HDF5 file (Keras 2 and Keras 3 name the weights differently) with a group ``meta`` that Biomedisa
adds: size to which images are scaled, normalisation, label values. Nothing of it is executed: weights are read as
numbers, the JSON description serves for checks alone, and layers other than those of Biomedisa's U-Net are refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.json_values import Json
from ACSegLib.network.model.preprocessing import DEFAULT_PATCH, BiomedisaPreprocessing, Normalisation, Preprocessing
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec
from ACSegLib.volume import Segment, default_colour

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

_LAYERS = {
    "InputLayer",
    "Conv3D",
    "BatchNormalization",
    "SyncBatchNormalization",
    "Activation",
    "ReLU",
    "Softmax",
    "MaxPooling3D",
    "UpSampling3D",
    "Concatenate",
    "Add",
    "Reshape",
}
_CONVOLUTION = re.compile(r"conv_(\d+)_([12])")
_IDENTITY = re.compile(r"identity_?(\d+)_1", re.IGNORECASE)
MAX_ARRAY_VALUES = 1 << 28  # values in one array: 1 GiB of float32, twenty times Biomedisa's largest layer


def is_biomedisa_file(path: str | os.PathLike[str]) -> bool:
    """Tell by its first bytes whether a file is HDF5, as Biomedisa's models are."""
    try:
        with open(path, "rb") as stream:
            return stream.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return False


def import_biomedisa(path: str | os.PathLike[str]) -> Model:
    """Read a model that Biomedisa wrote.

    Parameters
    ----------
    path : path
        An .h5 file of Biomedisa 22 to 26 (tf.keras 2 or Keras 3).

    Returns
    -------
    Model
        Of kind "biomedisa-unet". Its preprocessing holds what Biomedisa's own prediction needs, as ``biomedisa``, and
        for running it natively or fine-tuning it ``patch_size`` and ``normalisation``, as our own models have.

    Raises
    ------
    FileError
        If the file is damaged, is not a Biomedisa U-Net, or holds anything but numbers where numbers belong.
    """
    from ACSegLib.network.model.model_file import Model

    content = read_biomedisa(path)
    segments = [
        Segment(f"label {value}", value, default_colour(n)) for n, value in enumerate(content.biomedisa.labels[1:])
    ]
    return Model(
        spec=content.spec,
        state_dict=_to_torch(content.weights),
        segments=segments,
        preprocessing=content.preprocessing,
        spacing=None,
        unit="px",
        card=content.card,
    )


@dataclass
class BiomedisaContent:
    """What a Biomedisa file holds, as plain Python and numpy values.

    Attributes
    ----------
    spec : NetworkSpec
    weights : dict of str to ndarray
        Parameter name of `BiomedisaUNet` -> float32 array in PyTorch's axis order.
    preprocessing : Preprocessing
    card : dict
        What to tell people.
    """

    spec: NetworkSpec
    weights: dict[str, np.ndarray]
    preprocessing: Preprocessing
    card: Json

    @property
    def biomedisa(self) -> BiomedisaPreprocessing:
        """What Biomedisa's own prediction needs."""
        assert self.preprocessing.biomedisa is not None
        return self.preprocessing.biomedisa


def read_biomedisa(path: str | os.PathLike[str]) -> BiomedisaContent:
    """Read a Biomedisa model without torch; see `import_biomedisa`."""
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist; name a model that Biomedisa wrote (.h5).")
    try:
        with h5py.File(path, "r") as file:
            return _Reader(path, file).read()
    except FileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError) as error:
        raise FileError(
            f"{path} cannot be read as a Biomedisa model ({error}); the file is damaged or of another program."
        ) from error


class _Reader:
    """Reads one open file; every complaint names it."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self.file = file

    def read(self) -> BiomedisaContent:
        if "model_weights" not in self.file:
            raise self._not_ours("it has no group 'model_weights'")
        layers = self._layer_configs()
        meta = self._meta()
        weights, spec = self._weights(layers)
        preprocessing = self._preprocessing(meta, layers, spec)
        card = {
            "title": self.path.stem,
            "source": "Biomedisa",
            "keras_version": str(self._attribute("keras_version") or "unknown"),
            "trained_on": "unknown; the file does not say",
            "parameters": int(sum(w.size for w in weights.values())),
            "cropping": self._cropping(),
        }
        if "header" in meta:
            card["amira_header"] = bytes(np.asarray(meta["header"]).astype(np.uint8)).decode("latin-1", "replace")
        return BiomedisaContent(spec, weights, preprocessing, card)

    def _not_ours(self, why: str) -> FileError:
        return FileError(f"{self.path} is not a Biomedisa U-Net: {why}; import a model trained by Biomedisa (.h5).")

    def _attribute(self, name: str) -> Any:
        value = self.file.attrs.get(name)
        if value is None:
            value = self.file["model_weights"].attrs.get(name)
        return value.decode() if isinstance(value, bytes) else value

    def _layer_configs(self) -> dict[str, Json]:
        """Configuration of each layer by name, its class under "class_name"; refuses layers that could run code."""
        text = self._attribute("model_config")
        if text is None:
            raise self._not_ours("it holds weights alone, without the network's description")
        configs = {}
        for layer in json.loads(text)["config"]["layers"]:
            if layer["class_name"] not in _LAYERS:
                raise self._not_ours(f"layer {layer['config'].get('name')!r} is a {layer['class_name']}")
            config = dict(layer["config"], class_name=layer["class_name"])
            configs[config["name"]] = config
        return configs

    def _array(self, group: Any, name: str) -> np.ndarray:
        """One array of numbers of a sensible size that lies in this file itself."""
        import h5py

        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise self._not_ours(f"{name!r} of {group.name} is missing or a link to another place")
        data = group[name]
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
            raise self._not_ours(f"{group.name}/{name} is not a plain array")
        if data.dtype.kind not in "iuf" or data.size > MAX_ARRAY_VALUES:
            raise self._not_ours(f"{group.name}/{name} holds {data.dtype} of shape {data.shape}")
        return np.asarray(data[()])

    def _group(self, parent: Any, name: str) -> Any:
        import h5py

        if not isinstance(parent.get(name, getlink=True), h5py.HardLink) or not isinstance(parent[name], h5py.Group):
            raise self._not_ours(f"{parent.name}/{name} is missing or a link to another place")
        return parent[name]

    def _meta(self) -> dict[str, np.ndarray | str]:
        if "meta" not in self.file:
            raise self._not_ours("Biomedisa's group 'meta' (image size, labels) is missing")
        group = self._group(self.file, "meta")
        return {name: self._array(group, name) for name in group if name != "extension"}

    def _layer(self, name: str) -> dict[str, np.ndarray]:
        """Weights of a layer by short name ("kernel"); Keras 2 appends ":0" and both repeat the layer's name."""
        group = self._group(self._group(self.file, "model_weights"), name)
        while len(group) == 1 and next(iter(group)).split(":")[0] not in ("kernel", "gamma"):
            group = self._group(group, next(iter(group)))
        return {key.split(":")[0]: self._array(group, key).astype(np.float32, copy=False) for key in group}

    def _weights(self, layers: Json) -> tuple[dict[str, np.ndarray], NetworkSpec]:
        convolutions = {m.groups() for m in map(_CONVOLUTION.fullmatch, self.file["model_weights"]) if m}
        last = max((int(block) for block, _ in convolutions), default=0)
        blocks = last - 1
        if blocks < 3 or blocks % 2 == 0 or (str(last), "2") in convolutions:
            raise self._not_ours(f"it has {blocks} blocks of convolutions, not an encoder, bottleneck and decoder")
        identities = {int(m.group(1)): n for n in self.file["model_weights"] if (m := _IDENTITY.fullmatch(n))}
        weights: dict[str, np.ndarray] = {}
        for block in range(1, last):
            self._read_block(block, layers, identities.get(block), weights)
        self._convolution(f"conv_{last}_1", "head", weights, 1)
        filters = [len(weights[f"blocks.{n}.conv1.bias"]) for n in range(blocks // 2 + 1)]
        spec = NetworkSpec(
            kind=BIOMEDISA_KIND,
            in_channels=int(weights["blocks.0.conv1.weight"].shape[1]),
            out_channels=len(weights["head.bias"]),
            filters=tuple(filters),
            residual=bool(identities),
            epsilon=float(layers["batch_norm_1_1"].get("epsilon", 1e-3)),
        )
        self._check_shapes(weights, spec, bool(identities))
        self._check_sampling(layers)
        return weights, spec

    def _read_block(self, block: int, layers: Json, identity: str | None, weights: dict[str, np.ndarray]) -> None:
        name = f"blocks.{block - 1}"
        for stage in (1, 2):
            self._convolution(f"conv_{block}_{stage}", f"{name}.conv{stage}", weights, 3)
            activation = layers.get(f"conv_{block}_{stage}", {}).get("activation")
            if activation != ("linear" if identity and stage == 2 else "relu"):
                raise self._not_ours(f"layer conv_{block}_{stage} has activation {activation!r}")
            norm = self._layer(f"batch_norm_{block}_{stage}")
            for ours, theirs in (
                ("weight", "gamma"),
                ("bias", "beta"),
                ("running_mean", "moving_mean"),
                ("running_var", "moving_variance"),
            ):
                weights[f"{name}.norm{stage}.{ours}"] = norm[theirs]
        if identity:
            kernel = self._layer(identity)["kernel"]
            weights[f"{name}.identity.weight"] = np.ascontiguousarray(kernel.transpose(4, 3, 0, 1, 2))

    def _convolution(self, layer: str, name: str, weights: dict[str, np.ndarray], size: int) -> None:
        arrays = self._layer(layer)
        kernel = arrays["kernel"]
        if kernel.ndim != 5 or kernel.shape[:3] != (size,) * 3:
            raise self._not_ours(f"the kernel of layer {layer} has shape {kernel.shape}")
        weights[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(4, 3, 0, 1, 2))
        weights[f"{name}.bias"] = arrays["bias"]

    def _check_shapes(self, weights: Mapping[str, np.ndarray], spec: NetworkSpec, residual: bool) -> None:
        filters, inputs = spec.filters, spec.in_channels
        outputs = [*filters, *reversed(filters[:-1])]
        for n, out in enumerate(outputs):
            inputs += out if n >= len(filters) else 0
            expected: dict[str, tuple[int, ...]] = {
                "conv1.weight": (out, inputs, 3, 3, 3),
                "conv2.weight": (out, out, 3, 3, 3),
            }
            if residual:
                expected["identity.weight"] = (out, inputs, 1, 1, 1)
            for key in ("conv1.bias", "conv2.bias"):
                expected[key] = (out,)
            for norm in ("norm1", "norm2"):
                expected.update({f"{norm}.{key}": (out,) for key in ("weight", "bias", "running_mean", "running_var")})
            for key, shape in expected.items():
                actual = weights[f"blocks.{n}.{key}"].shape if f"blocks.{n}.{key}" in weights else None
                if actual != shape:
                    raise self._not_ours(f"{key} of block {n + 1} has shape {actual}, expected {shape}")
            inputs = out
        if weights["head.weight"].shape != (spec.out_channels, inputs, 1, 1, 1):
            raise self._not_ours(f"the output layer has shape {weights['head.weight'].shape}")
        broken = [name for name, value in weights.items() if not np.all(np.isfinite(value))]
        if broken:
            raise FileError(f"{self.path} holds weights that are not finite ({broken[0]}); train or fetch it again.")

    def _check_sampling(self, layers: Json) -> None:
        for name, config in layers.items():
            kind, factor = config["class_name"], config.get("pool_size", config.get("size", [2, 2, 2]))
            if kind in ("MaxPooling3D", "UpSampling3D") and list(factor) != [2, 2, 2]:
                raise self._not_ours(f"layer {name} samples by {factor}, not by 2")

    def _preprocessing(self, meta: Json, layers: Json, spec: NetworkSpec) -> Preprocessing:
        configuration = np.ravel(meta["configuration"]).astype(float)
        labels = [int(v) for v in np.ravel(meta["labels"])]
        if (
            len(configuration) < 7
            or len(labels) != spec.out_channels
            or labels[0] != 0
            or labels != sorted(set(labels))
        ):
            raise self._not_ours(f"its description {configuration.tolist()} and labels {labels} do not fit the network")
        channels = int(configuration[0])
        if channels != spec.in_channels:
            raise self._not_ours(f"it says {channels} channels where the network takes {spec.in_channels}")
        mean, std = np.full(channels, configuration[5]), np.full(channels, configuration[6])
        if "normalization" in meta:
            mean, std = np.asarray(meta["normalization"], float).reshape(2, channels)
        scaling = bool(int(np.ravel(meta.get("scaling", 1))[0]))
        normalise = bool(configuration[4]) and scaling
        patch_normalise = bool(int(np.ravel(meta.get("patch_normalization", 0))[0])) or not scaling
        patch = self._patch(meta, layers)
        native = Normalisation("volume", percentiles=(0.0, 100.0))
        if not patch_normalise:
            target = (float(mean[0]), float(std[0])) if normalise else None
            native = Normalisation("matched", target=target)
        own = BiomedisaPreprocessing(
            scaling=scaling,
            scale=tuple(int(v) for v in configuration[[3, 2, 1]]),
            patch=patch,
            normalise=normalise,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
            patch_normalise=patch_normalise,
            separation=bool(int(np.ravel(meta.get("separation", 0))[0])),
            labels=tuple(labels),
        )
        return Preprocessing(native, patch, biomedisa=own)

    def _patch(self, meta: Json, layers: Json) -> tuple[int, int, int]:
        if "patch_size" in meta:
            k, j, i = (int(v) for v in np.ravel(meta["patch_size"]))
            return k, j, i
        for config in layers.values():
            shape = config.get("batch_shape") or config.get("batch_input_shape")
            if config["class_name"] == "InputLayer" and shape and all(shape[1:4]):
                k, j, i = (int(v) for v in shape[1:4])
                return k, j, i
        return DEFAULT_PATCH

    def _cropping(self) -> Json | None:
        """What the file says of Biomedisa's auto-cropping network, which is reported and not run."""
        if "cropping_meta" not in self.file:
            return None
        group = self._group(self.file, "cropping_meta")
        return {name: self._array(group, name).tolist() for name in group}


def _to_torch(weights: Mapping[str, np.ndarray]) -> Json:
    import torch

    state = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in weights.items()}
    for name in [n for n in state if n.endswith("running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.zeros((), dtype=torch.int64)
    return state
