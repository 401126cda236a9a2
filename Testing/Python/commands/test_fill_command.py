"""``acseg fill`` as a person runs it: files in, files out, one sentence when it cannot be done."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))
from fulldisk import fill_disk_at
from interrupted import run_interrupted

from ACSegLib import Geometry, Segmentation, Volume
from ACSegLib.commands.fill import Results, describe
from ACSegLib.commands.main import main
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.fill_report import FillReport
from ACSegLib.resample import resample_segmentation
from ACSegLib.segment_estimates import Interval, SegmentEstimate

GEOMETRY = Geometry((30.0, 30.0, 40.0), (1.0, 2.0, 3.0), unit="nm")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with image.nrrd and labels.seg.nrrd: a noisy ball, every 6th slice drawn."""
    k, j, i = np.indices((24, 26, 28)) - np.array([12, 13, 14])[:, None, None, None]
    ball = k * k + j * j + i * i < 64
    image = ball + np.random.default_rng(0).normal(0, 0.1, ball.shape)
    drawn = np.zeros(ball.shape, np.uint8)
    drawn[[6, 12, 18]] = ball[[6, 12, 18]]
    save_volume(Volume(image.astype(np.float32), GEOMETRY), tmp_path / "image.nrrd")
    save_segmentation(Segmentation.from_labels(drawn, GEOMETRY, {1: "ball"}), tmp_path / "labels.seg.nrrd")
    return tmp_path


def run(case: Path, *more: str, image: str = "image.nrrd", labels: str = "labels.seg.nrrd") -> int:
    return main(["fill", str(case / image), str(case / labels), "-o", str(case / "out.seg.nrrd"), "--quiet", *more])


