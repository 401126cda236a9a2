"""The screenshots command: pictures of every panel, light and dark, that show something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
PANELS = ("label", "fill", "train", "predict", "measure", "effect")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pillow, and the folder of the pictures."""
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path_factory.mktemp("screenshots")
    command = [sys.executable, str(ROOT / "Testing" / "screenshots.py"), str(folder), "--size", "32", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=280)
    assert done.returncode == 0, done.stderr
    return image, folder


def test_every_panel_is_pictured_light_and_dark(pictures):
    image, tmp_path = pictures
    for name in PANELS:
        light, dark = (np.asarray(image.open(tmp_path / f"{name}{e}.png").convert("L")) for e in ("", "-dark"))
        assert light.shape == dark.shape
        assert min(light.shape) > 150
        assert np.median(light) > 200, f"{name} is not light"
        assert np.median(dark) < 90, f"{name} is not dark"
        assert light.std() > 10, f"{name} is empty"
    assert np.asarray(image.open(tmp_path / "slices.png").convert("L")).std() > 10


def test_each_step_is_pictured_beside_the_views_of_the_scene(pictures):
    """Slice views show grey image and coloured labels, the 3D view a coloured surface on a light background."""
    image, folder = pictures
    for name in ("label", "fill", "effect", "predict", "measure"):
        panel = image.open(folder / f"{name}.png").width
        sheet = np.asarray(image.open(folder / f"step-{name}.png").convert("RGB")).astype(int)
        red, surface = (sheet[40:330, left : left + 300] for left in (panel + 20, panel + 344))
        saturation = red.max(2) - red.min(2)
        assert (saturation < 8).mean() > 0.3, f"{name}: no image"
        assert red.std() > 20, f"{name}: the slice view is empty"
        blue = (surface[..., 2] - surface[..., 0] > 60).mean()
        assert 0.01 < blue < 0.9, f"{name}: no cytoplasm in the 3D view"
