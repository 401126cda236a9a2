"""The order of slices by the numbers in their names; the truth is the order in which the names are listed here."""

import numpy as np
import pytest
import tifffile

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume
from ACSegLib.files.registry import collect_notes

IN_ORDER = {
    "sign": ["z-10", "z-5", "z0", "z5", "z10"],
    "sign, zero alone has none": ["z-2", "z-1", "z0"],
    "sign behind a separator": ["s_-20_x", "s_-15_x", "s_-10_x", "s_-5_x"],
    "sign at the start": ["-3", "-2", "-1"],
    "sign behind a separating hyphen": ["z--10", "z--5", "z-0", "z-5"],
    "Unicode's minus": ["z\u22122", "z\u22121", "z0", "z1"],
    "sign and decimals": ["z-1.5um", "z-0.5um", "z0.5um", "z1.5um"],
    "hyphen as separator": ["cell-001", "cell-002", "cell-003"],
    "hyphen, no padding": [f"cell-{n}" for n in range(8, 13)],
    "hyphens in a date": ["2024-01-05-1", "2024-01-05-2", "2024-01-05-3"],
    "some hyphens, one order": ["z-1", "z2"],
    "decimals": ["z0.0", "z0.5", "z1.0", "z1.5", "z2.0"],
    "decimals, 10 behind 2": [f"z{n / 2}" for n in range(18, 23)],
    "decimals of different length": ["z0.25", "z0.5", "z0.75", "z1"],
    "decimals, none for whole numbers": ["z9", "z9.5", "z10", "z10.5"],
    "a point as separator": ["a1.8", "a1.9", "a1.10", "a1.11", "a1.12"],
    "a point as separator, padded": ["a1.008", "a1.009", "a1.010"],
    "a version": ["v1.2.9", "v1.2.10", "v1.2.11"],
    "times behind a point": ["s1.1700000532", "s2.1700002118", "s3.1700003777"],
    "a time that starts anew": ["091500_9", "091459_10", "091507_11", "091401_12"],
    "capitals": ["S1", "s2", "S3"],
    "words": ["start_1", "middle_2", "end_3"],
}


def _write(folder, names, ending=".tif"):
    for value, name in enumerate(names):
        tifffile.imwrite(folder / f"{name}{ending}", np.full((4, 5), value, np.uint8))


def _values(folder, **options):
    return open_volume(folder, **options).array[:, 0, 0].tolist()


@pytest.mark.parametrize("names", IN_ORDER.values(), ids=IN_ORDER)
def test_slices_lie_in_the_order_of_their_numbers(names, tmp_path):
    _write(tmp_path, names)
    assert _values(tmp_path) == list(range(len(names)))


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["z-10", "z-5", "z5", "z10"], "numbered 0 are missing"),
        (["z-3", "z-2", "z1", "z2", "z3"], "numbered -1, 0 are missing"),
        (["z0.5", "z1.0", "z10.5"], r"numbered 1\.5, 2\.0, 2\.5, 3\.0, 3\.5 and 13 more"),
        (["z0.5", "z1.0", "z2.5"], r"numbered 1\.5, 2\.0 are missing"),
        (["z-0.5", "z0.25", "z0.5"], r"numbered -0\.25, 0\.00 are missing"),
        (["cell-001", "cell-002", "cell-004"], "numbered 3 are missing"),
    ],
)
def test_missing_numbers_are_told_as_the_names_have_them(names, missing, tmp_path):
    _write(tmp_path, names)
    with pytest.raises(FileError, match=missing):
        open_volume(tmp_path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["z-2", "z-1", "z3"], r"hyphen of z-\d\.tif may be a sign.*z3\.tif has none"),
        (["z-3", "z1", "z5"], "may be a sign or not"),
        (["a1_b3", "a2_b2", "a3_b1"], "count them in different orders"),
        (["s1", "s01", "s2"], r"s0?1\.tif and s0?1\.tif have the same number"),
        (["dapi_1", "dapi_2", "gfp_1", "gfp_2"], r"gfp_1\.tif is not named as dapi_1\.tif is.*--dataset"),
        (["s1", "s2", "s3", "overview"], r"overview\.tif is not named as s1\.tif is"),
        (["z-5_c1", "z-5_c2", "z0_c1", "z0_c2"], "2 counters"),
    ],
)
def test_names_that_tell_no_certain_order_are_refused(names, words, tmp_path):
    _write(tmp_path, names)
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path)


def test_a_channel_of_words_is_chosen(tmp_path):
    _write(tmp_path, ["dapi_1", "dapi_2", "gfp_1", "gfp_2"])
    assert _values(tmp_path, dataset="gfp") == [2, 3]


def test_names_without_numbers_are_told(tmp_path):
    _write(tmp_path, ["a", "b", "c"])
    with pytest.warns(UserWarning, match="no number that counts its slices"):
        assert _values(tmp_path) == [0, 1, 2]


def test_two_spellings_of_an_ending_are_one_stack(tmp_path):
    _write(tmp_path, ["s1", "s2"], ".tif")
    for value, name in ((2, "s3"), (3, "s4")):
        tifffile.imwrite(tmp_path / f"{name}.TIFF", np.full((4, 5), value, np.uint8))
    tifffile.imwrite(tmp_path / "s5.png.tif", np.full((4, 5), 4, np.uint8))
    (tmp_path / "s5.png.tif").rename(tmp_path / "preview.png")
    with pytest.warns(UserWarning, match=r"preview\.png was left out"):
        assert _values(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "doubtful"),
    [
        ([f"z-{n}" for n in range(1, 11)], True),
        (["z-10", "z-20", "z-30"], True),
        ([f"cell-{n:02d}" for n in range(1, 11)], False),
        ([f"cell-{n}" for n in range(11)], False),
        (["2024-01-05-1", "2024-01-05-2"], False),
        (["z--2", "z--1"], False),
    ],
)
def test_a_hyphen_that_may_be_a_sign_is_told(names, doubtful, tmp_path):
    _write(tmp_path, names)
    with collect_notes() as notes:
        assert _values(tmp_path) == list(range(len(names)))
    found = [note for note in notes if f"{names[0]}.tif is the first slice and {names[-1]}.tif the last" in note]
    assert bool(found) == doubtful
