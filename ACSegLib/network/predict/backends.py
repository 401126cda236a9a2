"""What runs a network on tiles: OpenVINO on a processor where it is installed, PyTorch otherwise and on a GPU.

A backend takes one float32 tile and gives its probabilities: numpy arrays on a processor, torch tensors on a GPU. So a
prediction by OpenVINO imports no torch. A backend notices a cancel within a layer of the network (PyTorch) or a tenth
of a second (OpenVINO), not only between tiles.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ACSegLib.compute import (
    choose_device,
    default_precision,
    limit_torch_threads,
    memory_errors,
    threads,
)
from ACSegLib.errors import InputError
from ACSegLib.heavy_imports import import_openvino
from ACSegLib.jobs import Progress

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model

BACKENDS = ("auto", "openvino", "pytorch")
#: Time between two looks for a cancel while OpenVINO computes.
_POLL_MILLISECONDS = 50
#: A numpy array on a processor, a torch tensor on a GPU.
Array = Any


class Backend(Protocol):
    """Runs a network on tiles."""

    name: str
    device: str
    precision: str

    def __call__(self, tile: Array, progress: Progress) -> Array:
        """Give probabilities, float32 (1, channels, k, j, i) on the backend's device, of a tile (1, 1, k, j, i).

        They may be overwritten by the next call.

        Raises
        ------
        ACSegLib.compute.OutOfMemory
            If the tile does not fit.
        Cancelled
            If the user has asked to stop.
        """
        ...


@dataclass(frozen=True)
class BackendUsed:
    """What ran a network. Unlike the backend itself, it holds no memory."""

    name: str
    device: str
    precision: str

    @classmethod
    def of(cls, backend: Backend) -> BackendUsed:
        """The name, device and precision of a backend."""
        return cls(backend.name, backend.device, backend.precision)


@dataclass(frozen=True)
class Choice:
    """What runs the network, where, and why.

    Parameters
    ----------
    backend : str
        "openvino" or "pytorch".
    device : str
        As torch names it.
    reason : str
        For the report.
    notes : list of str
        What the user should know; empty if everything is as it was asked for.
    """

    backend: str
    device: str
    reason: str
    notes: list[str] = field(default_factory=list)


def make_backend(
    model: Model,
    tile: Sequence[int],
    *,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
) -> Backend:
    """Build the backend for a model and a tile size.

    Parameters
    ----------
    model : Model
    tile : (k, j, i)
        Size of every tile; OpenVINO plans its work for it.
    device, backend : str
        See `choose_backend`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto": bfloat16 where the processor computes with it natively, float16 on older GPUs, float32 otherwise.

    Raises
    ------
    InputError
        If what was asked for is not there.
    """
    choice = choose_backend(device, backend)
    if precision == "auto":
        precision = default_precision(choice.device)
    if choice.backend == "openvino":
        if precision == "float16":
            raise InputError("precision float16 is for GPUs; use bfloat16 or float32 with OpenVINO.")
        return _OpenVino(model, tile, precision)
    limit_torch_threads()
    return _PyTorch(_with_probabilities(model), choice.device, precision)


def choose_backend(device: str = "auto", backend: str = "auto") -> Choice:
    """Choose what runs the network, and where.

    Parameters
    ----------
    device : str
        See `ACSegLib.compute.choose_device`; what is missing is replaced by the CPU, with a note.
    backend : {"auto", "openvino", "pytorch"}
        "auto": OpenVINO on the CPU where it is installed, else PyTorch.

    Raises
    ------
    InputError
        If OpenVINO is asked for and is not installed, or on another device than the CPU.
    """
    if backend not in BACKENDS:
        raise InputError(f"--backend must be one of {', '.join(BACKENDS)}, not {backend!r}.")
    place = choose_device("cpu" if device == "auto" and backend == "openvino" else device)
    installed = openvino_is_installed()
    if backend == "openvino":
        if not installed:
            raise InputError('--backend openvino was asked for, but it is not installed; pip install "acseg[predict]".')
        if place.name != "cpu":
            raise InputError(f"OpenVINO runs on the CPU, not on {place.name}; leave --device or --backend out.")
    if backend == "pytorch" and importlib.util.find_spec("torch") is None:
        raise InputError('--backend pytorch was asked for, but it is not installed; pip install "acseg[network]".')
    if not installed and importlib.util.find_spec("torch") is None:
        raise InputError(
            'a prediction needs OpenVINO or PyTorch, and neither is installed; pip install "acseg[predict]".'
        )
    notes = [place.note] if place.note else []
    if backend != "auto":
        return Choice(backend, place.name, "asked for", notes)
    if place.name != "cpu":
        return Choice("pytorch", place.name, f"PyTorch runs on the {place.kind} device", notes)
    if installed:
        return Choice("openvino", "cpu", "the fastest on this processor", notes)
    return Choice("pytorch", "cpu", 'OpenVINO is not installed: pip install "acseg[predict]"', notes)


def openvino_is_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


def _with_probabilities(model: Model) -> torch.nn.Module:
    """The model's network followed by softmax or sigmoid."""
    from torch import nn

    last: nn.Module = nn.Sigmoid() if model.spec.overlapping else nn.Softmax(dim=1)
    return nn.Sequential(model.network(), last).eval()


