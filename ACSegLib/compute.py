"""What this computer offers to a computation: devices, number formats, cores and memory.

Limits of containers and job schedulers count (`ACSegLib.cgroups`), and so does the set of cores that the process was
given (``taskset``, SLURM).

======================================== ============================================================================
environment variable                     meaning
======================================== ============================================================================
``ACSEG_PRECISION=float32``              "auto" precision is float32, whatever the processor or GPU has. Results then
                                         agree between processors with and without bfloat16.
``ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS`` Most threads of a process. SimpleITK obeys it as well.
======================================== ============================================================================
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from ACSegLib import cgroups
from ACSegLib.errors import InputError, MemoryLimitError

#: Kinds of devices that can be asked for; "cuda:1" is the second CUDA device.
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
#: Environment variable: the precision that "auto" stands for.
PRECISION_VARIABLE = "ACSEG_PRECISION"
#: Environment variable: most threads of a process.
THREADS_VARIABLE = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
#: Part of the free memory that one step takes at most, so that the computer stays usable.
MEMORY_SHARE = 0.7
#: Bytes of addresses that OpenVINO takes to load itself and its part for processors.
_ADDRESS_SPACE = 320 << 20
#: What the libraries say when memory runs out: PyTorch, OpenVINO, oneDNN, the C++ library; and, where little address
#: space is left for the stacks of threads, Python and the system.
_WORDS_OF_ALLOCATORS = (
    "alloc",
    "out of memory",
    "not enough memory",
    "could not create a memory",
    "start new thread",
    "resource temporarily unavailable",
)


# ---- devices -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """Where a step computes.

    Parameters
    ----------
    name : str
        As torch names it: "cpu", "cuda", "cuda:1", "mps", "xpu".
    note : str
        Why this is not the device that was asked for; empty if it is.
    """

    name: str
    note: str = ""

    @property
    def kind(self) -> str:
        """The name without a number."""
        return self.name.partition(":")[0]


def choose_device(wanted: str = "auto", kinds: tuple[str, ...] = DEVICES) -> Device:
    """Choose the device for "auto", "cpu", "cuda", "cuda:1", "mps" or "xpu".

    "auto" is CUDA where it is available and the CPU elsewhere. Where the device that was asked for is missing, the CPU
    is taken and the note says so.

    Parameters
    ----------
    kinds : tuple of str
        Those that the step can use.

    Raises
    ------
    InputError
        If torch knows no such device.
    """
    kind, _, number = wanted.partition(":")
    if kind not in DEVICES or (number and not number.isdigit()) or (number and kind in ("auto", "cpu", "mps")):
        raise InputError(f"device must be one of {', '.join(DEVICES)}, not {wanted!r}.")
    if kind == "cpu":
        return Device("cpu")
    if kind == "auto":
        return Device("cuda" if "cuda" in kinds and device_count("cuda") else "cpu")
    if kind not in kinds:
        return Device("cpu", f"this step does not run on {kind}; it ran on the processor")
    count = device_count(kind)
    if int(number or 0) < count:
        return Device(wanted)
    what = f"no {kind} device" if not count else f"{count} {kind} device{'s' * (count > 1)} only"
    return Device("cpu", f"device {wanted} was asked for, but there is {what}; the processor was used")


def device_count(kind: str) -> int:
    """Number of devices of a kind ("cuda", "mps", "xpu") that torch can use; 0 where torch is not installed.

    torch is loaded for CUDA only where an NVIDIA driver is present: a fill without it need not wait for that.
    """
    import importlib.util
    import shutil

    if importlib.util.find_spec("torch") is None:
        return 0
    if kind == "cuda" and "torch" not in sys.modules and shutil.which("nvidia-smi") is None:
        return 0
    import torch

    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    backend = getattr(torch, kind, None)
    return int(backend.device_count()) if backend is not None and backend.is_available() else 0


# ---- number formats ----------------------------------------------------------------------------------------------


def default_precision(device: str) -> str:
    """Precision that "auto" stands for on a device: 16 bits only where the hardware computes in them.

    Returns
    -------
    str
        "bfloat16" where processor or GPU have it, "float16" on older GPUs, else "float32"; always "float32" where the
        environment variable ``ACSEG_PRECISION`` says so.

    Raises
    ------
    InputError
        If the environment variable has another value than "auto" or "float32".
    """
    if float32_only():
        return "float32"
    if device.startswith("cuda"):
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if device == "cpu" and has_bfloat16() else "float32"


def has_bfloat16() -> bool:
    """Whether networks may compute in bfloat16 on this processor: it can natively, and the user permits it."""
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return any(features.get(name) for name in ("avx512bf16", "amx-bf16")) and not float32_only()


def float32_only() -> bool:
    """Whether the environment variable asks for float32 wherever nothing else is asked for."""
    value = os.environ.get(PRECISION_VARIABLE, "").strip().lower()
    if value not in ("", "auto", "float32"):
        raise InputError(f"the environment variable {PRECISION_VARIABLE} must be auto or float32, not {value!r}.")
    return value == "float32"


# ---- cores -------------------------------------------------------------------------------------------------------


def cores() -> int:
    """Cores that this process may use: those it was given, or fewer where a container's quota is smaller."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _core_quota()
    return given if quota is None else max(1, min(given, math.ceil(quota)))


