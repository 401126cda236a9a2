"""Preprocessing in model files: what older files hold is read, and written again byte for byte."""

import json

import numpy as np
import pytest

from ACSegLib.errors import FileError
from ACSegLib.network.model.model_file import read_card
from ACSegLib.network.model.preprocessing import Normalisation, Preprocessing, normalise
from ACSegLib.network.model.pretrained import pretrained_model

#: As files were written before preprocessing was a dataclass; the order of the keys is part of it.
OLDER = {
    "trained": '{"normalisation": {"kind": "volume", "percentiles": [0.5, 99.5]}, "patch_size": [48, 64, 64], '
    '"thin_threshold": 0.3, "without_holes": ["cell"]}',
    "with beads": '{"normalisation": {"kind": "volume", "percentiles": [0.5, 99.5]}, "patch_size": [48, 64, 64], '
    '"thin_threshold": 0.3, "without_thin": ["bead"], "without_holes": ["cell"]}',
    "shipped": '{"normalisation": {"kind": "volume", "percentiles": [0.5, 99.5]}, "patch_size": [64, 64, 64], '
    '"longest_side": 64}',
    "newer shipped": '{"normalisation": {"kind": "volume", "percentiles": [0.5, 99.5]}, "patch_size": [64, 64, 64], '
    '"mean_side": 64, "canonical_axes": true}',
    "fixed": '{"normalisation": {"kind": "fixed", "percentiles": [0.5, 99.5], "statistics": {"low": 0.0, "high": 1.0, '
    '"mean": 0.5, "deviation": 0.25}}, "patch_size": [16, 16, 16]}',
    "Biomedisa": '{"normalisation": {"kind": "matched", "target": {"mean": 0.4, "deviation": 0.2}}, "patch_size": '
    '[64, 64, 64], "pipeline": "biomedisa", "scaling": true, "scale": [256, 256, 256], "patch": [64, 64, 64], '
    '"normalise": true, "mean": [0.4], "std": [0.2], "patch_normalise": false, "separation": false, "labels": [0, 1]}',
}


@pytest.mark.parametrize("kind", OLDER)
def test_older_files_are_written_again_byte_for_byte(kind):
    assert json.dumps(Preprocessing.from_json(json.loads(OLDER[kind])).to_json()) == OLDER[kind]


def test_the_shipped_models_preprocessing_comes_back():
    try:
        preprocessing = read_card(pretrained_model()).preprocessing
    except FileError as error:
        pytest.skip(str(error))
    assert Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


def test_what_a_file_does_not_state_is_usual():
    assert Preprocessing.from_json({}) == Preprocessing()
    assert Preprocessing().patch == (64, 64, 64)
    assert Preprocessing().normalisation == Normalisation("volume", (0.5, 99.5))


@pytest.mark.parametrize("value", [0, -1, 0.7, "much", None, True, [0.2]])
def test_a_threshold_that_makes_no_sense_counts_as_not_measured(value):
    assert Preprocessing.from_json({"thin_threshold": value}).thin_threshold is None


@pytest.mark.parametrize(
    "described",
    [
        {"normalisation": {"kind": "magic"}},
        {"normalisation": {"kind": "fixed"}},
        {"normalisation": {"kind": "fixed", "statistics": {"low": 1}}},
        {"normalisation": 5},
        {"patch_size": [16, 16]},
        {"patch_size": ["a", "b", "c"]},
        {"longest_side": "far"},
        {"pipeline": "biomedisa"},
    ],
)
def test_damaged_entries_are_errors(described):
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        Preprocessing.from_json(described)


@pytest.mark.parametrize("kind", ["volume", "matched"])
@pytest.mark.parametrize(("offset", "factor"), [(1e7, 1.0), (0.0, 1e39)])
def test_intensities_that_float32_cannot_tell_apart_are_normalised_all_the_same(kind, offset, factor):
    """As values with a large constant added, of which float32 has steps of 1, or values that are infinite in it."""
    image = np.random.default_rng(0).normal(1.0, 0.3, (12, 12, 12))
    image[0, 0, 0] = np.nan
    image[:, :, 0] = 0.0  # padding
    expected = normalise(image, Normalisation(kind))
    found = normalise(factor * image + offset, Normalisation(kind))
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    assert np.isfinite(found).all()
