"""Contact sheets and surface pictures, judged by their pixels."""

import itertools

import numpy as np
import pytest

from ACSegLib.app.images import intensity_range
from ACSegLib.errors import FileError, InputError
from ACSegLib.pictures import comparison_sheet, contact_sheet, style, surface_picture
from ACSegLib.pictures.splat import View, frame, splat
from ACSegLib.pictures.surface import can_render
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

SUGGESTED = np.array([0x35, 0xE0, 0xC8]) / 255


def read(path):
    import matplotlib.image

    return matplotlib.image.imread(path)[..., :3]


def near(picture, colour, tolerance=0.08):
    return np.all(np.abs(picture - np.asarray(colour)) < tolerance, axis=-1)


@pytest.fixture
def scene():
    """A ball and a small cube in a grey volume, spacing 20 x 10 x 40 nm (i, j, k)."""
    geometry = Geometry(spacing=(20.0, 10.0, 40.0), unit="nm")
    k, j, i = np.indices((20, 60, 40))
    labels = np.zeros((20, 60, 40), np.uint8)
    labels[((k - 10) / 6) ** 2 + ((j - 30) / 18) ** 2 + ((i - 20) / 9) ** 2 < 1] = 1
    labels[8:12, 4:10, 4:10] = 2
    rows = [Segment("cell", 1), Segment("bead", 2)]
    truth = Segmentation((labels,), rows, geometry, "scene")
    volume = Volume(labels.astype(np.float32) + 0.1 * (k % 2), geometry, "scene")
    sparse = truth.with_labels(np.where(np.isin(k, (6, 12)), labels, 0).astype(np.uint8))
    return volume, truth, sparse


# Style


@pytest.mark.parametrize(("longest", "nice"), [(7.3, 5), (2.0, 2), (1.99, 1), (0.049, 0.02), (9999, 5000), (100, 100)])
def test_scale_bars_have_nice_lengths(longest, nice):
    assert style.nice_length(longest) == pytest.approx(nice)


@pytest.mark.parametrize(
    ("length", "unit", "text"),
    [(2000, "nm", "2 µm"), (500, "nm", "500 nm"), (0.2, "um", "200 nm"), (50, "px", "50 px"), (20, "mm", "20 mm")],
)
def test_lengths_are_told_in_the_unit_that_suits(length, unit, text):
    assert style.length_text(length, unit) == text


def test_the_contrast_window_ignores_hot_voxels_nan_and_constant_volumes():
    array = np.random.default_rng(0).uniform(1, 2, (30, 30, 30)).astype(np.float32)
    array[0, 0, 0], array[0, 0, 1] = 1e9, np.nan
    low, high = style.contrast_window(Volume(array))
    assert (low, high) == pytest.approx((1, 2), abs=0.05)
    assert style.contrast_window(Volume(np.full((3, 3, 3), 7))) == (7.0, 8.0)
    assert style.contrast_window(Volume(np.full((3, 3, 3), np.nan))) == (0.0, 1.0)


def test_windows_leave_out_padding():
    array = np.random.default_rng(0).uniform(1, 2, (30, 30, 30)).astype(np.float32)
    array[:, :, :5] = -20
    assert style.contrast_window(Volume(array)) == pytest.approx((1, 2), abs=0.05)
    full, window = intensity_range(array)
    assert full == pytest.approx((-20, 2), abs=0.01)
    assert window == pytest.approx((1, 2), abs=0.05)