class _PyTorch:
    name = "pytorch"

    def __init__(self, network: torch.nn.Module, device: str, precision: str) -> None:
        import torch

        self.device, self.precision = device, precision
        self._progress = Progress()
        self._dtype = getattr(torch, precision)
        self._network = network.to(device)
        if device.startswith("cuda"):
            self._network = self._network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            torch.backends.cudnn.benchmark = True  # every tile has one size
        for module in self._network.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(self._check)

    def _check(self, module: Any, inputs: Any) -> None:
        self._progress.check()

    def __call__(self, tile: Array, progress: Progress) -> Array:
        import torch

        self._progress = progress
        kind = self.device.split(":")[0]
        with memory_errors(), torch.inference_mode(), self._arithmetic():
            tile = np.ascontiguousarray(tile) if isinstance(tile, np.ndarray) else tile
            inputs = torch.as_tensor(tile).to(self.device, non_blocking=True)
            if kind == "cuda":
                inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
            with torch.autocast(kind, self._dtype, enabled=self._dtype != torch.float32):
                result = self._network(inputs)
            return result.float().numpy() if kind == "cpu" else result.float()

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """Make float32 mean float32: otherwise convolutions on CUDA use TF32, which has 10 bits of mantissa."""
        import torch

        cudnn = torch.backends.cudnn
        if self._dtype != torch.float32 or not self.device.startswith("cuda"):
            return contextlib.nullcontext()
        return cudnn.flags(
            enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
        )


class _OpenVino:
    name = "openvino"
    device = "cpu"

    def __init__(self, model: Model, tile: Sequence[int], precision: str) -> None:
        openvino = import_openvino()
        from ACSegLib.network.predict.openvino_graph import build_graph

        self.precision = precision
        with memory_errors():
            graph = build_graph(model.spec, model.arrays(), tile)
            hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
            options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
            if threads() < (os.cpu_count() or 1):  # a container's quota, which OpenVINO does not see
                options["INFERENCE_NUM_THREADS"] = str(threads())
            self._request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()

    def __call__(self, tile: Array, progress: Progress) -> Array:
        with memory_errors():
            self._request.start_async([np.ascontiguousarray(tile)], share_inputs=True)
            while not self._request.wait_for(_POLL_MILLISECONDS):
                if progress.is_cancelled():
                    self._request.cancel()
                    with contextlib.suppress(RuntimeError):  # it reports its cancellation as an error
                        self._request.wait()
                    progress.check()
            return self._request.get_output_tensor(0).data
