"""acseg mesh: closed surfaces with the volume of the voxels, against trimesh."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fulldisk import fill_disk_at

from ACSegLib.commands.main import main
from ACSegLib.files import save_segmentation
from ACSegLib.files.tables import read_table
from ACSegLib.measure.mesh import mesh_of
from ACSegLib.volume import Geometry, Segment, Segmentation

trimesh = pytest.importorskip("trimesh")

TURN = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
MIRROR = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (20, 24, 28)


def ball(radius: float, centre: tuple[float, float, float]) -> np.ndarray:
    k, j, i = np.indices(SHAPE) - np.array(centre)[:, None, None, None]
    return np.asarray(k * k + j * j + i * i <= radius * radius)


def checked(points: np.ndarray, triangles: np.ndarray) -> trimesh.Trimesh:
    surface = trimesh.Trimesh(points, triangles)
    assert surface.is_watertight
    assert surface.is_winding_consistent
    return surface


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A ball in the volume, one that the border cuts, and a filopodium of one voxel."""
    array = np.zeros(SHAPE, np.uint8)
    array[ball(6.5, (10, 11, 9))] = 1
    array[ball(8, (0, 23, 27))] = 2
    array[10, 11, 16:20] = 1
    rows = [Segment("cell", 1, (1.0, 0.5, 0.0)), Segment("cut cell", 2, (0.0, 0.25, 1.0))]
    place = Geometry((30.0, 20.0, 40.0), (100.0, -200.0, 300.0), TURN, "nm")
    save_segmentation(Segmentation((array,), rows, place), tmp_path / "cells.seg.nrrd")
    return tmp_path


def test_a_disk_that_is_full_before_the_last_output_leaves_none(cells: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk_at(cells / "m-cut_cell.stl", monkeypatch)
    assert main(["mesh", str(cells / "cells.seg.nrrd"), "-o", str(cells / "m.stl"), "--quiet"]) == 2
    assert [path.name for path in cells.iterdir()] == ["cells.seg.nrrd"]


def test_a_folder_gives_a_folder_of_meshes(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cells / "results").mkdir()
    for name in ("a", "b"):
        (cells / "results" / f"{name}.seg.nrrd").write_bytes((cells / "cells.seg.nrrd").read_bytes())
    (cells / "results" / "c.seg.nrrd").write_text("NRRD0004\nnothing\n")
    arguments = ["mesh", str(cells / "results"), "--quiet", "-o"]
    assert main([*arguments, str(cells / "meshes"), "--ending", ".stl"]) == 2
    assert "1 of 3 failed:\n  c" in capsys.readouterr().out
    assert main(["mesh", str(cells / "cells.seg.nrrd"), "-o", str(cells / "m.stl"), "--quiet"]) == 0
    for part in ("cell", "cut_cell"):
        for name in ("a", "b"):
            assert (cells / "meshes" / f"{name}-{part}.stl").read_bytes() == (cells / f"m-{part}.stl").read_bytes()
    assert main([*arguments, str(cells / "meshes.stl")]) == 2
    assert "meshes.stl is the name of a file" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(12))
def test_meshes_of_rough_masks_are_closed(seed: int) -> None:
    """Noise has every configuration of marching cubes, those with ambiguous faces too."""
    generator = np.random.default_rng(seed)
    mask = generator.random((13, 12, 11)) < generator.uniform(0.05, 0.95)
    made = mesh_of(mask, Geometry())
    surface = checked(made.points, made.triangles)
    assert surface.volume == pytest.approx(mask.sum(), rel=5e-3)


@pytest.mark.parametrize("direction", [TURN, MIRROR])
def test_normals_face_outwards_and_the_mesh_lies_on_its_voxels(direction: tuple[float, ...]) -> None:
    mask = ball(6.5, (10, 11, 9))
    place = Geometry((30.0, 20.0, 40.0), (100.0, -200.0, 300.0), direction, "nm")
    made = mesh_of(mask, place)
    surface = checked(made.points, made.triangles)
    assert surface.volume == pytest.approx(mask.sum() * place.voxel_volume, rel=5e-3)
    np.testing.assert_allclose(surface.center_mass, (place.ijk_to_lps @ [9, 11, 10, 1])[:3], atol=1e-6)


@pytest.mark.parametrize(("radius", "smooth"), [(1, 1.0), (3, 2.0), (5, 4.0)])
def test_smoothing_keeps_the_volume_of_a_small_bead(radius: int, smooth: float) -> None:
    offsets = np.indices((16, 16, 16)) - 8
    mask = (offsets**2).sum(axis=0) <= radius**2
    assert mesh_of(mask, Geometry(), smooth).volume == pytest.approx(np.count_nonzero(mask), rel=1e-3)