def luminance(colour):
    linear = np.where(
        np.array(colour) <= 0.04045, np.array(colour) / 12.92, ((np.array(colour) + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_neighbouring_colours_differ_for_people_who_see_no_red():
    # Protanopia, linear RGB (F. Vienot, H. Brettel, J. D. Mollon, Color Res. Appl. 24, 1999).
    simulate = np.array([[0.112, 0.888, 0.0], [0.112, 0.888, 0.0], [0.004, -0.004, 1.0]])
    seen = [simulate @ (np.array(colour) ** 2.2) for colour in style.PALETTE[:4]]
    for n, first in enumerate(seen):
        for second in seen[n + 1 :]:
            assert np.linalg.norm(first - second) > 0.1


# Contact sheets


def test_a_contact_sheet_shows_sparse_labels_outlines_and_suggestions(scene, tmp_path):
    volume, truth, sparse = scene
    uncertainty = np.zeros(volume.shape, np.uint8)
    uncertainty[9, 20:40, 10:30] = 255
    path = tmp_path / "sheet.png"
    contact_sheet(
        volume, path, sparse=sparse, result=truth, uncertainty=uncertainty, slices={"k": [6, 12]}, suggested=[9]
    )
    picture = read(path)
    assert near(picture, style.PALETTE[0]).sum() > 300  # the cell's outline
    assert near(picture, SUGGESTED).sum() > 50  # the line of the suggested slice
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
    without = tmp_path / "without.png"
    contact_sheet(volume, without, sparse=sparse, result=truth, slices={"k": [6, 12]})
    assert near(read(without), SUGGESTED).sum() == 0
    assert read(without).shape[1] < picture.shape[1]  # a column less


def test_the_truth_shows_only_where_it_differs(scene, tmp_path):
    volume, truth, sparse = scene
    wrong = truth.with_labels(np.where(truth.labels == 2, 0, truth.labels).astype(np.uint8))
    for name, result in (("same", truth), ("wrong", wrong)):
        sheet = {"sparse": sparse, "result": result, "truth": truth, "slices": {"k": [6, 12]}}
        contact_sheet(Volume(np.zeros(volume.shape), volume.geometry), tmp_path / f"{name}.png", **sheet)
    same, wrong_sheet = read(tmp_path / "same.png"), read(tmp_path / "wrong.png")
    height = int(0.9 * len(same))  # above the legend
    white = [near(p[:height, p.shape[1] // 3 :], (1, 1, 1), 0.3).sum() for p in (same, wrong_sheet)]
    assert white[1] > white[0] + 100


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_any_axis_is_shown(scene, tmp_path, axis):
    volume, truth, sparse = scene
    contact_sheet(
        volume, tmp_path / "a.png", sparse=sparse, result=truth, slices={"k": [], "j": [], "i": [], axis: [10]}
    )
    assert near(read(tmp_path / "a.png"), style.PALETTE[0]).sum() > 100


def test_an_empty_result_and_many_segments_are_shown(scene, tmp_path):
    volume, truth, sparse = scene
    empty = truth.with_labels(np.zeros_like(truth.labels))
    contact_sheet(volume, tmp_path / "empty.png", sparse=sparse, result=empty, slices={"k": [6]})
    k, j, i = np.indices(volume.shape)
    many = Segmentation.from_labels((1 + j // 4 + 0 * k * i).astype(np.uint8), volume.geometry)
    contact_sheet(volume, tmp_path / "many.png", sparse=many, result=many, slices={"k": [6]})
    assert read(tmp_path / "many.png").size


def test_segments_that_touch_have_different_colours():
    labels = np.arange(1, 50, dtype=np.uint8).reshape(1, 7, 7).repeat(4, 1).repeat(4, 2).repeat(3, 0)
    labels[:, 3::4], labels[:, :, 3::4] = 0, 0  # a line of background between cells, as outlines by hand leave
    cells = Segmentation.from_labels(labels, Geometry())
    colours = style.segment_colours(cells)
    assert [colours[f"Segment_{n}"] for n in range(1, 8)] == list(style.PALETTE)
    for row, column in np.ndindex(7, 7):
        own = colours[f"Segment_{7 * row + column + 1}"]
        assert row == 6 or colours[f"Segment_{7 * row + column + 8}"] != own
        assert column == 6 or colours[f"Segment_{7 * row + column + 2}"] != own


def test_the_same_cell_has_one_colour_under_two_names():
    truth, result = (
        Segmentation.from_labels(np.ones((2, 2, 2), np.uint8), Geometry(), {1: name}) for name in ("cell", "cytoplasm")
    )
    assert style.segment_colours(truth, result) == {"cell": style.PALETTE[0], "cytoplasm": style.PALETTE[0]}


def test_names_of_rows_fit_beside_them(tmp_path, monkeypatch):
    """Of low rows, the names would run into one another."""
    labels = np.zeros((20, 40, 120), np.uint8)
    labels[4:16, 6:34, 20:100] = 1
    volume, cells = Volume(labels.astype(np.float32)), Segmentation.from_labels(labels, Geometry())
    figures = []
    monkeypatch.setattr(style, "save_figure", lambda figure, *_: figures.append(figure))
    contact_sheet(volume, tmp_path / "a.png", sparse=cells, result=cells, slices={"k": [5, 9, 14]}, suggested=[12])
    figures[0].canvas.draw()
    names = [axes.yaxis.label for axes in figures[0].axes if axes.get_ylabel()]
    boxes = sorted((name.get_window_extent() for name in names), key=lambda box: box.y0)
    assert {name.get_text() for name in names} >= {"z = 12\n(label next)", "z = 9\n(labelled)"}
    assert all(low.y1 < high.y0 for low, high in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) > 0


def test_sheets_refuse_other_grids_and_missing_slices_and_leave_nothing(scene, tmp_path):
    volume, truth, sparse = scene
    other = Segmentation((truth.labels[1:],), truth.segments, truth.geometry)
    with pytest.raises(InputError, match="has 40 x 60 x 20 voxels"):
        contact_sheet(volume, tmp_path / "a.png", sparse=sparse, result=other, slices={"k": [6]})
    with pytest.raises(InputError, match="slices must name"):
        contact_sheet(volume, tmp_path / "a.png", sparse=sparse, result=truth, slices={"k": []})
    with pytest.raises(FileError, match="does not exist"):
        contact_sheet(volume, tmp_path / "no" / "a.png", sparse=sparse, result=truth, slices={"k": [6]})
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_shows_each_segmentation_in_its_column(scene, tmp_path):
    volume, truth, _ = scene
    nothing = truth.with_labels(np.zeros_like(truth.labels))
    comparison_sheet(volume, tmp_path / "c.png", {"truth": truth, "nothing": nothing})
    picture = read(tmp_path / "c.png")
    body = near(picture[: int(0.9 * len(picture))], style.PALETTE[0])
    third = picture.shape[1] // 3
    assert body[:, third : 2 * third].sum() > 200
    assert body[:, 2 * third + 10 :].sum() == 0


# Surfaces


def silhouette(picture):
    return np.any(picture < 0.97, axis=-1)


def test_splats_show_the_right_shape_size_and_place(scene):
    _, truth, _ = scene
    spacing = truth.geometry.spacing
    mask = truth.mask("cell")
    view = View(azimuth=0.0, elevation=0.0)  # along j: i to the right, k up
    middle, width = frame([mask], spacing, [view])
    picture = splat([mask], [(0.9, 0.6, 0.0)], spacing, view, middle, width, 200)
    shape = silhouette(picture)
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    used = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in (0, 2)]
    high, wide = ((u[-1] - u[0] + 1) * s for u, s in zip(used, (spacing[2], spacing[0]), strict=True))
    assert (rows[-1] - rows[0] + 1) / 200 * width == pytest.approx(high, rel=0.15)
    assert (columns[-1] - columns[0] + 1) / 200 * width == pytest.approx(wide, rel=0.25)


def test_what_is_above_and_in_front_is_drawn_there():
    labels = np.zeros((30, 30, 30), bool)
    above, front, behind = labels.copy(), labels.copy(), labels.copy()
    above[22:28, 12:18, 12:18] = True
    front[5:15, 2:5, 8:22] = True  # at small j, nearer to the eye
    behind[5:15, 24:27, 8:22] = True
    view = View(0.0, 0.0)
    masks = [above, front, behind]
    middle, width = frame(masks, (1, 1, 1), [view])
    colours = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    picture = splat(masks, colours, (1, 1, 1), view, middle, width, 150)
    red, green, blue = (silhouette(picture) & (np.argmax(picture, -1) == n) for n in range(3))
    assert np.argwhere(red)[:, 0].max() < np.argwhere(green)[:, 0].min()
    assert green.sum() > 500
    assert blue.sum() < 0.1 * green.sum()  # hidden, but for voxel edges


def test_vtk_and_numpy_show_the_same(scene, tmp_path):
    if not can_render():
        pytest.skip("VTK cannot render here (no OpenGL, not even in software)")
    _, truth, _ = scene
    used = [surface_picture(truth, tmp_path / f"{r}.png", renderer=r, size=240) for r in ("vtk", "numpy")]
    assert used == ["vtk", "numpy"]
    first, second = (silhouette(read(tmp_path / f"{r}.png")) for r in used)
    body = slice(int(0.12 * len(first)), int(0.9 * len(first)))
    first, second = first[body], second[body]
    assert (first & second).sum() / (first | second).sum() > 0.85
    for name in used:
        picture = read(tmp_path / f"{name}.png")[body]
        hue = picture[..., 0] - picture[..., 2]
        assert (hue > 0.3).sum() > 500  # the orange cell
        assert (hue < -0.2).sum() > 50  # the blue bead


def test_without_opengl_the_picture_is_made_all_the_same(scene, tmp_path, monkeypatch):
    monkeypatch.setattr("ACSegLib.pictures.surface.can_render", lambda: False)
    assert surface_picture(scene[1], tmp_path / "s.png", size=120) == "numpy"
    assert silhouette(read(tmp_path / "s.png")).sum() > 500


def test_nothing_to_show_is_an_error(scene, tmp_path):
    _, truth, _ = scene
    empty = truth.with_labels(np.zeros_like(truth.labels))
    with pytest.raises(InputError, match="no voxels"):
        surface_picture(empty, tmp_path / "e.png")
    with pytest.raises(InputError, match="renderer"):
        surface_picture(truth, tmp_path / "e.png", renderer="magic")
    assert not (tmp_path / "e.png").exists()
