import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_networks import SLOPE, threshold_model

from ACSegLib import compute
from ACSegLib.arrays import is_mapped
from ACSegLib.errors import Cancelled, InputError, MemoryLimitError
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import Normalisation
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.predict import backends, job
from ACSegLib.network.predict.inference import PredictionSettings, plan_grid, predict
from ACSegLib.network.predict.plane_sink import PlaneSink, size_of_labels, strongest
from ACSegLib.network.predict.tiling import BACKEND_BYTES, choose_tile, place_tiles
from ACSegLib.network.predict.working_grid import WorkingGrid, axis_weights, working_shape
from ACSegLib.volume import Geometry, Segment, Volume


def expected_labels(image, level=0.0):
    return np.where(image > level + 1, 7, np.where(image > level, 1, 0))


def smooth_volume(shape=(21, 30, 26), seed=0, spacing=(30, 30, 30), unit="nm"):
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    return Volume((image / image.std()).astype(np.float32), Geometry(spacing, (5, -7, 9), unit=unit), "v")


def settings(**options):
    return PredictionSettings(**{"backend": "pytorch", "device": "cpu", "precision": "float32", **options})


@pytest.mark.parametrize(
    ("tile", "tta"), [(None, True), (None, False), ((8, 8, 8), False), ((8, 16, 16), True), ((64, 64, 64), False)]
)
def test_every_voxel_is_predicted_whatever_the_tiles(tile, tta):
    volume = smooth_volume((9, 17, 13))
    found = predict(volume, threshold_model(), settings(tile=tile, tta=tta, keep_probabilities=True))
    assert np.array_equal(found.segmentation.labels, expected_labels(volume.array))
    assert found.segmentation.geometry == volume.geometry
    assert [(s.name, s.value) for s in found.segmentation.segments] == [("cell", 1), ("bead", 7)]
    assert np.abs(found.probabilities.astype(float).sum(0) - 1).max() < 2e-3
    assert found.report.tiles == (1 if tile in (None, (64, 64, 64)) else found.report.tiles)


def test_probabilities_are_those_of_the_network():
    volume = smooth_volume()
    found = predict(volume, threshold_model(), settings(tile=(16, 16, 16), keep_probabilities=True))
    logits = np.stack([0 * volume.array, SLOPE * volume.array, SLOPE * (2 * volume.array - 1)])
    expected = np.exp(logits) / np.exp(logits).sum(0)
    assert found.probabilities.shape == (3, *volume.shape)
    assert np.abs(found.probabilities - expected).max() < 2e-3


def test_overlapping_segments_stay_apart():
    volume = smooth_volume()
    found = predict(volume, threshold_model(output="sigmoid"), settings(tile=(16, 16, 16))).segmentation
    assert np.array_equal(found.mask("cell"), volume.array > 0)
    assert np.array_equal(found.mask("bead"), volume.array > 1)
    assert found.overlapping


def test_region_of_interest():
    volume = smooth_volume()
    roi = ((3, 9), (4, 30), (7, 8))
    found = predict(volume, threshold_model(patch=8), settings(roi=roi, keep_probabilities=True))
    place = tuple(slice(a, b) for a, b in roi)
    expected = np.zeros(volume.shape, int)
    expected[place] = expected_labels(volume.array)[place]
    assert np.array_equal(found.segmentation.labels, expected)
    assert found.probabilities.shape[1:] == volume.shape
    with pytest.raises(InputError, match=r"roi 3..40 along i"):
        predict(volume, threshold_model(), settings(roi=((0, 1), (0, 1), (3, 40))))


def test_image_is_brought_to_the_voxel_size_of_the_training():
    """A plane that cuts the image stays where it is, in space, however the voxels are cut."""
    i = np.mgrid[:24, :20, :28][2].astype(np.float32)
    volume = Volume((i - 13.7) * 0.2, Geometry((20, 30, 60), unit="nm"), "ramp")
    model = threshold_model(spacing=(40.0, 30.0, 30.0))
    found = predict(volume, model, settings(tile=(16, 16, 16)))
    assert found.report.working_shape == [48, 20, 14]
    assert found.report.resampled
    wrong = found.segmentation.labels != expected_labels(volume.array)
    distance = np.minimum(np.abs(i - 13.7), np.abs(i - 18.7))
    assert not wrong[distance > 1].any()
    as_it_is = predict(volume, model, settings(resample=False))
    assert np.array_equal(as_it_is.segmentation.labels, expected_labels(volume.array))