@pytest.mark.parametrize("smooth", [1.0, 2.0])
def test_smoothing_keeps_the_volume_and_removes_the_steps(smooth: float) -> None:
    mask = ball(8.3, (10, 11, 13))
    rough, even = (mesh_of(mask, Geometry(), length) for length in (0.0, smooth))
    surface = checked(even.points, even.triangles)
    assert surface.volume == pytest.approx(mask.sum(), rel=5e-3)
    radii = [np.linalg.norm(made.points - (13, 11, 10), axis=1) for made in (rough, even)]
    assert radii[1].std() < 0.5 * radii[0].std()


@pytest.mark.parametrize("ending", ["stl", "ply", "obj", "glb"])
def test_files_are_closed_and_in_the_unit_asked_for(ending: str, cells: Path) -> None:
    report = cells / "report.json"
    arguments = ["mesh", str(cells / "cells.seg.nrrd"), "-o", str(cells / f"m.{ending}"), "--unit", "um", "--quiet"]
    assert main([*arguments, "--json", str(report)]) == 0
    results = json.loads(report.read_text())["results"]
    parts = ending in ("stl", "ply")
    names = ["m-cell", "m-cut_cell"] if parts else ["m"]
    files = [cells / f"{name}.{ending}" for name in names]
    assert sorted(results["outputs"].values()) == [str(file) for file in files]
    if parts:
        surfaces = dict(zip(("cell", "cut cell"), (trimesh.load(file) for file in files), strict=True))
    else:
        surfaces = trimesh.load_scene(files[0], split_objects=True, group_material=False).geometry
    assert set(surfaces) == {"cell", "cut cell"}
    for mesh in results["meshes"]:
        surface = surfaces[mesh["segment"]]
        assert surface.is_watertight
        assert surface.volume == pytest.approx(mesh["voxel_volume"], rel=5e-3)
        assert mesh["volume"] == pytest.approx(mesh["voxel_volume"], rel=5e-3)
    assert results["meshes"][0]["voxel_volume"] == pytest.approx((ball(6.5, (10, 11, 9)).sum() + 4) * 24e-6)
    if ending == "ply":
        np.testing.assert_array_equal(surfaces["cell"].visual.vertex_colors[0], (255, 128, 0, 255))


def test_volumes_are_in_the_unit_of_measure_and_positions_in_that_of_the_file(
    cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, report = str(cells / "cells.seg.nrrd"), cells / "report.json"
    assert main(["mesh", labels, "-o", str(cells / "m.obj"), "--quiet", "--json", str(report)]) == 0
    text = capsys.readouterr().out
    assert "um3" in text
    assert "positions in nm" in text
    assert main(["measure", labels, "-o", str(cells / "m.csv"), "--quiet"]) == 0
    volumes = {row["segment"]: row["volume"] for row in read_table(cells / "m.csv") if row["kind"] == "segment"}
    for mesh in json.loads(report.read_text())["results"]["meshes"]:
        assert mesh["voxel_volume"] == pytest.approx(volumes[mesh["segment"]])
        assert (mesh["unit"], mesh["unit_of_positions"]) == ("um", "nm")


def test_segments_are_chosen_and_outputs_checked_before_the_work(
    cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = str(cells / "cells.seg.nrrd")
    assert main(["mesh", labels, "-o", str(cells / "one.stl"), "--segments", "cut cell", "--quiet"]) == 0
    assert (cells / "one.stl").is_file()
    assert main(["mesh", labels, "-o", str(cells / "one.stl"), "--segments", "nucleus", "--quiet"]) == 2
    assert "nucleus" in capsys.readouterr().err
    assert main(["mesh", labels, "-o", str(cells / "one.vtk"), "--quiet"]) == 2
    assert ".stl or .ply or .obj or .glb" in capsys.readouterr().err
    assert main(["mesh", labels, "-o", labels, "--quiet"]) == 2


def test_nothing_to_make_a_mesh_of_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_segmentation(Segmentation((np.zeros(SHAPE, np.uint8),), [Segment("cell", 1)]), tmp_path / "a.seg.nrrd")
    assert main(["mesh", str(tmp_path / "a.seg.nrrd"), "-o", str(tmp_path / "a.stl"), "--quiet"]) == 2
    assert "no voxel is labelled" in capsys.readouterr().err
