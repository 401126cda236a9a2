"""What runs a network on tiles: OpenVINO on a processor where it is installed, PyTorch otherwise and on a GPU.

A backend takes one float32 tile and gives its probabilities as a torch tensor on the backend's device. It notices a
cancel within a layer of the network (PyTorch) or a tenth of a second (OpenVINO), not only between tiles.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ACSegLib.compute import default_precision, has_bfloat16
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.architecture import patch_divisor

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model

DEVICES = ("auto", "cpu", "cuda")
BACKENDS = ("auto", "openvino", "pytorch")
_POLL_MILLISECONDS = 50
#: Side of the image that OpenVINO's graph is made with, in voxels of the coarsest level.
_EXAMPLE = 2


class OutOfMemory(Exception):
    """A tile did not fit; a smaller one may."""


class Backend(Protocol):
    """Runs a network on tiles."""

    name: str
    device: str
    precision: str

    def __call__(self, tile: torch.Tensor, progress: Progress) -> torch.Tensor:
        """Give probabilities, float32 (1, channels, k, j, i) on the backend's device, of a tile (1, 1, k, j, i).

        Raises
        ------
        OutOfMemory
            If the tile does not fit.
        Cancelled
            If the person has asked to stop.
        """
        ...


@dataclass(frozen=True)
class Processor:
    """What of this computer decides on the backend."""

    bfloat16: bool
    cuda: bool
    openvino: bool


def examine_processor() -> Processor:
    """Find out what this computer has: bfloat16 arithmetic, a CUDA device, OpenVINO."""
    import torch

    return Processor(has_bfloat16(), torch.cuda.is_available(), importlib.util.find_spec("openvino") is not None)


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
    device : {"auto", "cpu", "cuda"}
        "auto": a CUDA device if there is one.
    backend : {"auto", "openvino", "pytorch"}
        "auto": OpenVINO on the CPU if installed, else PyTorch.
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto": bfloat16 where the processor computes with it natively, float16 on older GPUs, float32 otherwise.

    Raises
    ------
    InputError
        If what was asked for is not there.
    """
    found = examine_processor()
    kind, place = choose_backend(device, backend, found)
    if precision == "auto":
        precision = default_precision(place)
    network = _with_probabilities(model)
    if kind == "openvino":
        if precision == "float16":
            raise InputError("precision float16 is for GPUs; use bfloat16 or float32 with OpenVINO.")
        return _OpenVino(network, model.spec, tile, precision)
    return _PyTorch(network, place, precision)


def choose_backend(device: str = "auto", backend: str = "auto", found: Processor | None = None) -> tuple[str, str]:
    """Choose what runs the network, and where: ("openvino" or "pytorch", "cpu" or "cuda...").

    Raises
    ------
    InputError
        If what was asked for is not there.
    """
    found = found or examine_processor()
    for name, value, allowed in (("device", device, DEVICES), ("backend", backend, BACKENDS)):
        if value.split(":")[0] not in allowed:
            raise InputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    if device.startswith("cuda") and not found.cuda:
        raise InputError("device cuda was asked for, but PyTorch finds no CUDA device; use --device cpu.")
    place = device if device != "auto" else "cuda" if found.cuda and backend != "openvino" else "cpu"
    if backend == "openvino":
        if not found.openvino:
            raise InputError("backend openvino was asked for, but it is not installed; pip install 'acseg[fast]'.")
        if place != "cpu":
            raise InputError(f"backend openvino runs on the CPU, not on {place}; leave --device or --engine out.")
    if backend == "auto":
        backend = "openvino" if place == "cpu" and found.openvino else "pytorch"
    return backend, place


def explain_backend(backend: str, place: str, found: Processor) -> str:
    """Say why `choose_backend` chose as it did, for the report."""
    if backend != "auto":
        return "asked for"
    if place.startswith("cuda"):
        return "PyTorch runs on the CUDA device"
    return "the fastest on this processor" if found.openvino else "OpenVINO is not installed: pip install 'acseg[fast]'"


def _with_probabilities(model: Model) -> torch.nn.Module:
    """The model's network followed by softmax or sigmoid."""
    from torch import nn

    last: nn.Module = nn.Sigmoid() if model.spec.get("output") == "sigmoid" else nn.Softmax(dim=1)
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

    def __call__(self, tile: torch.Tensor, progress: Progress) -> torch.Tensor:
        import torch

        self._progress = progress
        kind = self.device.split(":")[0]
        with memory_errors(), torch.inference_mode(), self._arithmetic():
            tile = tile.to(self.device, non_blocking=True)
            if kind == "cuda":
                tile = tile.contiguous(memory_format=torch.channels_last_3d)
            with torch.autocast(kind, self._dtype, enabled=self._dtype != torch.float32):
                result = self._network(tile)
            return result.float()

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """Have float32 mean float32: convolutions on CUDA take TF32, which has 10 bits of mantissa, by themselves."""
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

    def __init__(self, network: torch.nn.Module, spec: Mapping[str, Any], tile: Sequence[int], precision: str) -> None:
        import openvino
        import torch

        self.precision = precision
        shape = [1, spec["in_channels"], *tile]
        # The graph is learned from runs of the network; of the tile's size they would take longer than many tiles.
        small = [
            1,
            spec["in_channels"],
            *(min(n, _EXAMPLE * d) for n, d in zip(tile, patch_divisor(spec), strict=True)),
        ]
        with memory_errors(), torch.inference_mode():
            graph = openvino.convert_model(network, example_input=torch.zeros(small), input=[shape])
            hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
            options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
            self._request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()

    def __call__(self, tile: torch.Tensor, progress: Progress) -> torch.Tensor:
        import torch

        with memory_errors():
            self._request.start_async([tile.contiguous().numpy()], share_inputs=True)
            while not self._request.wait_for(_POLL_MILLISECONDS):
                if progress.is_cancelled():
                    self._request.cancel()
                    with contextlib.suppress(RuntimeError):  # it reports its cancellation as an error
                        self._request.wait()
                    progress.check()
            return torch.from_numpy(self._request.get_output_tensor(0).data)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Tell "out of memory" apart from other failures, in the words of each library."""
    import torch

    try:
        yield
    except MemoryLimitError:  # its sentence says more than that a tile did not fit
        raise
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise OutOfMemory(str(error)) from error
    except RuntimeError as error:
        words = str(error).lower()
        if any(w in words for w in ("alloc", "out of memory", "not enough memory", "could not create a memory")):
            raise OutOfMemory(str(error)) from error
        raise
