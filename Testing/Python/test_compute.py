"""What this computer may compute with: devices, number formats, cores, memory."""

import os

import llvmlite.binding
import pytest
import torch

from ACSegLib import cgroups, compute
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.threads import spread


@pytest.fixture(autouse=True)
def neutral_environment(monkeypatch):
    monkeypatch.delenv(compute.PRECISION_VARIABLE, raising=False)
    monkeypatch.delenv(compute.THREADS_VARIABLE, raising=False)
    compute._core_quota.cache_clear()
    yield
    compute._core_quota.cache_clear()


def processor_with(monkeypatch, avx512_bf16=False, amx=False):
    features = {"avx512bf16": avx512_bf16, "amx-bf16": amx}
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)


@pytest.mark.parametrize(
    ("features", "expected"), [({}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"amx": True}, "bfloat16")]
)
def test_auto_precision_is_bfloat16_where_the_processor_has_it(monkeypatch, features, expected):
    processor_with(monkeypatch, **features)
    assert compute.default_precision("cpu") == expected
    assert compute.default_precision("mps") == "float32"


def test_the_environment_takes_the_processor_as_one_without_bfloat16(monkeypatch):
    processor_with(monkeypatch, avx512_bf16=True, amx=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kinds: True)
    monkeypatch.setenv(compute.PRECISION_VARIABLE, "float32")
    assert not compute.has_bfloat16()
    assert compute.default_precision("cpu") == "float32"
    assert compute.default_precision("cuda") == "float32"


def test_another_precision_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(compute.PRECISION_VARIABLE, "float23")
    with pytest.raises(InputError, match="ACSEG_PRECISION must be auto or float32, not 'float23'"):
        compute.default_precision("cpu")


@pytest.mark.parametrize(
    ("wanted", "counts", "name", "note"),
    [
        ("auto", {}, "cpu", ""),
        ("auto", {"cuda": 1}, "cuda", ""),
        ("auto", {"mps": 1, "xpu": 1}, "cpu", ""),  # taken only when asked for
        ("cpu", {"cuda": 1}, "cpu", ""),
        ("cuda:1", {"cuda": 2}, "cuda:1", ""),
        ("mps", {"mps": 1}, "mps", ""),
        ("xpu", {"xpu": 1}, "xpu", ""),
        ("cuda", {}, "cpu", "there is no cuda device"),
        ("mps", {"cuda": 1}, "cpu", "there is no mps device"),
        ("cuda:2", {"cuda": 2}, "cpu", "there is 2 cuda devices only"),
    ],
)
def test_device_is_the_one_asked_for_or_the_processor_with_a_note(monkeypatch, wanted, counts, name, note):
    monkeypatch.setattr(compute, "device_count", lambda kind: counts.get(kind, 0))
    device = compute.choose_device(wanted)
    assert device.name == name
    assert bool(device.note) == bool(note)
    assert note in device.note


def test_a_device_that_a_step_cannot_use_is_replaced_with_a_note(monkeypatch):
    monkeypatch.setattr(compute, "device_count", lambda kind: 1)
    device = compute.choose_device("xpu", ("auto", "cpu", "cuda"))
    assert device.name == "cpu"
    assert "does not run on xpu" in device.note


@pytest.mark.parametrize("wanted", ["tpu", "cpu:1", "cuda:x", "auto:0", ""])
def test_an_unknown_device_is_refused(wanted):
    with pytest.raises(InputError, match="device must be one of auto, cpu, cuda, mps, xpu"):
        compute.choose_device(wanted)


def test_devices_of_this_computer_are_counted_as_torch_counts_them():
    for kind in ("cuda", "mps", "xpu"):
        device = getattr(torch, kind)
        available = torch.backends.mps.is_available() if kind == "mps" else device.is_available()
        assert compute.device_count(kind) == (device.device_count() if available else 0)


@pytest.mark.parametrize(("given", "quota", "expected"), [(4, None, 4), (4, 1.5, 2), (4, 0.3, 1), (2, 8.0, 2)])
def test_cores_are_those_of_the_process_or_of_its_quota(monkeypatch, given, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(given)), raising=False)
    monkeypatch.setattr(cgroups, "core_quota", lambda: quota)
    assert compute.cores() == expected


def test_threads_keep_to_their_share(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    for share, expected in (("1", 1), ("3", 3), ("9", 4), ("0", 4), ("many", 4)):
        monkeypatch.setenv(compute.THREADS_VARIABLE, share)
        assert compute.threads() == min(expected, compute.cores())


def test_torch_takes_no_more_threads_than_there_are_cores(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        monkeypatch.setattr(compute, "cores", lambda: 2)
        compute.limit_torch_threads()
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(compute, "cores", lambda: 8)
        compute.limit_torch_threads()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_available_memory_is_no_more_than_the_container_allows(monkeypatch):
    monkeypatch.setattr(cgroups, "memory_left", lambda: None)
    system = compute.available_memory()
    assert system > 1 << 20
    monkeypatch.setattr(cgroups, "memory_left", lambda: 1 << 20)
    assert compute.available_memory() == 1 << 20
    assert compute.usable_memory() == int(0.7 * (1 << 20))
    monkeypatch.setattr(cgroups, "memory_left", lambda: 1 << 60)
    assert compute.available_memory() < 1 << 50


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("the shape is wrong"), False),
        (ValueError("out of memory"), False),
        (MemoryLimitError("set TMPDIR"), False),
    ],
)
def test_errors_of_allocators_are_recognised(error, expected):
    assert compute.is_out_of_memory(error) == expected
    with pytest.raises(compute.OutOfMemory if expected else type(error)), compute.memory_errors():
        raise error


def test_an_allocation_that_does_not_fit_is_out_of_memory():
    with pytest.raises(compute.OutOfMemory), compute.memory_errors():
        torch.empty(1 << 50)


def test_bfloat16_is_found_as_pytorch_finds_it():
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))
    assert compute.has_bfloat16() == native


def test_a_limit_of_threads_ends_with_its_block(monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 8)
    monkeypatch.setenv(compute.THREADS_VARIABLE, "6")
    calls = []
    with compute.limited_threads(1):
        assert compute.threads() == 1
        spread(lambda begin, end: calls.append((begin, end)), 100)
    assert calls == [(0, 100)]  # all of it in one piece
    assert compute.threads() == 6
    with compute.limited_threads(None):
        assert compute.threads() == 6


def test_no_address_space_for_a_thread_counts_as_out_of_memory():
    assert compute.is_out_of_memory(RuntimeError("can't start new thread"))
    assert compute.is_out_of_memory(RuntimeError("core.cpp:117: Resource temporarily unavailable"))
    assert not compute.is_out_of_memory(RuntimeError("cannot schedule new futures after shutdown"))
