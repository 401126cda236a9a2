import numpy as np
import pytest

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.labelled_slices import find_labelled_slices
from ACSegLib.network.model.preprocessing import (
    IntensityStatistics,
    Normalisation,
    Preprocessing,
    intensity_statistics,
    normalise,
    resample_image,
    resampled_shape,
)
from ACSegLib.network.train.checks import compare, refuse
from ACSegLib.network.train.data import (
    IGNORE,
    Case,
    encode_labels,
    join_tables,
    labelled_slices,
    prepare,
    really_overlap,
    resample_target,
)
from ACSegLib.network.train.fingerprint import examine
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume


def ball(shape=(32, 32, 32), radius=10, centre=None):
    centre = centre or [n / 2 for n in shape]
    k, j, i = np.ogrid[tuple(slice(n) for n in shape)]
    return (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2


def case(name="a", seed=0, labels=None, geometry=None, label_geometry=None, image=None):
    geometry = geometry or Geometry((30, 30, 30), unit="nm")
    image = np.random.default_rng(seed).normal(size=(16, 16, 16)).astype(np.float32) if image is None else image
    labels = ball(image.shape, 5).astype(np.uint8) if labels is None else labels
    segmentation = Segmentation.from_labels(labels, label_geometry or geometry, {1: "cell"})
    return Case.of(Volume(image, geometry, name), segmentation, name)


def problems_of(training, validation=()):
    fingerprints, found = examine(training, Progress())
    val_facts, more = examine(validation, Progress())
    return found + more + compare(fingerprints, val_facts)


def test_padding_of_a_training_image_is_told_and_stops_nothing():
    image = np.random.default_rng(0).normal(1000, 30, (16, 16, 16)).astype(np.float32)
    padded = image + 1
    padded[:, :, :3] = 0
    told = problems_of([case("whole", image=image), case("padded", image=padded)])
    (problem,) = [problem for problem in told if problem.kind == "padding"]
    assert problem.message.startswith("padded: the value 0 around the specimen")
    assert problem.warning
    assert not problem.fatal


class TestTables:
    def test_joined_by_name_whatever_the_value(self):
        first = [Segment("Cytoplasm", 1), Segment("bead", 2)]
        second = [Segment("bead", 1), Segment(" cytoplasm ", 2), Segment("wall", 3)]
        table = join_tables([first, second])
        assert [(s.name, s.value) for s in table] == [("Cytoplasm", 1), ("bead", 2), ("wall", 3)]
        labels = np.zeros((4, 4, 4), np.uint8)
        labels[0], labels[1], labels[2] = 1, 2, 3
        target, known = encode_labels(Segmentation((labels,), second), table)
        assert [int(target[0, n, 0, 0]) for n in range(4)] == [2, 1, 3, 0]
        assert known.all()

    def test_taken_values_move(self):
        table = join_tables([[Segment("a", 1)], [Segment("b", 1)], [Segment("c", 70000)]])
        assert {s.name: s.value for s in table} == {"a": 1, "b": 2, "c": 3}
        assert len({s.colour for s in table}) == 3

    def test_values_of_masks_are_kept(self):
        """Masks of 0 and 255 give labels of 0 and 255, not a segment "Segment_255" of the value 1."""
        table = join_tables([[Segment("Segment_255", 255), Segment("Segment_1000", 1000)]])
        assert [s.value for s in table] == [255, 1000]
        labels = np.zeros((4, 4, 4), np.uint16)
        labels[0], labels[1] = 255, 1000
        target, _ = encode_labels(Segmentation((labels,), table), table)
        assert np.unique(target).tolist() == [0, 1, 2]

    def test_missing_segment(self):
        table = [Segment("a", 1), Segment("b", 2)]
        segmentation = Segmentation.from_labels(np.ones((4, 4, 4), np.uint8), names={1: "a"})
        assert encode_labels(segmentation, table)[1].tolist() == [True, True]
        assert encode_labels(segmentation, table, missing="unknown")[1].tolist() == [True, False]

    def test_ignored_region_and_empty_table(self):
        labels = np.zeros((4, 4, 4), np.uint8)
        labels[0], labels[1] = 1, 2
        segmentation = Segmentation.from_labels(labels, names={1: "a", 2: "Ignore"})
        table = join_tables([segmentation.segments])
        assert [s.name for s in table] == ["a"]
        target, _ = encode_labels(segmentation, table)
        assert [int(target[0, n, 0, 0]) for n in range(3)] == [1, IGNORE, 0]
        with pytest.raises(InputError, match="no label volume"):
            join_tables([[Segment("ignore", 1)]])

    def test_overlapping_segments_get_a_channel_each(self):
        a, b = np.zeros((2, 8, 8, 8), bool)
        a[:5], b[3:] = True, True
        table = [Segment("a", 1), Segment("b", 2)]
        segmentation = Segmentation.from_masks([a, b], table, Geometry())
        assert really_overlap(segmentation)
        target, _ = encode_labels(segmentation, table, overlapping=True)
        assert np.array_equal(target, np.stack([a, b]))
        apart = Segmentation((a.astype(np.uint8), (b & ~a).astype(np.uint8) * 2), segmentation.segments)
        assert not really_overlap(apart)

    def test_segments_of_one_name_are_one(self):
        a, b, c = np.zeros((3, 16, 16, 16), bool)
        a[:5, 2:9], b[3:7, 2:9], c[12:, 2:9] = True, True, True
        rows = [Segment("cell", 1), Segment("Cell ", 2), Segment("bead", 3)]
        segmentation = Segmentation.from_masks([a, b, c], rows, Geometry((30, 30, 30), unit="nm"))
        assert not really_overlap(segmentation)
        table = join_tables([segmentation.segments])
        assert [s.name for s in table] == ["cell", "bead"]
        for overlapping in (False, True):
            target, _ = encode_labels(segmentation, table, overlapping=overlapping)
            assert np.array_equal(target[0] == 1, a | b)
        image = np.random.default_rng(0).normal(size=a.shape).astype(np.float32)
        (fingerprints,), _ = examine([Case.of(Volume(image, segmentation.geometry), segmentation)], Progress())
        assert fingerprints.voxels["cell"] == np.count_nonzero(a | b)
        assert fingerprints.voxels[""] == np.count_nonzero(~(a | b | c))


class TestSparse:
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_every_tenth_slice(self, axis):
        full = ball((40, 44, 48), 17)
        planes = list(range(5, 40, 10))
        kept = np.zeros(full.shape, bool)
        index = [slice(None)] * 3
        index[axis] = planes
        kept[tuple(index)] = True
        found = find_labelled_slices(full & kept).slices
        expected = [n for n in planes if np.take(full, n, axis).any()]
        assert found == {"kji"[axis]: expected}

    def test_two_axes(self):
        full = ball((40, 40, 40), 16)
        kept = np.zeros(full.shape, bool)
        kept[[10, 20, 30]] = True
        kept[:, [15, 25]] = True
        assert find_labelled_slices(full & kept).slices == {"k": [10, 20, 30], "j": [15, 25]}

    def test_all_voxels_of_dense_labels_count(self):
        assert labelled_slices(Segmentation.from_labels(ball().astype(np.uint8))).slices == {}

    def test_oblique_labels_are_refused(self):
        k, j, _ = np.indices((32, 32, 32))
        labels = ball() & ((k - np.rint(0.1 * j)) % 8 == 4)
        with pytest.raises(InputError, match="obliquely"):
            labelled_slices(Segmentation.from_labels(labels.astype(np.uint8)))

    def test_stray_voxels_make_no_labelled_slice(self):
        labels = np.zeros((32, 32, 32), np.uint8)
        labels[[8, 16, 24]] = ball()[[8, 16, 24]]
        labels[12, 16, 16] = 1
        found = problems_of([case(labels=labels, image=np.random.default_rng(0).normal(size=labels.shape))])
        assert [p.warning for p in found] == [True]
        assert "slice 12 on axis z (k)" in found[0].message
        assert found[0].message.endswith("erase them, or label the whole slice if it does.")  # no option of a training

    def test_a_list_of_labelled_slices_is_believed(self):
        labels = np.zeros((20, 20, 20), np.uint8)
        labels[[4, 14], 5:15, 5:15] = 1
        segmentation = Segmentation.from_labels(labels)
        assert labelled_slices(segmentation).slices == {"k": [4, 14]}
        segmentation.meta["slices"] = {"k": [4, 14, 19]}
        assert labelled_slices(segmentation).slices == {"k": [4, 14, 19]}

    def test_ignored_regions_are_no_labelled_slices(self):
        labels = np.zeros((20, 20, 20), np.uint8)
        labels[:, :3] = 2
        labels[[4, 14], 5:15, 5:15] = 1
        segmentation = Segmentation.from_labels(labels, Geometry(), {1: "cell", 2: "Ignore"})
        found = labelled_slices(segmentation)
        assert found == labelled_slices(segmentation, "z")
        assert found.slices == {"k": [4, 14]}
        segmentation.segments[1].name = "glass"
        assert labelled_slices(segmentation, "k", ignore="glass") == found
        assert len(labelled_slices(segmentation, "k").slices["k"]) == 20

    def test_voxels_of_other_slices_are_left_out(self):
        labels = np.zeros((20, 20, 20), np.uint8)
        labels[[4, 14], 5:15, 5:15] = 1
        one = case(labels=labels, image=np.random.default_rng(0).normal(size=labels.shape))
        prepared = prepare(one, [Segment("cell", 1)], Preprocessing(), None, "px")
        assert np.array_equal(np.flatnonzero((prepared.target[0] != IGNORE).all((1, 2))), [4, 14])
        assert (prepared.target[0, [4, 14]] == labels[[4, 14]]).all()
        dense = prepare(one, [Segment("cell", 1)], Preprocessing(), None, "px", sparse="off")
        assert np.array_equal(dense.target[0], labels)

    def test_thin_slices_survive_resampling(self):
        target = np.full((1, 20, 10, 10), IGNORE, np.uint8)
        target[0, [3, 12]] = 1
        half = resample_target(target, (10, 10, 10))
        assert np.array_equal(np.flatnonzero((half[0] == 1).all((1, 2))), [1, 6])
        double = resample_target(target, (40, 10, 10))
        assert np.array_equal(np.flatnonzero((double[0] == 1).all((1, 2))), [6, 7, 24, 25])


class TestPreprocessing:
    def test_normalisation_is_robust_and_independent_of_the_scale(self):
        image = np.random.default_rng(0).normal(size=(40, 40, 40))
        hot = image.copy()
        hot[0, 0, :3] = 1e6
        plain = normalise(image, Normalisation())
        assert plain.dtype == np.float32
        assert abs(plain.mean()) < 0.01
        np.testing.assert_allclose(normalise(hot, Normalisation())[1:], plain[1:], atol=0.02)
        np.testing.assert_allclose(normalise(image * 37 + 1000, Normalisation()), plain, atol=1e-4)

    def test_images_on_the_disk_are_sampled_block_by_block_with_the_same_result(self, monkeypatch):
        array = np.random.default_rng(0).normal(size=(17, 23, 19))
        largest = []

        class Stored:
            """An array of chunks on a disk, as far as blocks are read from it."""

            shape, dtype, chunks = array.shape, array.dtype, (4, 5, 6)

            def __getitem__(self, index):
                largest.append(array[index].size)
                return array[index]

        monkeypatch.setattr("ACSegLib.files.lazy._BLOCK_BYTES", 8 * 300)
        for sample in (array.size, 300):
            monkeypatch.setattr("ACSegLib.network.model.preprocessing.SAMPLE_VOXELS", sample)
            stored, whole = intensity_statistics(Stored()).to_json(), intensity_statistics(array).to_json()
            assert stored == pytest.approx(whole, abs=1e-12)
        assert len(largest) > 40
        assert max(largest) <= 300

    def test_fixed_and_none(self):
        image = np.arange(27, dtype=np.uint16).reshape(3, 3, 3)
        fixed = Normalisation("fixed", statistics=IntensityStatistics(2.0, 20.0, 10.0, 4.0))
        np.testing.assert_allclose(normalise(image, fixed).ravel()[[0, 10, 26]], [-2.0, 0.0, 2.5])
        assert normalise(image, Normalisation("none"))[2, 2, 2] == 26
        with pytest.raises(InputError, match="needs the statistics"):
            Normalisation("fixed")

    @pytest.mark.parametrize("kind", ["volume", "fixed"])
    @pytest.mark.parametrize("value", [0.0, -1000.0, 65535.0])
    def test_a_padded_image_is_normalised_as_what_lies_within_the_padding(self, value, kind):
        image = np.random.default_rng(0).normal(1000, 30, (20, 30, 40)).astype(np.float32)
        padded = np.full((20, 40, 60), value, np.float32)
        padded[:, 5:35, 10:50] = image
        fixed = IntensityStatistics(900.0, 1100.0, 1000.0, 50.0) if kind == "fixed" else None
        normalisation = Normalisation(kind, statistics=fixed)
        found = normalise(padded, normalisation)
        np.testing.assert_allclose(found[:, 5:35, 10:50], normalise(image, normalisation), atol=1e-5)
        found[:, 5:35, 10:50] = 0
        assert -1.6 < found.min() < -0.5  # a dark intensity
        assert found.max() == 0
        assert set(intensity_statistics(padded).to_json()) == {"low", "high", "mean", "deviation"}

    def test_models_of_biomedisa_see_the_padding(self):
        padded = np.random.default_rng(0).normal(1000, 30, (20, 30, 40))
        padded[:, :, :5] = 0
        expected = np.clip((padded - padded.mean()) / padded.std() * 0.2 + 0.4, 0, 1)
        np.testing.assert_allclose(normalise(padded, Normalisation("matched", target=(0.4, 0.2))), expected, atol=1e-5)

    def test_one_value(self):
        assert not normalise(np.full((4, 4, 4), 7.0), Normalisation()).any()

    def test_resampling_covers_the_same_space(self):
        volume = Volume(np.zeros((10, 20, 30)), Geometry((0.06, 0.03, 0.03), unit="um"))
        assert resampled_shape(volume, (30, 30, 30), "nm") == (10, 20, 60)
        assert resampled_shape(volume, (60.5, 30.2, 30), "nm") == (10, 20, 30)
        ramp = np.broadcast_to(np.arange(30, dtype=np.float32), (4, 4, 30))
        up = resample_image(ramp, (4, 4, 60))
        np.testing.assert_allclose(up[0, 0, 2:-2], (np.arange(60)[2:-2] + 0.5) / 2 - 0.5, atol=1e-5)
        down = resample_image(ramp, (2, 4, 10))
        np.testing.assert_allclose(down[0, 0], np.arange(10) * 3 + 1, atol=1e-5)


class TestChecks:
    def test_good_data_has_no_problem(self):
        assert problems_of([case("a", 0), case("b", 1)], [case("c", 2)]) == []

    def test_each_problem_is_named(self):
        empty = case("empty", 1, labels=np.zeros((16, 16, 16), np.uint8))
        moved = case("moved", 2, label_geometry=Geometry((30, 30, 30), (500, 0, 0), unit="nm"))
        image = np.random.default_rng(3).normal(size=(16, 16, 16))
        image[2, 3, 4:6] = np.nan, np.inf
        broken = case("broken", image=image)
        flat = case("flat", image=np.ones((16, 16, 16)))

        def missing():
            raise OSError("gone.nrrd: there is no such file.")

        gone = Case("gone", missing, missing)
        twin = case("twin", image=(case("x", 0).open_image().array * 100 + 3).astype(np.int16))
        with np.errstate(over="raise", invalid="raise"):
            found = problems_of([case("a", 0), twin, empty, moved, broken, flat, gone], [case("leak", 0)])
        text = "\n".join(p.message for p in found)
        for expected in (
            "empty: its labels are empty",
            "moved: image",
            "broken: 2 voxels of the image are not finite (NaN or infinity); they are replaced by the mean",
            "flat: the image has the one value 1;",
            "gone.nrrd",
            "twin and a are the same image",
            "a is among the training and (as leak)",
        ):
            assert expected in text
        with pytest.raises(InputError, match=r"problems with the training data:\n"):
            refuse(found)

    def test_insisting_passes_what_is_not_fatal(self):
        found = problems_of([case("a", 0), case("b", 0)])
        with pytest.raises(InputError, match="--force"):
            refuse(found)
        refuse(found, force=True)
        with pytest.raises(InputError, match="n: the image holds no finite value"):
            refuse(problems_of([case("n", image=np.full((8, 8, 8), np.nan))]), force=True)

    def test_missing_values_are_told_and_stop_nothing(self):
        """As outside of a reconstruction's circle; a prediction replaces them, too."""
        image = np.random.default_rng(3).normal(size=(16, 16, 16)).astype(np.float32)
        image[:2], image[5, 5, 5] = np.nan, np.inf
        (problem,) = found = problems_of([case("n", image=image)])
        assert problem.warning
        refuse(found)
        flat = np.where(np.isfinite(image), 3.5, np.nan)
        with pytest.raises(InputError, match=r"n: the image has the one value 3\.5;"):
            refuse(problems_of([case("n", image=flat)]), force=True)

    def test_segment_of_the_validation_alone(self):
        one = case("v", 5)
        renamed = one.open_labels()
        renamed.segments[0].name = "x"
        other = Case.of(one.open_image(), renamed, "v")
        assert any("'x'" in p.message and p.fatal for p in problems_of([case("a")], [other]))

    def test_segments_of_some_volumes_alone_are_told(self):
        one = case("b", 1)
        renamed = one.open_labels()
        name = renamed.segments[0].name
        renamed.segments[0].name = f"{name}s"
        renamed.layers[0][:2] = 2
        renamed.segments.append(Segment(name, 2))
        found = problems_of([case("a", 0), Case.of(one.open_image(), renamed, "b"), case("c", 2)])
        assert [(p.warning, p.fatal) for p in found] == [(True, False)]
        assert f"{name}s (in 1 of 3); where one is missing, it counts as background" in found[0].message
        assert not problems_of([case("a", 0), case("b", 1)])

    def test_a_volume_that_shares_no_segment_is_refused(self):
        """As of masks with 1 in one file and 255 in another, or of files of which one has lost the names."""
        one = case("b", 1)
        renamed = one.open_labels()
        renamed.segments[0].name = "Segment_255"
        other = Case.of(one.open_image(), renamed, "b")
        (problem,) = problems_of([case("a", 0), other, case("c", 2)])
        assert problem.message.startswith("b has the segments Segment_255, and the other volumes cell: what is a")
        with pytest.raises(InputError, match=r"--missing unknown\. To train all the same, add --force"):
            refuse([problem])
        refuse([problem], force=True)
        fingerprints = examine([case("a", 0), other], Progress())[0]
        (problem,) = compare(fingerprints, [], missing="unknown")
        assert problem.warning
        assert "it counts as not labelled" in problem.message
        empty = case("d", 3, labels=np.zeros((16, 16, 16), np.uint8))
        assert [p.kind for p in problems_of([case("a", 0), empty])] == ["labels"]

    @pytest.mark.parametrize("name", ["Segment_{}", "nucleus {}"])
    def test_cells_with_a_value_each_are_no_kinds(self, name):
        """As masks of Cellpose or StarDist: a network would learn as many kinds, and find none of them."""
        k, j, i = np.indices((16, 16, 16)) // 4
        grid = 16 * k + 4 * j + i + 1
        for count, told in ((9, False), (12, True)):
            labels = np.where(grid <= count, grid, 0).astype(np.uint8)
            names = {n: name.format(n) for n in range(1, count + 1)}
            volume = Volume(np.random.default_rng(0).normal(size=(16, 16, 16)), Geometry((30, 30, 30), unit="nm"))
            found = problems_of([Case.of(volume, Segmentation.from_labels(labels, volume.geometry, names), "a")])
            assert [p.message.startswith(f"a has {count} numbered segments of about one size") for p in found] == (
                [True] if told else []
            )
        assert not found[0].fatal
        refuse(found, force=True)
        sizes = np.cumsum(2 ** np.arange(10))  # kinds, such as organs, differ more in size
        kinds = np.searchsorted(sizes, np.arange(16**3)).reshape(16, 16, 16)
        segmentation = Segmentation.from_labels(np.where(kinds < 10, kinds + 1, 0).astype(np.uint8), volume.geometry)
        assert not problems_of([Case.of(volume, segmentation, "a")])

    def test_labels_that_are_all_empty_are_refused_whatever_is_forced(self):
        empty = case("d", 3, labels=np.zeros((16, 16, 16), np.uint8))
        with pytest.raises(InputError, match="no training volume has a labelled voxel"):
            refuse(problems_of([empty]), force=True)

    def test_voxel_size_absent_is_told(self):
        found = problems_of([case("a", 0, geometry=Geometry()), case("b", 1)])
        assert [p.warning for p in found] == [True]
        assert "tell no voxel size" in found[0].message
        refuse(found)


@pytest.mark.parametrize(("other", "force", "stops"), [(0.03, True, True), (3.0, False, True), (3.0, True, False)])
def test_voxel_sizes_that_differ_by_a_unit_are_refused(other, force, stops):
    """Of two volumes, one states nanometres by the numbers of micrometres, or of angstrom."""
    cases = [case("a", 0), case("b", 1, geometry=Geometry((other,) * 3, unit="nm"))]
    found = problems_of(cases)
    if stops:
        with pytest.raises(InputError, match=rf"voxels of b \(.*\) and a \(.*\) differ {30 / other:.0f} times in size"):
            refuse(found, force)
    else:
        refuse(found, force)
    assert compare([examine([one], Progress())[0][0] for one in cases], [], resampled=False) == []
    assert not problems_of([case("a", 0), case("b", 1, geometry=Geometry((90, 90, 90), unit="nm"))])