def test_resampled_slabs_do_not_depend_on_the_tiles():
    volume = smooth_volume((33, 20, 22), spacing=(30, 30, 45))
    model = threshold_model(spacing=(43.0, 30.0, 30.0))
    whole = predict(volume, model, settings(tile=(64, 32, 32), keep_probabilities=True))
    parts = predict(volume, model, settings(tile=(8, 16, 16), keep_probabilities=True))
    assert np.abs(whole.probabilities - parts.probabilities).max() < 2e-3
    assert np.mean(whole.segmentation.labels != parts.segmentation.labels) < 1e-3


def test_longest_side_and_unknown_voxel_size():
    volume = smooth_volume((40, 20, 20), unit="px")
    found = predict(volume, threshold_model(longest_side=20), settings())
    assert found.report.working_shape == [20, 10, 10]
    assert np.mean(found.segmentation.labels == expected_labels(volume.array)) > 0.8
    note = predict(volume, threshold_model(spacing=(30.0, 30.0, 30.0)), settings()).report.notes
    assert note == ["the image has no voxel size; that of the training is assumed"]
    assert working_shape((10, 20, 5), 40) == (10, 20, 5)


def test_voxel_sizes_too_different_are_refused():
    volume = smooth_volume(spacing=(30e6, 30e6, 30e6))
    sizes = (
        r"are 3e\+07 x 3e\+07 x 3e\+07 nm \(x, y, z\), those of the training 30 x 30 x 30 nm \(x, y, z\): too different"
    )
    with pytest.raises(InputError, match=sizes):
        predict(volume, threshold_model(spacing=(30.0, 30.0, 30.0)), settings())


@pytest.mark.parametrize(
    ("size", "told"), [(4.0, "10 times larger"), (400.0, "10 times smaller"), (70.0, ""), (1000.0, "refused")]
)
def test_a_voxel_size_that_is_wrong_by_a_unit_is_told(size, told):
    """As angstrom for nanometres: the network would work on far too large or far too small voxels."""
    volume = smooth_volume((60, 60, 60), spacing=(40, 40, 40))
    model = threshold_model(spacing=(size, size, size))
    if told == "refused":  # 60 voxels would become two
        with pytest.raises(InputError, match="too different"):
            plan_grid(volume, model, settings(), [])
        return
    notes = []
    plan_grid(volume, model, settings(), notes)
    assert [told in note and "correct the voxel size or the unit" in note for note in notes] == ([True] if told else [])


def test_values_that_are_not_finite_count_as_the_mean():
    volume = smooth_volume()
    spoilt = volume.array.copy()
    spoilt[3, 4, 5], spoilt[6, 7, 8] = np.nan, np.inf
    model = threshold_model(-0.2, normalisation=Normalisation("volume", (0, 100)))
    clean = predict(Volume(np.where(np.isfinite(spoilt), spoilt, 0)), model, settings()).segmentation.labels
    found = predict(Volume(spoilt), model, settings())
    assert found.report.notes == ["2 voxels are not finite; they were replaced by the mean"]
    assert found.segmentation.labels[3, 4, 5] == 1  # the mean lies above the level
    assert np.mean(found.segmentation.labels == clean) > 0.99
    model = threshold_model(0.2, normalisation=Normalisation("volume", (0, 100)))
    spoilt[6, 7, 9] = -np.inf
    labels = predict(Volume(spoilt), model, settings()).segmentation.labels
    assert not labels[6, 7, 8]  # infinite is not bright: the mean lies below this level
    assert not labels[6, 7, 9]
    with pytest.raises(InputError, match="no finite value"):
        predict(Volume(np.full((8, 8, 8), np.nan, np.float32)), model, settings())


