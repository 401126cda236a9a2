"""No command overwrites what it reads, or what a person has: checked before the work, over all commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.main import main
from ACSegLib.commands.options import OptionInfo, describe_options, from_mapping
from ACSegLib.commands.outputs import Output, check_command, check_outputs, segment_paths
from ACSegLib.errors import FileError, InputError
from ACSegLib.files import open_volume, save_segmentation, save_volume
from ACSegLib.volume import Geometry, Segmentation, Volume

#: Options of commands whose text is no path.
NO_PATHS = {
    *("dataset", "ending", "slices", "background", "ignore", "only", "leave_out", "image_dataset", "labels_dataset"),
    *(
        "licence",
        "note",
        "spacing",
        "largest",
        "names",
        "segments",
        "segment",
        "bead_name",
        "root",  # what the page may open, and where it writes what is asked for
        "allow_host",
        "slice",
        "title",
        *("voxel_size", "intensity_unit"),
    ),
}


def options_of(command: str) -> list[OptionInfo]:
    return describe_options(load(command).Options)


def paths_of(kind: str) -> list[tuple[str, OptionInfo]]:
    """All options of all commands that name a path of a kind."""
    return [(c, info) for c in COMMANDS for info in options_of(c) if info.metadata["path"] == kind]


def ending_of(info: OptionInfo) -> str:
    """An ending that fits an option."""
    endings = info.metadata["endings"]
    return {"image": ".nrrd", "table": ".csv", "": ".nrrd"}.get(endings) or endings[0]


def values_for(command: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Values for a command's options: those chosen, and names of nothing for the others that are required."""
    values = {}
    for info in options_of(command):
        if info.name in chosen:
            values[info.name] = [chosen[info.name]] if info.repeated else chosen[info.name]
        elif info.required:
            name = f"nothing-{info.name}{ending_of(info)}"
            values[info.name] = [name] if info.repeated else name
    return values


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_text_is_declared_a_path_or_is_none(command: str) -> None:
    for info in options_of(command):
        if info.type is str and not info.metadata["choices"]:
            assert bool(info.metadata["path"]) != (info.name in NO_PATHS), info.name


@pytest.mark.parametrize(
    ("command", "output", "source"),
    [
        pytest.param(command, output, source, id=f"{command}-{output.name}-{source.name}")
        for kind in ("out", "place")
        for command, output in paths_of(kind)
        for source in options_of(command)
        if source.metadata["path"] == "in"
    ],
)
def test_no_output_is_an_input(command: str, output: OptionInfo, source: OptionInfo, folder: Path) -> None:
    """By its name, by another name of the same file, and as a file of a folder that is read."""
    name = f"cell{ending_of(output)}"
    (folder / "data").mkdir()
    file = folder / "data" / name
    file.write_bytes(b"precious")
    os.link(file, folder / f"other{ending_of(output)}")
    os.symlink(file, folder / f"link{ending_of(output)}")
    for target in (f"data/{name}", f"data/../data/{name}", f"other{ending_of(output)}", f"link{ending_of(output)}"):
        options = from_mapping(
            load(command).Options, values_for(command, {source.name: str(file), output.name: target})
        )
        with pytest.raises(InputError, match="is an input"):
            check_command(options)
    if file.suffix in (".nrrd",):
        options = from_mapping(
            load(command).Options, values_for(command, {source.name: "data", output.name: f"data/{name}"})
        )
        with pytest.raises(InputError, match="is an input"):
            check_command(options)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_run_report_is_no_input_and_ends_in_json(command: str, folder: Path, capsys) -> None:
    sources = [info for info in options_of(command) if info.metadata["path"] == "in"]
    for source in sources:
        (folder / "table.json").write_text("[]")
        options = from_mapping(load(command).Options, values_for(command, {source.name: "table.json"}))
        with pytest.raises(InputError, match=r"--json table\.json is an input"):
            check_command(options, "table.json")
    options = from_mapping(load(command).Options, values_for(command, {}))
    with pytest.raises(InputError, match=r"--json cell\.seg\.nrrd must end in \.json"):
        check_command(options, "cell.seg.nrrd")
    check_command(options, "-")


