"""Options in sentences of the library, as Python names them."""

from __future__ import annotations

import pytest

from ACSegLib.option_names import with_keywords, with_options_named


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("--min-volume 6.2 excludes the specks", "min_volume=6.2 excludes the specks"),
        ("--thin-radius 1.5e-05; go on", "thin_radius=1.5e-05; go on"),
        ("--intensity-unit 1/um says", "intensity_unit='1/um' says"),
        ("use --mode scribbles, or --refine none.", "use mode='scribbles', or refine='none'."),
        ("if dark intensities absorb, use --contrast dark.", "if dark intensities absorb, use contrast='dark'."),
        ("--gamma 0.", "gamma=0."),
        ("--no-resample keeps it", "resample=False keeps it"),
        ("--slices 'z:1' is not a list", "slices 'z:1' is not a list"),
        ("--holes to fill them, --spacing must be auto", "holes to fill them, spacing must be auto"),
        ("a well-kept -- pair", "a well-kept -- pair"),
    ],
)
def test_python_names_keywords(text, told):
    assert with_keywords(text) == told


def test_a_front_end_is_asked_with_flag_option_and_value():
    asked = []
    with_options_named("--min-volume 6.2 or --cells", lambda *given: asked.append(given) or "")
    assert asked == [("--min-volume", "min_volume", "6.2"), ("--cells", "cells", "")]
