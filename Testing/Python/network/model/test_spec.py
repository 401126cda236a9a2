"""Descriptions of networks: what a file may hold, and that it comes back as it was."""

import json
from dataclasses import replace

import pytest

from ACSegLib.errors import FileError, InputError
from ACSegLib.network.model.model_file import read_card
from ACSegLib.network.model.pretrained import pretrained_model
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec, unet_spec

#: As model files of each kind were written before specs were dataclasses; the order of the keys is part of it.
UNET = (
    '{"kind": "unet", "in_channels": 1, "out_channels": 3, "output": "softmax", "filters": [16, 32], '
    '"kernels": [[1, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [1, 2, 2]], "residual": true, "deep_supervision": true}'
)
BIOMEDISA = (
    '{"kind": "biomedisa-unet", "in_channels": 1, "out_channels": 3, "output": "softmax", "filters": [32, 64], '
    '"strides": [[1, 1, 1], [2, 2, 2]], "residual": false, "epsilon": 0.001}'
)
REFINED = (
    '{"kind": "unet-with-surface", "in_channels": 1, "out_channels": 2, "output": "softmax", "filters": [4, 8], '
    '"kernels": [[3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [2, 2, 2]], "residual": false, '
    '"deep_supervision": false, "first_kind": "unet", "surface": {"kind": "unet", "in_channels": 2, '
    '"out_channels": 2, "output": "softmax", "filters": [4, 8], "kernels": [[3, 3, 3], [3, 3, 3]], '
    '"strides": [[1, 1, 1], [2, 2, 2]], "residual": false, "deep_supervision": true}}'
)


@pytest.mark.parametrize("text", [UNET, BIOMEDISA, REFINED], ids=["U-Net", "Biomedisa", "refinement network"])
def test_specs_of_older_files_are_written_again_byte_for_byte(text):
    assert json.dumps(NetworkSpec.from_json(json.loads(text)).to_json()) == text


def test_the_shipped_models_spec_comes_back():
    try:
        spec = read_card(pretrained_model()).spec
    except FileError as error:
        pytest.skip(str(error))
    assert NetworkSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_file_without_strides_halves_at_each_level():
    spec = NetworkSpec.from_json({"kind": BIOMEDISA_KIND, "in_channels": 1, "out_channels": 2, "filters": [4, 8, 16]})
    assert spec.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    assert spec.patch_divisor == (4, 4, 4)
    assert not spec.overlapping


def test_segments_are_counted_without_the_background():
    assert unet_spec(3).segment_count == 3
    assert unet_spec(3, overlapping=True).segment_count == 3
    assert unet_spec(3, overlapping=True).overlapping


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "transformer"}, "transformer"),
        ({"kind": None}, "unknown"),
        ({"filters": [16, 10**9]}, "filters"),
        ({"filters": "many"}, "filters"),
        ({"filters": [8]}, "levels"),
        ({"filters": [4, 8, 16, 31, 2]}, "levels"),
        ({"out_channels": 0}, "out_channels"),
        ({"out_channels": True}, "out_channels"),
        ({"in_channels": "1"}, "in_channels"),
        ({"strides": [[1, 1, 1], [9, 1, 1], [2, 2, 2], [2, 2, 2]]}, "strides"),
        ({"strides": [[2, 2, 2]] * 4}, "first stride"),
        ({"strides": [[1, 1]] * 4}, "strides"),
        ({"kernels": 3}, "kernels"),
        ({"kernels": [[4, 3, 3]] * 4}, "kernels"),
        ({"output": "eval"}, "eval"),
        ({"kind": "unet-with-surface", "first_kind": "unet"}, "refinement network"),
    ],
)
def test_bad_specs_are_refused_by_the_name_of_the_key(change, word):
    with pytest.raises(InputError, match=word):
        NetworkSpec.from_json(unet_spec(1).to_json() | change)


@pytest.mark.parametrize("key", ["in_channels", "out_channels", "filters"])
def test_a_missing_key_is_named(key):
    described = unet_spec(1).to_json()
    del described[key]
    with pytest.raises(InputError, match=f"lacks {key}"):
        NetworkSpec.from_json(described)


def test_a_refinement_network_has_none_of_its_own():
    inner = replace(unet_spec(1), refinement=unet_spec(1))
    with pytest.raises(InputError, match="no refinement network of its own"):
        replace(unet_spec(1), refinement=inner)
