"""The fill from end to end on phantoms: accuracy, faithfulness to the labels, refills, odd inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ACSegLib import Cancelled, Geometry, InputError, Progress, Segment, Segmentation, Volume
from ACSegLib.errors import MemoryLimitError
from ACSegLib.fill import Settings, fill, refill, suggest_slices
from ACSegLib.fill.seeds import SeedOptions, collect_seeds
from ACSegLib.fill.suggest import new_appearance
from ACSegLib.jobs import CancelFlag
from ACSegLib.labelled_slices import find_labelled_slices

SIZE, EVERY = 48, 8
FIXED = Settings(0.3, 3.0)


def scene(noise: float = 0.12, touching: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of a bumpy bright ball (1) with a thin rod, and a very bright bead (2)."""
    k, j, i = np.indices((SIZE,) * 3) - SIZE / 2 + 0.5
    angle = np.arctan2(j, i)
    radius = 13 + 1.5 * np.sin(3 * angle) + 1.0 * np.cos(k / 4)
    cell = k * k + j * j + i * i < radius * radius
    cell |= (np.abs(k - 5) < 1.5) & (np.abs(j) < 1.5) & (i > 0) & (i < 21)
    bead = (k + 14) ** 2 + (j + 14) ** 2 + (i - 14) ** 2 < 16
    labels = cell.astype(np.uint8)
    labels[bead] = 2
    image = np.where(bead, 2.5, np.where(cell, 1.0, 0.0))
    if touching:
        image = np.where(k * k + (j + 27) ** 2 + i * i < 13**2, np.maximum(image, 1.0), image)
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return image.astype(np.float32), labels


