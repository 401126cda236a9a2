"""Names of files in many folders, and their partners: no file is dropped, used twice, or paired with another cell."""

from __future__ import annotations

import pytest

from ACSegLib.commands.compare import pair_files
from ACSegLib.commands.inputs import find_labels
from ACSegLib.commands.matching import files_there, match_files, name_files
from ACSegLib.errors import InputError


def matched(names, candidates):
    named = {name: f"t/{name}.nrrd" for name in names}
    return match_files(named, [f"r/{name}.nrrd" for name in candidates], "result", "r")


@pytest.mark.parametrize(
    ("names", "candidates", "expected"),
    [
        (["cell1", "cell2"], ["cell2_filled", "cell1_filled"], ["cell1_filled", "cell2_filled"]),
        (["cell1_truth", "cell2_truth"], ["cell1", "cell2"], ["cell1", "cell2"]),
        (["cell1", "cell10"], ["cell10_net", "cell1_net"], ["cell1_net", "cell10_net"]),
        (["cell1", "cell1_2"], ["cell1_filled", "cell1_2_filled"], ["cell1_filled", "cell1_2_filled"]),
        (["cell1", "cell2"], ["cell1", "cell1_old", "cell2"], ["cell1", "cell2"]),
        (["cell"], ["whatever"], ["whatever"]),
    ],
)
def test_partners_are_files_of_the_same_stem_or_of_an_extended_one(names, candidates, expected):
    partners, missing = matched(names, candidates)
    assert not missing
    assert partners == {name: f"r/{found}.nrrd" for name, found in zip(names, expected, strict=True)}


def test_a_cell_without_partner_does_not_get_that_of_another():
    partners, missing = matched(["cell1", "cell1_2", "cell3"], ["cell1", "cell3"])
    assert list(partners) == ["cell1", "cell3"]
    assert missing == {"cell1_2": "t/cell1_2.nrrd: there is no result of this name in r."}
    partners, missing = matched(["cell1_2", "cell1_3"], ["cell1", "other"])
    assert not partners
    assert "its result cell1.nrrd goes with cell1_3 as well" in missing["cell1_2"]
    assert "its result cell1.nrrd goes with cell1_2 as well" in missing["cell1_3"]
    partners, missing = matched(["cell1", "cell2"], ["cell1_a", "cell1_b", "cell2"])
    assert list(partners) == ["cell2"]
    assert "several results in r have this name (cell1_a.nrrd, cell1_b.nrrd)" in missing["cell1"]


def test_results_of_two_methods_share_their_tomogram():
    named = name_files(["filled/cell1.nrrd", "net/cell1.nrrd"])
    partners, missing = match_files(named, ["t/cell1.mrc", "t/cell2.mrc"], "image", "t")
    assert partners == {"filled/cell1": "t/cell1.mrc", "net/cell1": "t/cell1.mrc"}
    assert not missing


def test_every_result_is_compared_or_listed(tmp_path):
    for folder, names in (("truth", ["cell1", "cell1_2"]), ("results", ["cell1", "cell4"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.nrrd").touch()
    items, missing = pair_files(str(tmp_path / "results"), str(tmp_path / "truth"))
    assert [item.name for item in items] == ["cell1"]
    assert sorted(missing) == ["cell1_2", "cell4 (result)"]


def test_names_are_lengthened_until_they_differ():
    assert list(name_files(["x/T/c.mrc", "y/T/c.mrc", "z/d.mrc"])) == ["x/T/c", "y/T/c", "d"]
    assert list(name_files(["a/c.mrc", "b/c.mrc", "a/c.mrc"])) == ["a/c", "b/c"]
    with pytest.raises(InputError, match=r"a/cell\.mrc and a/cell\.nrrd have the same name"):
        name_files(["a/cell.mrc", "a/cell.nrrd"])


def test_an_image_beside_its_segmentation_is_no_label_file(tmp_path):
    for name in ("a.mrc", "a.seg.nrrd", "b.nii.gz"):
        (tmp_path / name).touch()
    found, missing = files_there([str(tmp_path), str(tmp_path / "typo")], find_labels)
    assert found == [str(tmp_path / "a.seg.nrrd"), str(tmp_path / "b.nii.gz")]
    assert "there is no such file" in missing[str(tmp_path / "typo")]