def test_other_channel_counts_are_refused():
    model = threshold_model()
    model.spec = replace(model.spec, in_channels=2)
    with pytest.raises(InputError, match="2 channels"):
        predict(smooth_volume(), model, settings())


def test_openvino_and_pytorch_agree():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    torch.manual_seed(0)
    spec = unet_spec(2, base=4, strides=[(1, 1, 1), (2, 2, 2)])
    from ACSegLib.network.model.architecture import build_network

    segments = [Segment("a", 1), Segment("b", 2)]
    model = Model(spec, build_network(spec).state_dict(), segments)
    volume = smooth_volume((15, 22, 18))
    results = {
        name: predict(volume, model, settings(backend=name, tile=(8, 16, 16), keep_probabilities=True))
        for name in ("openvino", "pytorch")
    }
    assert results["openvino"].report.backend == "openvino"
    assert np.abs(results["openvino"].probabilities - results["pytorch"].probabilities).max() < 2e-3


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ({"openvino"}, {}, ("openvino", "cpu")),
        (set(), {}, ("pytorch", "cpu")),
        ({"cuda", "openvino"}, {}, ("pytorch", "cuda")),
        ({"cuda", "openvino"}, {"backend": "openvino"}, ("openvino", "cpu")),
        ({"cuda", "openvino"}, {"device": "cpu"}, ("openvino", "cpu")),
        ({"mps"}, {"device": "mps"}, ("pytorch", "mps")),
    ],
)
def test_backend_and_device_follow_from_what_the_computer_has(monkeypatch, present, wanted, expected):
    monkeypatch.setattr(compute, "device_count", lambda kind: int(kind in present))
    monkeypatch.setattr(backends, "openvino_is_installed", lambda: "openvino" in present)
    choice = backends.choose_backend(**wanted)
    assert (choice.backend, choice.device) == expected
    assert choice.notes == []


def test_a_missing_device_is_replaced_with_a_note_and_a_missing_backend_is_refused(monkeypatch):
    monkeypatch.setattr(compute, "device_count", lambda kind: 0)
    monkeypatch.setattr(backends, "openvino_is_installed", lambda: False)
    choice = backends.choose_backend("cuda")
    assert choice.device == "cpu"
    assert "there is no cuda device" in choice.notes[0]
    found = predict(smooth_volume((8, 8, 8)), threshold_model(patch=8), PredictionSettings(device="cuda"))
    assert "there is no cuda device" in found.report.notes[0]
    with pytest.raises(InputError, match="not installed"):
        backends.choose_backend(backend="openvino")
    with pytest.raises(InputError, match="device must be one of"):
        backends.choose_backend("tpu")


def test_the_report_says_why_the_backend_was_chosen(monkeypatch):
    monkeypatch.setattr(compute, "device_count", lambda kind: 0)
    volume = Volume(np.zeros((16, 16, 16), np.float32))
    report = predict(volume, threshold_model(), PredictionSettings(backend="pytorch")).report
    assert report.backend_reason == "asked for"
    if backends.openvino_is_installed():
        assert "fastest" in predict(volume, threshold_model()).report.backend_reason
    monkeypatch.setattr(backends, "openvino_is_installed", lambda: False)
    assert "not installed" in predict(volume, threshold_model()).report.backend_reason


def test_out_of_memory_takes_a_smaller_tile_and_says_so(monkeypatch):
    volume, tried = smooth_volume((32, 32, 32)), []
    make = job.make_backend

    def cramped(model, tile, **options):
        tried.append(tile)
        if np.prod(tile) > 9000:
            raise compute.OutOfMemory("std::bad_alloc")
        return make(model, tile, **options)

    monkeypatch.setattr(job, "make_backend", cramped)
    found = predict(volume, threshold_model(patch=8), settings())
    assert np.array_equal(found.segmentation.labels, expected_labels(volume.array))
    assert "32 x 32 x 32 voxels did not fit in memory; a smaller one is used" in found.report.notes[0]
    assert np.prod(tried[-1]) <= 9000 < np.prod(tried[0])
    with pytest.raises(MemoryLimitError, match="32 x 32 x 32"):
        predict(volume, threshold_model(), settings(tile=(32, 32, 32)))