def sparse(labels: np.ndarray, every: int = EVERY, axis: int = 0) -> np.ndarray:
    """The labels of every n-th slice alone."""
    out = np.zeros_like(labels)
    chosen = range(every // 2, labels.shape[axis], every)
    np.moveaxis(out, axis, 0)[list(chosen)] = np.moveaxis(labels, axis, 0)[list(chosen)]
    return out


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def labelled() -> tuple[Volume, Segmentation, np.ndarray]:
    image, labels = scene()
    geometry = Geometry((30.0, 30.0, 30.0), (5.0, -7.0, 11.0), unit="nm")
    table = Segmentation.from_labels(sparse(labels), geometry, {1: "cytoplasm", 2: "bead"})
    return Volume(image, geometry, "scene"), table, labels


@pytest.fixture(scope="module")
def filled(labelled):
    volume, labels, _ = labelled
    return fill(volume, labels, probabilities=True)


def test_structures_between_labelled_slices_are_filled(labelled, filled) -> None:
    _, _, truth = labelled
    result = filled.segmentation.labels
    hidden = np.ones(len(truth), bool)
    hidden[filled.slices["k"]] = False
    assert filled.slices == {"k": [12, 20, 28, 36]}
    assert dice(result[hidden] == 1, truth[hidden] == 1) > 0.97
    assert dice(result[hidden] == 2, truth[hidden] == 2) > 0.9


def test_a_thin_rod_between_slices_is_kept(labelled, filled) -> None:
    """The rod (3 voxels) crosses one labelled slice at most; boundary contrast alone would lose it."""
    _, _, truth = labelled
    rod = np.zeros_like(truth, bool)
    rod[27:31, 22:26, 40:44] = True
    rod &= truth == 1
    assert rod.any()
    assert np.mean(filled.segmentation.labels[rod] == 1) > 0.8


def test_labelled_voxels_and_geometry_stay(labelled, filled) -> None:
    volume, labels, _ = labelled
    for k in filled.slices["k"]:
        assert np.array_equal(filled.segmentation.labels[k], labels.labels[k])
        assert not filled.uncertainty[k].any()
    assert filled.segmentation.geometry == volume.geometry
    assert [(s.name, s.value) for s in filled.segmentation.segments] == [("cytoplasm", 1), ("bead", 2)]
    assert filled.known[12].all()
    assert not filled.known[13].any()


def test_probabilities_agree_with_labels_and_uncertainty(filled) -> None:
    cell, bead = (filled.probabilities[s.id].astype(float) for s in filled.segmentation.segments)
    rest = 1 - cell - bead
    assert np.array_equal(filled.segmentation.labels == 1, (cell > bead) & (cell > rest)) or (
        np.mean((filled.segmentation.labels == 1) != ((cell > bead) & (cell > rest))) < 1e-3
    )
    ordered = np.sort(np.stack([cell, bead, rest]), axis=0)
    assert np.abs(filled.uncertainty / 255 - (1 - ordered[2] + ordered[1])).max() < 0.01


def test_the_same_input_gives_the_same_bits(labelled, filled) -> None:
    volume, labels, _ = labelled
    again = fill(volume, labels)
    assert again.segmentation.labels.tobytes() == filled.segmentation.labels.tobytes()
    assert again.uncertainty.tobytes() == filled.uncertainty.tobytes()


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_on_another_axis_give_the_same_result_transposed(labelled, axis: int) -> None:
    volume, _, truth = labelled
    labels = sparse(truth, axis=axis)
    result = fill(
        Volume(volume.array, volume.geometry), Segmentation.from_labels(labels, volume.geometry), settings=FIXED
    )
    transposed = fill(
        Volume(np.moveaxis(volume.array, axis, 0).copy(), volume.geometry),
        Segmentation.from_labels(np.moveaxis(labels, axis, 0).copy(), volume.geometry),
        settings=FIXED,
    )
    assert result.report.axis == "kji"[axis]
    assert np.array_equal(np.moveaxis(result.segmentation.labels, axis, 0), transposed.segmentation.labels)


def test_slices_on_several_axes_are_used_together(labelled) -> None:
    volume, _, truth = labelled
    labels = np.maximum(sparse(truth, 16), sparse(truth, 16, axis=2))
    result = fill(volume, Segmentation.from_labels(labels, volume.geometry), settings=FIXED)
    assert set(result.slices) == {"k", "i"}
    assert dice(result.segmentation.labels == 1, truth == 1) > 0.97
    for axis, numbers in result.slices.items():
        a = "kji".index(axis)
        for n in numbers:
            assert np.array_equal(np.take(result.segmentation.labels, n, a), np.take(truth, n, a))


def test_refill_is_exactly_the_full_fill_with_its_prior(labelled, filled) -> None:
    """A full refill (every slab redone) and a refill of two slabs give the same bits."""
    _, labels, _ = labelled
    edited = labels.labels.copy()
    edited[20, 18:30, 18:30] = 0
    changed = labels.with_labels(edited)
    quick = refill(filled, changed, [20])
    assert quick.report.slabs == [[12, 20], [20, 28]]
    everything = refill(filled, changed, filled.slices["k"])
    assert len(everything.report.slabs) == len(filled.report.slabs)
    assert np.array_equal(quick.segmentation.labels, everything.segmentation.labels)
    assert np.array_equal(quick.uncertainty, everything.uncertainty)
    assert not np.array_equal(quick.segmentation.labels, filled.segmentation.labels)
    assert np.array_equal(quick.segmentation.labels[20], edited[20])
    unchanged = refill(filled, labels, [20])
    assert np.array_equal(unchanged.segmentation.labels, filled.segmentation.labels)


def test_refill_takes_new_and_erased_slices(labelled, filled) -> None:
    _, labels, truth = labelled
    more = labels.labels.copy()
    more[24] = truth[24]
    result = refill(filled, labels.with_labels(more), [24])
    assert result.report.slabs == [[20, 24], [24, 28]]
    assert np.array_equal(result.segmentation.labels[24], truth[24])
    assert np.array_equal(result.known, collect_seeds(labels.with_labels(more)).classes >= 0)
    back = refill(result, labels, [24])
    assert np.array_equal(back.segmentation.labels, filled.segmentation.labels)
    assert np.array_equal(back.known, filled.known)
    assert back.slices == filled.slices
    with pytest.raises(InputError, match="start a new fill"):
        refill(filled, Segmentation.from_labels(labels.labels, labels.geometry, {7: "other"}), [20])


def test_refill_reads_labels_across_the_slices_as_the_full_fill_does(labelled) -> None:
    volume, labels, truth = labelled
    stroke = labels.labels.copy()
    stroke[14:19, 24] = truth[14:19, 24]
    for axis in ("all", "auto"):
        before = fill(volume, labels, axis=axis, settings=FIXED)
        result = refill(before, labels.with_labels(stroke))
        expected = collect_seeds(labels.with_labels(stroke), SeedOptions(axis=axis))
        assert set(expected.slices) == {"k", "j"}
        assert np.array_equal(result.known, expected.classes >= 0)


def test_the_report_of_a_refill_is_up_to_date(labelled) -> None:
    volume, labels, truth = labelled
    one = np.zeros_like(truth)
    one[24] = truth[24]
    before = fill(volume, labels.with_labels(one), axis="k", settings=FIXED)
    assert any("only slice 24" in w for w in before.report.warnings)
    two = one.copy()
    two[32] = truth[32]
    renamed = labels.with_labels(two)
    renamed.segments[0].name = "T cell"
    after = refill(before, renamed)
    assert not any("only slice" in w for w in after.report.warnings)
    assert after.segmentation.segments[0].name == "T cell"
    moved = labels.with_labels(two)
    moved.segments[0].value = 9
    with pytest.raises(InputError, match="label values or layers changed"):
        refill(before, moved)


def test_scribbles_of_many_segments_do_not_outvote_the_background() -> None:
    truth = np.zeros((16, 40, 40), np.uint8)
    for n in range(9):
        j, i = 4 + 13 * (n // 3), 4 + 13 * (n % 3)
        truth[4:12, j : j + 7, i : i + 7] = n + 1
    noise = np.random.default_rng(2).normal(0, 0.15, truth.shape)
    scribbles = np.zeros_like(truth)
    scribbles[[6, 9], ::4] = np.where(truth > 0, truth, 10)[[6, 9], ::4]
    table = Segmentation.from_labels(scribbles, names={10: "outside"})
    found = fill(Volume(((truth > 0) + noise).astype(np.float32)), table, mode="scribbles", background="outside")
    assert dice(found.segmentation.labels > 0, truth > 0) > 0.97
    assert np.mean((found.segmentation.labels == truth)[truth > 0]) > 0.97


def test_neighbours_that_look_alike_are_kept_out_by_shape() -> None:
    image, truth = scene(touching=True)
    result = fill(Volume(image), Segmentation.from_labels(sparse(truth)))
    assert dice(result.segmentation.labels == 1, truth == 1) > 0.95


def test_spacing_enters_the_walk() -> None:
    """A gap in the sparse labels is bridged along the axis with short voxels, not along the one with long voxels."""
    image = np.zeros((9, 9, 9), np.float32)
    image[4, 4, 4] = 1e-3  # of one value, the image would be refused
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[0, 4, 4], labels[4, 4, 0], labels[4, 4, 8] = 3, 1, 2
    seeds = Segmentation.from_labels(labels, Geometry((1.0, 1.0, 20.0)), {1: "background"})
    volume = Volume(image, Geometry((1.0, 1.0, 20.0)))
    result = fill(volume, seeds, mode="scribbles", background="background", settings=Settings(0.01, 3))
    assert (result.segmentation.labels[:, 4, 4] == 3).sum() < 9


def test_overlapping_segments_stay_overlapping(labelled) -> None:
    volume, _, truth = labelled
    cell = sparse(truth) == 1
    half = cell.copy()
    half[:, :, :24] = False
    rows = [Segment("cell", 1), Segment("right half", 2)]
    labels = Segmentation.from_masks([cell, half], rows, volume.geometry)
    result = fill(volume, labels, settings=FIXED).segmentation
    full_half = (truth == 1) & (np.arange(SIZE) >= 24)
    assert dice(result.mask("cell"), truth == 1) > 0.95
    assert dice(result.mask("right half"), full_half) > 0.9
    assert not (result.mask("right half") & ~result.mask("cell")).any()


def test_many_instances_are_distinguished() -> None:
    """Twelve touching blocks of one look: more segments than the network has groups."""
    truth = np.zeros((25, 24, 32), np.uint8)
    for n in range(12):
        truth[:, 8 * (n % 3) : 8 * (n % 3) + 8, 8 * (n // 3) : 8 * (n // 3) + 8] = n + 1
    image = np.ones(truth.shape, np.float32)
    image[:, ::8], image[:, :, ::8] = 0, 0
    image += np.random.default_rng(0).normal(0, 0.05, image.shape).astype(np.float32)
    result = fill(Volume(image), Segmentation.from_labels(sparse(truth)), settings=FIXED)
    assert np.mean(result.segmentation.labels == truth) > 0.97


def test_voxels_without_a_value_come_out_as_background(labelled) -> None:
    volume, labels, truth = labelled
    array = volume.array.copy()
    array[:, :6] = np.nan
    array[0, 40, 40], array[0, 40, 41] = np.inf, -np.inf
    result = fill(Volume(array, volume.geometry), labels, settings=FIXED, probabilities=True)
    assert not result.segmentation.labels[:, :6].any()
    assert not any(p[:, :6][~result.known[:, :6]].any() for p in result.probabilities.values())
    assert dice(result.segmentation.labels == 1, truth == 1) > 0.95


def test_labels_where_the_image_has_no_value_are_told(labelled) -> None:
    volume, table, _ = labelled
    array = volume.array.copy()
    array[:, :, 30:] = np.inf
    lost, total = np.count_nonzero(table.labels[:, :, 30:]), np.count_nonzero(table.labels)
    warnings = fill(Volume(array, volume.geometry), table, settings=FIXED).report.warnings
    assert [note for note in warnings if note.startswith(f"{lost} of {total} labelled voxels lie where the image has")]
    assert not [note for note in fill(volume, table, settings=FIXED).report.warnings if "no value" in note]


def test_an_image_of_one_value_is_told(labelled) -> None:
    volume, table, _ = labelled
    flat = Volume(np.full(volume.shape, 3, np.uint8), volume.geometry, "flat")
    warnings = fill(flat, table, settings=FIXED).report.warnings
    assert [note for note in warnings if note.startswith("volume 'flat' has the same value everywhere")]


def test_an_image_of_noise_is_told_and_a_noisy_one_is_not(labelled) -> None:
    volume, table, truth = labelled
    noise = np.random.default_rng(0).normal(0, 1, volume.shape).astype(np.float32)
    for part, told in ((0.0, 1), (0.5, 0)):
        image = Volume(noise + part * (truth == 1), volume.geometry, "noisy")
        warnings = fill(image, table, settings=FIXED).report.warnings
        assert len([note for note in warnings if note.startswith("volume 'noisy' is noise")]) == told


@pytest.mark.parametrize("value", [-50.0, 50.0])
def test_padding_is_a_missing_value_and_told(labelled, value) -> None:
    """It would stretch the range of the intensities: the Dice fell to 0.5."""
    volume, labels, truth = labelled
    array = volume.array.copy()
    array[:, :6], array[:, :, :4] = np.nan, np.nan
    expected = fill(Volume(array, volume.geometry), labels, settings=FIXED)
    padded = np.nan_to_num(array, nan=value)
    found = fill(Volume(padded, volume.geometry), labels, settings=FIXED)
    np.testing.assert_array_equal(found.segmentation.labels, expected.segmentation.labels)
    assert dice(found.segmentation.labels == 1, truth == 1) > 0.95
    for result in (found, refill(found, labels, [20])):
        assert [note for note in result.report.warnings if f"the value {value:g} around the specimen (20 %" in note]
    assert not [note for note in expected.report.warnings if "padding" in note]


def test_a_hot_voxel_or_other_units_change_little(labelled, filled) -> None:
    volume, labels, _ = labelled
    array = (volume.array * 1000 - 500).astype(np.int16)
    array[30, 3, 3] = 32767
    result = fill(Volume(array, volume.geometry), labels)
    assert dice(result.segmentation.labels == 1, filled.segmentation.labels == 1) > 0.99


def test_one_slice_alone_works_and_warns(labelled) -> None:
    volume, _, truth = labelled
    labels = np.zeros_like(truth)
    labels[24] = truth[24]
    result = fill(volume, Segmentation.from_labels(labels, volume.geometry))
    assert any("only slice 24" in note for note in result.report.warnings)
    assert dice(result.segmentation.labels == 1, truth == 1) > 0.8
    assert result.report.cross_validation_dice is None


def test_the_report_tells_what_the_settings_were_chosen_by(labelled, filled) -> None:
    """A look of their own earns segments a prior that predicts them; a blank image has none to offer."""
    volume, labels, _ = labelled
    assert filled.report.left_out
    assert set(filled.report.left_out) <= set(filled.slices["k"])
    assert filled.report.prior_dice > 0.9
    blank = Volume(np.random.default_rng(0).random(volume.shape, np.float32), volume.geometry)
    result = fill(blank, labels)
    assert result.report.prior_dice < filled.report.prior_dice - 0.02


def test_cross_validation_is_near_the_true_dice(labelled, filled) -> None:
    _, _, truth = labelled
    hidden = np.ones(len(truth), bool)
    hidden[filled.slices["k"]] = False
    reached = np.mean([dice(filled.segmentation.labels[hidden] == v, truth[hidden] == v) for v in (1, 2)])
    assert filled.report.cross_validation_dice == pytest.approx(reached, abs=0.06)


def test_suggestions_are_not_labelled_yet_and_keep_apart() -> None:
    image, labels = scene(noise=0.5)  # with less, nothing of the fill is uncertain
    filled = fill(Volume(image), Segmentation.from_labels(sparse(labels)), settings=FIXED)
    suggested = suggest_slices(filled, 4)
    assert len(suggested) == 4
    assert len({*suggested}) == 4
    assert not set(suggested) & set(filled.slices["k"])
    uncertain = (filled.uncertainty.astype(float) ** 2).sum(axis=(1, 2))
    new = new_appearance(filled.state.context.evidence.features, filled.slices["k"])
    assert uncertain[suggested[0]] > np.median(uncertain) or new[suggested[0]] > 0
    assert np.mean(uncertain[suggested]) > np.median(uncertain)


def test_shapes_that_do_not_fit_and_thin_volumes_are_refused(labelled) -> None:
    volume, labels, _ = labelled
    with pytest.raises(InputError, match="--resample"):
        fill(Volume(volume.array[:-1], volume.geometry), labels)
    with pytest.raises(InputError, match="one voxel thin"):
        fill(Volume(np.zeros((1, 9, 9))), Segmentation.from_labels(np.ones((1, 9, 9), np.uint8)))
    with pytest.raises(MemoryLimitError, match="GiB"):
        fill(volume, labels, memory_limit=1e5)


def test_cancelling_stops_at_every_stage(labelled) -> None:
    volume, labels, _ = labelled
    for stop_at in (0.01, 0.1, 0.2, 0.5, 0.8):
        flag = CancelFlag()
        progress = Progress(lambda f, _, stop=stop_at, flag=flag: flag.set() if f >= stop else None, flag)
        with pytest.raises(Cancelled):
            fill(volume, labels, progress=progress)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_labels_are_kept(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9)))
    array = data.draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 2, 7])))
    spacing = data.draw(st.tuples(*[st.floats(0.2, 20)] * 3))
    image = np.random.default_rng(0).normal(size=shape).astype(data.draw(st.sampled_from(["f4", "f8", "i2", "u1"])))
    labels = Segmentation.from_labels(array, Geometry(spacing))
    if not array.any():
        with pytest.raises(InputError, match="no labelled voxel"):
            fill(Volume(image, Geometry(spacing)), labels)
        return
    axis = data.draw(st.sampled_from(["auto", "k", "j", "i", "all"]))
    if find_labelled_slices(array > 0, axis).problem("labels"):
        with pytest.raises(InputError, match=r"dense|obliquely|no gap"):
            fill(Volume(image, Geometry(spacing)), labels, axis=axis, settings=FIXED)
        axis = "all"
    result = fill(Volume(image, Geometry(spacing)), labels, axis=axis, settings=FIXED)
    known = collect_seeds(labels, SeedOptions(axis=axis)).classes >= 0
    assert np.array_equal(result.segmentation.labels[known], array[known])
    assert set(np.unique(result.segmentation.labels)) <= set(np.unique(array)) | {0}


def test_a_solver_that_does_not_converge_is_reported(labelled, monkeypatch) -> None:
    from ACSegLib.fill import constants

    volume, labels, _ = labelled
    monkeypatch.setattr(constants, "MAX_ITERATIONS", 4)
    result = fill(volume, labels, settings=FIXED, tolerance=1e-9)
    assert any("limit of 4 iterations" in warning for warning in result.report.warnings)