@pytest.mark.parametrize(("command", "output"), paths_of("out"), ids=lambda v: v if isinstance(v, str) else v.name)
def test_endings_folders_and_double_names_are_refused(command: str, output: OptionInfo, folder: Path) -> None:
    def checked(path: str, report: str | None = None) -> None:
        check_command(from_mapping(load(command).Options, values_for(command, {output.name: path})), report)

    ending = ending_of(output)
    checked(f"new{ending}")
    with pytest.raises((InputError, FileError), match=r"cell\.xyz"):
        checked("cell.xyz")
    with pytest.raises(FileError, match="does not exist"):
        checked(f"nowhere/cell{ending}")
    (folder / f"there{ending}").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        checked(f"there{ending}")
    if output.metadata["endings"] == "table":
        with pytest.raises(InputError, match="two outputs"):
            checked("same.json", "./same.json")


def slices(folder: Path) -> None:
    """A folder of numbered slices: one image."""
    import tifffile

    folder.mkdir()
    for number in range(4):
        tifffile.imwrite(folder / f"s{number:03}.tif", np.full((5, 6), number, np.uint8))


def collection(folder: Path) -> None:
    """An OME-Zarr that ACSeg wrote, in a Zarr of others' beside something else."""
    folder.mkdir()
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / "notes.txt").write_text("keep")
    save_volume(Volume(np.ones((4, 5, 6), np.uint8)), folder / "image.ome.zarr")
    (folder / "image.ome.zarr").rename(folder / "0")


@pytest.mark.parametrize(
    ("image", "output", "message"),
    [
        ("slices", "slices/s000.tif", "is inside the input"),
        ("slices", "slices/new.nrrd", "is inside the input"),
        ("coll.zarr/0", "coll.zarr", "contains the input"),
        ("coll.zarr/0", "coll.zarr/0", "is an input"),
        ("coll.zarr/0", "coll.zarr/0/labels.zarr", "is inside the input"),
        ("image.nrrd", "coll.zarr", "contains files that ACSeg did not write"),
        ("image.nrrd", "foreign.zarr", "contains files that ACSeg did not write"),
        ("image.nrrd", "grown.ome.zarr", "contains files that ACSeg did not write"),
    ],
)
def test_folders_are_neither_replaced_nor_written_into(folder: Path, image: str, output: str, message: str) -> None:
    slices(folder / "slices")
    collection(folder / "coll.zarr")
    save_volume(Volume(np.ones((4, 5, 6), np.uint8)), folder / "image.nrrd")
    (folder / "foreign.zarr").mkdir()
    (folder / "foreign.zarr" / "photo.jpg").write_bytes(b"x")
    save_volume(Volume(np.ones((4, 5, 6), np.uint8)), folder / "grown.ome.zarr")
    (folder / "grown.ome.zarr" / "labels").mkdir()
    before = sorted(str(p) for p in folder.rglob("*"))
    with pytest.raises(InputError, match=message):
        check_outputs([Output(output, "--output", "image")], [image])
    assert main(["fill", image, image, "-o", output, "--quiet"]) == 2
    assert sorted(str(p) for p in folder.rglob("*")) == before


def test_a_zarr_of_acsegs_and_an_empty_one_are_replaced(folder: Path) -> None:
    save_volume(Volume(np.ones((4, 5, 6), np.uint8)), folder / "old.ome.zarr")
    (folder / "empty.zarr").mkdir()
    check_outputs([Output("old.ome.zarr", "--output", "image"), Output("empty.zarr", "--output", "image")], [])
    save_volume(Volume(np.zeros((4, 5, 6), np.uint8)), folder / "old.ome.zarr")
    assert not open_volume(folder / "old.ome.zarr").array.any()


