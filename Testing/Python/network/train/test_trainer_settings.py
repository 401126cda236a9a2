"""Learning rate and precision of a training."""

import pytest
import torch
from training_cases import settings

from ACSegLib.compute import PRECISION_VARIABLE
from ACSegLib.network.train.settings import fabric_precision, make_fabric
from ACSegLib.network.train.trainer import learning_rate


def test_bfloat16_is_taken_on_a_gpu_only_where_it_is_not_emulated(monkeypatch):
    monkeypatch.delenv(PRECISION_VARIABLE, raising=False)
    for native in (False, True):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, n=native: n or including_emulation
        )
        assert fabric_precision("auto", "cuda") == ("bf16-mixed" if native else "16-mixed")


def test_lightning_does_not_tell_what_it_uses(caplog):
    for name in ("lightning.fabric", "lightning.pytorch"):
        caplog.set_level("INFO", name)  # as Lightning sets it
    make_fabric(settings(precision="bfloat16"), "cpu")
    assert caplog.records == []


def test_schedule_warms_up_and_ends_at_nothing():
    chosen = settings(warmup=0.1, learning_rate=1.0)
    assert learning_rate(chosen, 0.05) == pytest.approx(0.5)
    assert learning_rate(chosen, 0.1) == pytest.approx(1.0)
    assert learning_rate(chosen, 0.55) == pytest.approx(0.5)
    assert learning_rate(chosen, 1.0) == pytest.approx(0, abs=1e-9)
