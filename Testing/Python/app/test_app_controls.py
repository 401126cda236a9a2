"""Messages of jobs name what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette")

from ACSegLib.app import requests
from ACSegLib.app.controls import CONTROLS, named_by_controls
from ACSegLib.app.start import __file__ as place


def test_every_control_sets_an_option_of_its_job_and_stands_on_its_panel():
    panels = Path(place).parent / "web" / "src" / "panels"
    for kind, labels in CONTROLS.items():
        source = (panels / f"{'predict' if kind == 'train' else kind}.ts").read_text(encoding="utf-8")
        for option, label in labels.items():
            assert option in requests.OPTIONS[kind].__dataclass_fields__, (kind, option)
            assert f"'{label}'" in source, (kind, label)


def test_options_are_named_by_the_controls_of_the_job():
    text = "state it with --voxel-size and --file-unit; --no-contacts is faster, --thin-radius 2 too."
    told = "state it with 'Voxel size'; 'Contacts' is faster, the shell's --thin-radius 2 too."
    assert named_by_controls(text, "measure") == told
    assert named_by_controls("--intensity-unit 1/um says that they are LAC.", "measure") == (
        "'Unit of the image' = 1/um says that they are LAC."
    )
    assert named_by_controls("use --mode scribbles or --count 2", "split") == (
        "use the shell's --mode scribbles or 'Number of cells' = 2"
    )
