"""What this computer may compute with."""

import pytest
import torch

from ACSegLib import compute
from ACSegLib.errors import InputError
from ACSegLib.network.predict.backends import examine_processor


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv(compute.PRECISION_VARIABLE, raising=False)


def processor_with(monkeypatch, avx512_bf16=False, amx=False):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)


@pytest.mark.parametrize(
    ("features", "expected"), [({}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"amx": True}, "bfloat16")]
)
def test_auto_precision_is_bfloat16_where_the_processor_has_it(monkeypatch, features, expected):
    processor_with(monkeypatch, **features)
    assert compute.default_precision("cpu") == expected
    assert examine_processor().bfloat16 == (expected == "bfloat16")


def test_the_environment_takes_the_processor_as_one_without_bfloat16(monkeypatch):
    processor_with(monkeypatch, avx512_bf16=True, amx=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kinds: True)
    monkeypatch.setenv(compute.PRECISION_VARIABLE, "float32")
    assert not examine_processor().bfloat16
    assert compute.default_precision("cpu") == "float32"
    assert compute.default_precision("cuda") == "float32"


def test_another_precision_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(compute.PRECISION_VARIABLE, "float23")
    with pytest.raises(InputError, match="ACSEG_PRECISION must be auto or float32, not 'float23'"):
        compute.default_precision("cpu")