def test_memory_that_runs_out_between_tiles_is_understood_too(monkeypatch):
    volume, sizes = smooth_volume((32, 32, 32)), []
    take = PlaneSink.take

    def cramped(self, planes):
        sizes.append(planes.shape)
        if len(sizes) == 1:
            raise MemoryError("unable to allocate 9 GiB")
        take(self, planes)

    monkeypatch.setattr(PlaneSink, "take", cramped)
    found = predict(volume, threshold_model(patch=8), settings())
    assert np.array_equal(found.segmentation.labels, expected_labels(volume.array))
    assert "a smaller one is used" in found.report.notes[0]


@pytest.mark.cuda
def test_float32_on_cuda_is_float32():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    from ACSegLib.network.model.architecture import build_seeded

    spec = unet_spec(2, base=16)
    model = Model(spec, build_seeded(spec, 0).state_dict(), [Segment("a", 1), Segment("b", 2)])
    volume = smooth_volume((32, 32, 32))
    kept = {"keep_probabilities": True, "tile": (32, 32, 32)}
    one, other = (predict(volume, model, settings(device=device, **kept)) for device in ("cpu", "cuda"))
    assert np.abs(one.probabilities - other.probabilities).max() < 1e-3  # of float16, in which they are kept
    assert torch.backends.cudnn.allow_tf32


def test_memory_limit():
    volume = smooth_volume((32, 32, 32))
    model = threshold_model(patch=8)
    small = predict(volume, model, settings(memory_limit=2_000_000))
    assert np.array_equal(small.segmentation.labels, expected_labels(volume.array))
    assert small.report.tiles > 1
    assert small.report.estimated_memory_bytes - BACKEND_BYTES[small.report.backend] <= 2_000_000
    with pytest.raises(MemoryLimitError, match="--roi"):
        predict(volume, model, settings(memory_limit=50_000))


def test_only_the_slices_of_a_tile_are_read():
    class Watched:
        """Stands for an array on disk: notes how much is asked for at once."""

        def __init__(self, array):
            self.array, self.shape, self.largest = array, array.shape, 0

        def __getitem__(self, place):
            part = self.array[place]
            self.largest = max(self.largest, part.size)
            return part

    array = Watched(smooth_volume((40, 30, 30)).array)
    grid = WorkingGrid((0, 0, 0), array.shape, (20, 30, 45))
    tile = grid.read(array, (4, 8, 12), (8, 8, 8), lambda part: part.astype(np.float32))
    assert array.largest <= 17 * 9 * 8
    whole = grid.read(array.array, (0, 0, 0), (20, 30, 45), lambda part: part.astype(np.float32))
    assert np.allclose(tile, whole[4:12, 8:16, 12:20], atol=1e-6)


@pytest.mark.parametrize("backend", ["pytorch", "openvino"])
def test_cancel_is_noticed_inside_a_tile(backend):
    """Asked to stop at the third look; a backend that looks only before or after a tile would finish it."""
    if backend == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    spec = unet_spec(1, base=24 if backend == "openvino" else 4)
    from ACSegLib.network.model.architecture import build_network

    model = Model(spec, build_network(spec).state_dict(), [Segment("a", 1)])
    tile = np.random.default_rng(0).random((1, 1, *[64 if backend == "openvino" else 32] * 3), np.float32)
    runner = backends.make_backend(model, tile.shape[2:], device="cpu", backend=backend, precision="float32")
    looks = []
    with pytest.raises(Cancelled):
        runner(tile, Progress(cancelled=lambda: looks.append(1) or len(looks) >= 3))
    assert len(looks) in (3, 4)
    expected = runner(tile, Progress()).copy()  # the backend is whole after a cancel
    assert np.isfinite(expected).all()
    assert np.array_equal(runner(tile, Progress()), expected)