def test_folders_of_results_may_lie_beside_and_among_what_is_read(folder: Path) -> None:
    save_volume(Volume(np.ones((4, 5, 6), np.uint8)), folder / "a.nrrd")
    check_outputs([Output(".", "--output", folder=True), Output("a.seg.nrrd", "--output", "image")], ["."])
    slices(folder / "slices")
    with pytest.raises(InputError, match="is an input"):
        check_outputs([Output("slices", "--output", folder=True)], ["slices"])
    (folder / "slices" / "out").mkdir()
    with pytest.raises(InputError, match="is inside"):
        check_outputs([Output("slices/out", "--output", folder=True)], ["slices"])
    with pytest.raises(InputError, match="is a file"):
        check_outputs([Output("a.nrrd", "--output", folder=True)], [])


def test_a_report_may_lie_in_a_folder_that_the_command_makes(folder: Path) -> None:
    options = from_mapping(load("phantom").Options, {"output": "new"})
    check_command(options, "new/report.json")
    with pytest.raises(FileError, match="does not exist"):
        check_command(options, "elsewhere/report.json")


def test_files_for_segments_never_share_a_name() -> None:
    paths = segment_paths("out/p.seg.nrrd", ["a b", "a_b", "A B", "Zelle", "zelle", "a_b-2"])
    assert len({path.casefold() for path in paths}) == 6
    assert paths[:2] == ["out/p-a_b.seg.nrrd", "out/p-a_b-2.seg.nrrd"]
    assert segment_paths("p.nrrd", ["a b"]) == ["p.nrrd"]


def test_segments_of_like_names_keep_all_their_probabilities(folder: Path) -> None:
    k, j, i = np.indices((12, 14, 16))
    labels = np.zeros(k.shape, np.uint8)
    for number in (2, 6, 10):
        labels[number, 2:6, 2:6], labels[number, 8:12, 8:12] = 1, 2
    image = np.where((k >= 0) & (j < 7), 1.0, 0.0) + 0.01 * i
    geometry = Geometry((30.0,) * 3, unit="nm")
    save_volume(Volume(image.astype(np.float32), geometry), "image.nrrd")
    save_segmentation(Segmentation.from_labels(labels, geometry, {1: "a b", 2: "a_b"}), "labels.seg.nrrd")
    command = ["fill", "image.nrrd", "labels.seg.nrrd", "-o", "out.seg.nrrd", "--quiet", "--gamma", "0.3"]
    assert main([*command, "--probabilities", "p.nrrd"]) == 0
    first, second = open_volume("p-a_b.nrrd").array, open_volume("p-a_b-2.nrrd").array
    assert first[6, 3, 3] > 0.5 > second[6, 3, 3]
    assert main([*command, "--probabilities", "p.nrrd", "--uncertainty", "p-a_b.nrrd"]) == 2


def test_json_before_the_inputs_destroys_none_of_them(folder: Path, capsys) -> None:
    """As the shell makes of ``acseg measure -o t.csv --json *.seg.nrrd``."""
    labels = Segmentation.from_labels(np.ones((4, 5, 6), np.uint8), Geometry((30.0,) * 3, unit="nm"))
    for name in ("a.seg.nrrd", "b.seg.nrrd"):
        save_segmentation(labels, name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["measure", "-o", "t.csv", "--quiet", "--json", "a.seg.nrrd", "b.seg.nrrd"]) == 2
    assert "--json a.seg.nrrd must end in .json" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_name_of_a_folder_is_no_name_of_a_file(tmp_path, capsys):
    (tmp_path / "a.nrrd").write_text("NRRD0004\n")
    assert main(["split", str(tmp_path / "a.nrrd"), "-o", f"{tmp_path}/apart/", "--quiet"]) == 2
    assert "apart/ is the name of a folder; name a file." in capsys.readouterr().err
