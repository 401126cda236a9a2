"""The screenshots command: pictures of every panel, light and dark, that show something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PANELS = ("label", "fill", "train", "predict", "measure", "effect")


def test_every_panel_is_pictured_light_and_dark(scene, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    command = [sys.executable, str(ROOT / "Testing" / "screenshots.py"), str(tmp_path), "--size", "32", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=280)
    assert done.returncode == 0, done.stderr
    for name in PANELS:
        light, dark = (np.asarray(image.open(tmp_path / f"{name}{e}.png").convert("L")) for e in ("", "-dark"))
        assert light.shape == dark.shape
        assert min(light.shape) > 150
        assert np.median(light) > 200, f"{name} is not light"
        assert np.median(dark) < 90, f"{name} is not dark"
        assert light.std() > 10, f"{name} is empty"
    for name in ("slices", "cell3d"):
        assert np.asarray(image.open(tmp_path / f"{name}.png").convert("L")).std() > 10