def test_cancel_leaves_no_thread_behind():
    before, flag = threading.active_count(), CancelFlag()
    progress = Progress(lambda fraction, message: flag.set() if "tile 3" in message else None, flag)
    with pytest.raises(Cancelled):
        predict(smooth_volume(), threshold_model(), settings(tile=(8, 16, 16)), progress)
    assert threading.active_count() == before


@pytest.mark.parametrize(("size", "tile", "overlap"), [(100, 32, 8), (47, 16, 0), (20, 32, 8), (33, 32, 16)])
def test_windows_sum_to_one_and_tiles_cover_everything(size, tile, overlap):
    tiling = place_tiles((size, 1, 1), (tile, 1, 1), (overlap, 0, 0))
    total, starts = np.zeros(size), tiling.starts[0]
    for start, window in zip(starts, tiling.windows(0), strict=True):
        total[start : start + len(window)] += window
    assert np.allclose(total, 1, atol=1e-5)
    assert starts[0] == 0
    assert starts[-1] + tile >= size
    assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))


def test_largest_tile_that_fits_is_chosen():
    spec = unet_spec(2, base=16)
    roomy = choose_tile((90, 90, 90), spec, (16, 16, 16), 1 << 40, backend="pytorch", device="cpu")
    assert roomy.tile == (96, 96, 96)
    assert roomy.count == 1
    tight = choose_tile((90, 90, 90), spec, (16, 16, 16), 200 << 20, backend="pytorch", device="cpu")
    assert tight.count > 1
    assert all(n % 8 == 0 for n in tight.tile)


@pytest.mark.parametrize(("size", "wanted"), [(10, 4), (4, 10), (7, 7), (1, 5), (9, 1), (64, 63)])
def test_axis_weights(size, wanted):
    weights = axis_weights(size, wanted).toarray()
    assert np.allclose(weights.sum(1), 1)
    values = np.random.default_rng(0).random(size)
    if wanted < size:
        assert np.isclose((weights @ values).mean(), values.mean())  # means of boxes keep the mean
    else:
        at = (np.arange(wanted) + 0.5) * size / wanted - 0.5
        assert np.allclose(weights @ values, np.interp(at, np.arange(size), values), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 5, 300])
def test_the_strongest_channel_is_the_first_of_equals(channels):
    slab = np.random.default_rng(0).integers(0, 4, (channels, 3, 5, 7)).astype(np.float32)
    found = strongest(slab)
    np.testing.assert_array_equal(found, slab.argmax(0))
    assert found.dtype == (np.uint8 if channels < 256 else np.uint16)


@pytest.mark.parametrize(("output", "thin", "layers"), [("softmax", 0.5, 1), ("softmax", 0.2, 2), ("sigmoid", 0.2, 2)])
def test_labels_and_candidates_are_weighed_together(output, thin, layers):
    """What is reckoned with, what is allocated, and what goes to the disk are one size."""
    model, grid = threshold_model(output=output), WorkingGrid((0, 0, 0), (8, 10, 12), (8, 10, 12))
    size = size_of_labels(grid, model, thin)
    assert size == layers * 8 * 10 * 12
    for limit, on_disk in ((4 * size + 8, False), (4 * size - 8, True)):  # a quarter of the memory is for labels
        assert is_mapped(PlaneSink(grid, model, False, limit, thin).classes) == on_disk


def test_segments_without_thin_structures_keep_the_usual_threshold():
    """Two faint rods, of a cell and of a bead: the lower threshold is for the cell alone."""
    planes = np.zeros((3, 12, 12, 24), np.float32)
    planes[1, 3:5, 3:5], planes[2, 8:10, 8:10] = 0.4, 0.4
    planes[0] = 1 - planes[1:].sum(0)
    grid = WorkingGrid((0, 0, 0), planes.shape[1:], planes.shape[1:])
    for without, restored in (((), {1, 2}), (("bead",), {1})):
        sink = PlaneSink(grid, threshold_model(without_thin=without), False, thin=0.3)
        sink.take(planes)
        sink.finish(Progress())
        assert set(np.unique(sink.classes)) - {0} == restored