@functools.lru_cache(1)
def _core_quota() -> float | None:
    """The quota as it was at first: `cores` is asked for by every compiled loop."""
    return cgroups.core_quota()


def threads() -> int:
    """Threads that a step may use: `cores`, or fewer where ``ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS`` says so."""
    share = os.environ.get(THREADS_VARIABLE, "")
    return min(int(share), cores()) if share.isdigit() and int(share) > 0 else cores()


@contextlib.contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Let the process, and those that it starts, use at most so many threads; None changes nothing."""
    before = os.environ.get(THREADS_VARIABLE)
    if count is not None:
        os.environ[THREADS_VARIABLE] = str(count)
    try:
        yield
    finally:
        if count is not None:
            os.environ.pop(THREADS_VARIABLE)
            os.environ.update({} if before is None else {THREADS_VARIABLE: before})


def limit_torch_threads() -> None:
    """Keep torch from starting more threads than `threads`: it counts the computer's, whatever a container allows."""
    import torch

    if torch.get_num_threads() > threads():
        torch.set_num_threads(threads())


# ---- memory ------------------------------------------------------------------------------------------------------


def available_memory(device: str = "cpu") -> int:
    """Bytes that are free on a device; in main memory no more than the control groups of this process allow."""
    kind = device.partition(":")[0]
    if kind in ("cuda", "xpu"):
        import torch

        return int(getattr(torch, kind).mem_get_info(device if ":" in device else None)[0])
    if kind == "mps":
        import torch

        if hasattr(torch.mps, "recommended_max_memory"):  # since PyTorch 2.5; it shares the main memory
            return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    import psutil

    free, allowed = int(psutil.virtual_memory().available), cgroups.memory_left()
    return free if allowed is None else min(free, allowed)


def usable_memory(device: str = "cpu") -> int:
    """Bytes that one step may use on a device: 70 % of what is free."""
    return int(MEMORY_SHARE * available_memory(device))


def free_cached_memory(device: str) -> None:
    """Give back memory that torch keeps on a GPU, before a smaller part is tried."""
    kind = device.partition(":")[0]
    if kind in ("cuda", "xpu", "mps"):
        import torch

        getattr(torch, kind).empty_cache()


class OutOfMemory(Exception):
    """A part of the work did not fit in memory; a smaller one may."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library's error means that memory ran out, on a GPU or a CPU.

    A `MemoryLimitError` does not count: its sentence says more, and no smaller part would help.
    """
    if isinstance(error, (MemoryLimitError, OutOfMemory)):
        return isinstance(error, OutOfMemory)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, without loading torch
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS_OF_ALLOCATORS)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Raise `OutOfMemory` for any library's error that means it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemory) or not is_out_of_memory(error):
            raise
        raise OutOfMemory(str(error)) from error


# ---- freed memory ------------------------------------------------------------------------------------------------

#: Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
#: Whether they are in force, by users; several threads may predict at once.
_users = 0
_lock = threading.Lock()


@contextlib.contextmanager
def reuse_freed_memory() -> Iterator[None]:
    """Let the layers of a network, or the slabs of a fill, reuse each other's memory; also a decorator.

    glibc asks the system for every block of more than 32 MiB anew and gives it back at once. The system then clears
    each page at its first touch. PyTorch allocates such blocks for every layer: on a tile of 112^3 voxels that was 1.8
    of 4.4 seconds of processor time; of a refill at 472 x 472 x 491 it was 2 of 6. Meanwhile up to a quarter more
    memory is held; it goes back at the end. Where the C library is not glibc, nothing changes.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _change_users(library, 1)
    try:
        yield
    finally:
        _change_users(library, -1)


def share_freed_memory() -> None:
    """Let the threads of this process reuse each other's memory, from now on: for commands, not for a host program.

    Within `reuse_freed_memory`, what a thread frees is otherwise kept for threads that share its part of the memory
    (its arena). A prediction of 472 x 472 x 491 voxels took 0.2 GiB more, and 4 % more processor time. Where the C
    library is not glibc, nothing changes.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _change_users(library: ctypes.CDLL, change: int) -> None:
    global _users
    with _lock:
        before, _users = _users, _users + change
        if not before:
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, -1)  # never
        elif not _users:
            # What glibc's own thresholds, which move no more once one was set, come to in a process of large arrays.
            library.mallopt(_MMAP_THRESHOLD, 32 << 20)
            library.mallopt(_TRIM_THRESHOLD, 64 << 20)
            library.mallopt(_MMAP_MAX, 65536)
            library.malloc_trim(0)


def address_space_limit() -> int | None:
    """Bytes of address space that ``ulimit -v`` allows; None without such a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def require_address_space() -> None:
    """Raise MemoryLimitError where ``ulimit -v`` leaves too little for OpenVINO, which would end the program."""
    import psutil

    limit = address_space_limit()
    if limit is None or "openvino" in sys.modules:
        return
    left = limit - psutil.Process().memory_info().vms
    if left < _ADDRESS_SPACE:
        raise MemoryLimitError(
            f"OpenVINO needs {_ADDRESS_SPACE // 2**20} MiB of address space to start, and the limit of "
            f"{limit // 2**20} MiB leaves {max(left, 0) // 2**20} MiB; raise it (ulimit -v)."
        )