def test_a_disk_that_is_full_before_the_last_output_leaves_all_as_it_was(
    case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (case / "out.seg.nrrd").write_text("old")
    before = sorted(case.iterdir())
    fill_disk_at(case / "p.nrrd", monkeypatch)
    extras = ["--uncertainty", str(case / "doubt.nrrd"), "--probabilities", str(case / "p.nrrd")]
    assert run(case, *extras, "--gamma", "0.3") == 2
    assert "p.nrrd: No space left on device" in capsys.readouterr().err
    assert sorted(case.iterdir()) == before
    assert (case / "out.seg.nrrd").read_text() == "old"


def drawn_mask(drawn: Segmentation, shape: tuple[int, int, int]) -> np.ndarray:
    """What was drawn, on the image's whole grid."""
    return resample_segmentation(drawn, GEOMETRY, shape).mask("ball")


def test_a_folder_is_filled_and_what_fails_is_summarised(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "sparse"):
        (case / name).mkdir()
    for name in ("a", "b", "c"):
        (case / "images" / f"{name}.nrrd").write_bytes((case / "image.nrrd").read_bytes())
        (case / "sparse" / f"{name}.seg.nrrd").write_bytes((case / "labels.seg.nrrd").read_bytes())
    (case / "images" / "b.nrrd").write_text("NRRD0004\nnothing\n")
    arguments = ["fill", str(case / "images"), str(case / "sparse"), "-o", str(case / "filled"), "--quiet"]
    report = case / "r.json"
    assert main([*arguments, "--gamma", "0.3", "--json", str(report)]) == 2
    assert sorted(path.name for path in (case / "filled").iterdir()) == ["a.seg.nrrd", "c.seg.nrrd"]
    assert run(case, "--gamma", "0.3") == 0
    single = open_segmentation(case / "out.seg.nrrd")
    assert np.array_equal(open_segmentation(case / "filled" / "c.seg.nrrd").labels, single.labels)
    assert "1 of 3 failed:\n  b: " in capsys.readouterr().out
    results = json.loads(report.read_text())["results"]
    assert list(results["failures"]) == ["b"]
    assert results["images"]["a"]["voxels"] == {"ball": int(np.count_nonzero(single.labels))}
    (case / "filled" / "a.seg.nrrd").write_text("kept")
    assert main([*arguments, "--skip-existing", "--gamma", "0.3"]) == 2
    assert (case / "filled" / "a.seg.nrrd").read_text() == "kept"


def test_a_picture_shows_slices_of_the_fill(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib = pytest.importorskip("matplotlib.image")
    sizes = []
    for mode in ("slices", "scribbles"):
        assert run(case, "--mode", mode, "--gamma", "0.3", "--picture", str(case / f"{mode}.png")) == 0
        picture = matplotlib.imread(case / f"{mode}.png")
        colours = picture[..., :3].max(axis=-1) - picture[..., :3].min(axis=-1)
        assert (colours > 0.3).any()  # the outline; the image itself is grey
        sizes.append(picture.shape[1])
    assert sizes[0] > sizes[1]  # labelled slices have columns for their labels and the uncertainty
    assert run(case, "--picture", str(case / "sheet.jpg")) == 2
    assert "must end in .png" in capsys.readouterr().err


def test_images_without_labels_do_not_stop_the_others(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "sparse"):
        (case / name).mkdir()
    for name in ("images/a.nrrd", "images/b.nrrd"):
        (case / name).write_bytes((case / "image.nrrd").read_bytes())
    for name in ("sparse/a.seg.nrrd", "sparse/c.seg.nrrd"):
        (case / name).write_bytes((case / "labels.seg.nrrd").read_bytes())
    arguments = ["fill", str(case / "images"), str(case / "sparse"), "-o", str(case / "filled"), "--quiet"]
    assert main([*arguments, "--gamma", "0.3"]) == 2
    assert [path.name for path in (case / "filled").iterdir()] == ["a.seg.nrrd"]
    printed = capsys.readouterr().out
    assert "2 of 3 failed:\n  b.nrrd: " in printed
    assert "b.nrrd has no labels" in printed
    assert "c.seg.nrrd has no image" in printed
    (case / "sparse" / "a.seg.nrrd").unlink()
    assert main([*arguments, "--gamma", "0.3"]) == 2
    assert "cannot be paired:\n" in capsys.readouterr().err


def test_a_folder_of_which_nothing_is_filled_leaves_no_folder(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, file in (("images", "image.nrrd"), ("sparse", "labels.seg.nrrd")):
        (case / name).mkdir()
        (case / name / file.replace("image", "a").replace("labels", "a")).write_text("NRRD0004\nnothing\n")
    arguments = ["fill", str(case / "images"), str(case / "sparse"), "-o", str(case / "filled"), "--quiet"]
    assert main(arguments) == 2
    assert "1 of 1 failed" in capsys.readouterr().out
    assert not (case / "filled").exists()
    (case / "filled").mkdir()
    assert main(arguments) == 2
    assert (case / "filled").exists()


def test_a_folder_is_not_filled_into_the_name_of_a_file(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, file in (("images", "image.nrrd"), ("sparse", "labels.seg.nrrd")):
        (case / name).mkdir()
        (case / file).rename(case / name / file.replace("image", "a").replace("labels", "a"))
    assert run(case, image="images", labels="sparse") == 2
    assert "out.seg.nrrd is the name of a file; name a folder" in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()


def test_of_many_segments_the_first_are_listed() -> None:
    voxels = {f"s{n}": n for n in range(30)}
    report = FillReport("k", {"k": [4]}, [], list(voxels), {}, [[0, 9]], "cpu", 1.0, 1.0, 1.0, 0.001, [7])
    text = describe(Results(report, [], voxels, [], outputs={}))
    assert text.startswith("filled from 1 slice along z (k)")
    assert "s19: 19 voxels\n  and 10 more segments; the run report (--json FILE) lists all" in text


@pytest.mark.parametrize("names", [["cell"], ["cell 1", "cell 2"]])
def test_intervals_are_explained_where_there_are_some(names: list[str]) -> None:
    estimates = [SegmentEstimate("cell", Interval(0.9, 0.8, 0.95), Interval(30, 20, 40), trusted=True)]
    report = FillReport(
        "k", {"k": [4]}, [], ["cell"], {}, [[0, 9]], "cpu", 1.0, 1.0, 1.0, 0.001, [7], estimates=estimates
    )
    text = describe(Results(report, [], dict.fromkeys(names, 30), [], outputs={}))
    assert ("(20 to 40)" in text) == ("in brackets: 90 % intervals" in text) == (names == ["cell"])


def test_a_failed_fill_writes_its_report(case: Path) -> None:
    assert run(case, "--json", str(case / "r.json"), image="missing.nrrd") == 2
    results = json.loads((case / "r.json").read_text())["results"]
    assert "missing.nrrd" in results["error"]
    assert results["exit_code"] == 2
    assert run(case, "--json", str(case / "image.nrrd"), image="missing.nrrd") == 2
    assert open_volume(case / "image.nrrd").array.any()


def test_files_in_files_out(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extras = ["--uncertainty", str(case / "doubt.nii.gz"), "--probabilities", str(case / "p.nrrd")]
    extras += ["--json", str(case / "r.json"), "--islands", "0.1", "--holes", "0.5", "--smooth", "0.7"]
    assert run(case, *extras) == 0
    result, drawn = open_segmentation(case / "out.seg.nrrd"), open_segmentation(case / "labels.seg.nrrd")
    assert [s.name for s in result.segments] == ["ball"]
    assert result.geometry.matches(GEOMETRY)
    assert np.array_equal(result.labels[12] > 0, drawn_mask(drawn, result.shape)[12])
    assert 1500 < (result.labels > 0).sum() < 2700
    assert open_volume(case / "p.nrrd").array.max() == 1.0
    assert open_volume(case / "doubt.nii.gz").geometry.in_unit("nm").matches(GEOMETRY)
    report = json.loads((case / "r.json").read_text())
    assert report["results"]["slices"] == {"k": [6, 12, 18]}
    assert report["results"]["suggested_slices"]
    (estimate,) = report["results"]["estimates"]
    assert estimate["segment"] == "ball"
    assert estimate["dice"]["low"] < estimate["dice"]["value"] <= estimate["dice"]["high"]
    assert len(report["inputs"][str(case / "image.nrrd")]["sha256"]) == 64
    assert "label next along z (k)" in capsys.readouterr().out


def test_the_text_tells_what_to_expect_of_each_segment(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(case / name) for name in ("image.nrrd", "labels.seg.nrrd")]
    assert main(["fill", *files, "-o", str(case / "out.seg.nrrd")]) == 0
    told = re.search(r"ball: (\d+) voxels \((\d+) to (\d+)\), Dice (\S+) \((\S+) to (\S+)\)", capsys.readouterr().out)
    assert told
    voxels, few, many, dice, low, high = map(float, told.groups())
    assert voxels == open_segmentation(case / "out.seg.nrrd").mask("ball").sum()
    assert few < many
    assert 0 <= low < dice <= high <= 1


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".tif", ".mrc", ".ome.zarr", ".mha"])
def test_every_ending_holds_the_result(case: Path, ending: str) -> None:
    out = case / f"out{ending}"
    arguments = ["fill", str(case / "image.nrrd"), str(case / "labels.seg.nrrd"), "-o", str(out), "--gamma", "0.3"]
    assert main([*arguments, "--quiet"]) == 0
    assert 1500 < (open_segmentation(out).layers[0] > 0).sum() < 2700


def test_listed_slices_are_used(case: Path) -> None:
    assert run(case, "--slices", "0,6,12,18", "--axis", "k") == 0
    assert not open_segmentation(case / "out.seg.nrrd").flattened().labels[0].any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--slices", "6,12"], "slice 18 on axis z (k) holds labels"),
        (["--slices", "six"], "not a list of slice numbers"),
        (["--gamma", "-1"], "--gamma"),
        (["--mode", "scribbles", "--slices", "6"], "slices cannot be listed in scribbles mode"),
        (["--ignore", "nobody"], "has no segment 'nobody'; it has: ball"),
        (["--memory", "0.0001"], "--memory"),
        (["--uncertainty", "/no/such/folder/u.nrrd"], "does not exist"),
        (["--colour", "red"], "acseg: fill has no option --colour. 'acseg fill --help' lists all"),
        (["--force"], "acseg: fill has no option --force. 'acseg fill --help' lists all"),
        (["--backgroud", "x"], "no option --backgroud; --background is probably meant"),
    ],
)
def test_bad_options_are_one_sentence(case: Path, capsys, more: list[str], message: str) -> None:
    assert run(case, *more) == 2
    assert message in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()


def test_bad_files_are_one_sentence(case: Path, capsys) -> None:
    (case / "text.nrrd").write_text("not an image")
    (case / "cut.nrrd").write_bytes((case / "image.nrrd").read_bytes()[:-500])
    small = Segmentation.from_labels(np.ones((5, 5, 5), np.uint8), Geometry((3.0, 3.0, 3.0), unit="nm"))
    save_segmentation(small, case / "small.nrrd")
    nothing = Segmentation.from_labels(np.zeros((24, 26, 28), np.uint8), GEOMETRY)
    save_segmentation(nothing, case / "nothing.nrrd")
    for arguments, message in [
        (dict(image="text.nrrd"), "text.nrrd"),
        (dict(image="cut.nrrd"), "cut.nrrd"),
        (dict(image="missing.nrrd"), "missing.nrrd"),
        (dict(labels="small.nrrd"), "--resample"),
        (dict(labels="nothing.nrrd"), "no labelled voxel"),
    ]:
        assert run(case, **arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error
    assert not list(case.glob("out*"))
    assert not list(case.glob(".*"))


def labels_on(case: Path, k: np.ndarray, j: np.ndarray, i: np.ndarray, where: np.ndarray) -> None:
    """Write labels of the ball where they are asked for."""
    ball = (k - 12) ** 2 + (j - 13) ** 2 + (i - 14) ** 2 < 64
    labels = Segmentation.from_labels((ball & where).astype(np.uint8), GEOMETRY, {1: "ball"})
    save_segmentation(labels, case / "other.seg.nrrd")


def test_labels_that_are_no_slices_are_refused_unless_an_axis_is_named(case: Path, capsys) -> None:
    grid = np.indices((24, 26, 28))
    for where, message in [
        (np.ones((24, 26, 28), bool), "dense"),
        ((grid[0] - np.rint(0.1 * grid[1])) % 6 == 3, "lie obliquely"),
    ]:
        labels_on(case, *grid, where)
        assert run(case, labels="other.seg.nrrd") == 2
        assert message in capsys.readouterr().err
        assert run(case, "--axis", "z", labels="other.seg.nrrd") == 0


def test_stray_voxels_are_named_and_do_no_harm(case: Path, capsys) -> None:
    assert run(case) == 0
    expected = open_segmentation(case / "out.seg.nrrd").labels
    grid = np.indices((24, 26, 28))
    where = np.isin(grid[0], (6, 12, 18)) | ((grid[0] == 9) & (grid[1] == 13) & (grid[2] == 14))
    labels_on(case, *grid, where)
    arguments = ["fill", str(case / "image.nrrd"), str(case / "other.seg.nrrd"), "-o", str(case / "out.seg.nrrd")]
    assert main(arguments) == 0
    assert "slice 9 on axis z (k)" in capsys.readouterr().out
    assert np.array_equal(open_segmentation(case / "out.seg.nrrd").labels, expected)


def test_an_input_is_not_overwritten(case: Path, capsys) -> None:
    before = (case / "labels.seg.nrrd").read_bytes()
    assert (
        main(["fill", str(case / "image.nrrd"), str(case / "labels.seg.nrrd"), "-o", str(case / "labels.seg.nrrd")])
        == 2
    )
    assert "is an input" in capsys.readouterr().err
    assert (case / "labels.seg.nrrd").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a single process")
def test_ctrl_c_leaves_nothing_behind(case: Path) -> None:
    before = sorted(p.name for p in case.iterdir())
    arguments = ("fill", "image.nrrd", "labels.seg.nrrd", "-o", "out.seg.nrrd")
    done = run_interrupted(case, signal.SIGINT, "^(?!reading the files)", *arguments)
    assert done.returncode == 130, done.stderr
    assert "cancelled" in done.stderr
    assert sorted(p.name for p in case.iterdir()) == before


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--uncertainty", "{}/doubt.png"], "doubt.png"),
        (["--uncertainty", "{}/out.seg.nrrd"], "two outputs"),
        (["--probabilities", "{}/p.xyz"], "p.xyz"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    case: Path, more: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.name for p in case.iterdir())
    code = run(case, *(text.format(case) for text in more))
    assert code == 2
    assert sorted(p.name for p in case.iterdir()) == before
    assert word in capsys.readouterr().err


def test_leaving_out_all_segments_is_refused(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(case, "--leave-out", "ball") == 2
    assert "--leave-out names all segments (ball), so that nothing is left to fill" in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()


def test_segments_that_only_compete_are_left_out(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = np.zeros((24, 26, 28), np.uint8)
    drawn[[6, 12, 18], 8:18, 9:19] = 1
    drawn[[6, 12, 18], 20:24, 3:25] = 2
    both = Segmentation.from_labels(drawn, GEOMETRY, {1: "ball", 2: "neighbour"})
    save_segmentation(both, case / "both.seg.nrrd")
    for choice in (["--leave-out", "neighbour"], ["--only", "ball"]):
        assert run(case, *choice, labels="both.seg.nrrd") == 0
        assert [s.name for s in open_segmentation(case / "out.seg.nrrd").segments] == ["ball"]
    assert run(case, "--only", "bull", labels="both.seg.nrrd") == 2
    assert "bull" in capsys.readouterr().err


def test_a_level_of_a_multiscale_image_can_be_filled(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_volume(open_volume(case / "image.nrrd"), case / "image.ome.zarr")
    assert run(case, "--level", "0", image="image.ome.zarr") == 0
    assert run(case, "--level", "7", image="image.ome.zarr") == 2
    assert "level" in capsys.readouterr().err


def test_a_region_in_space_is_the_box_of_its_voxels(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dab = np.zeros((24, 26, 28), np.uint8)
    dab[11:14, 12:15, 13:16] = 1
    save_segmentation(Segmentation.from_labels(dab, GEOMETRY, {1: "ball"}), case / "labels.seg.nrrd")
    assert run(case, "--mode", "scribbles", "--box", "4", "25", "3", "24", "2", "23") == 0
    boxed = open_segmentation(case / "out.seg.nrrd").mask("ball")
    low, high = np.array([4, 3, 2]), np.array([24, 23, 22])  # the outermost voxels of the box
    spacing = np.array(GEOMETRY.spacing)
    centre = GEOMETRY.origin + spacing * (low + high) / 2
    half = spacing * (high - low + 0.5) / 2
    region = [f"{n:g}" for n in (*centre, *half)]
    assert run(case, "--mode", "scribbles", "--region", *region) == 0
    assert np.array_equal(open_segmentation(case / "out.seg.nrrd").mask("ball"), boxed)
    assert boxed.any()
    assert run(case, "--region", *region, "--box", "4", "25", "3", "24", "2", "23") == 2
    assert "--box and --region are both given" in capsys.readouterr().err
