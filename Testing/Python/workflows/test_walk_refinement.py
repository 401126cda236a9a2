import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.predict.inference import Prediction
from ACSegLib.network.predict.report import PredictionReport
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.workflows.walk_refinement import refine_by_walk
from ACSegLib.workflows.walk_seeds import confident_seeds

MODEL = Model(unet_spec(1), {}, [Segment("cell", 3)])


def cell(size=40, seed=0):
    """A rough cell with an arm that a coarse grid does not show."""
    grid = np.mgrid[:size, :size, :size]
    centre = (size - 1) / 2
    radius = np.sqrt(sum((g - centre) ** 2 for g in grid))
    inside = radius < size / 4 + 1.5 * np.sin(grid[0] * 0.9) * np.cos(grid[1] * 0.8)
    arm = (np.hypot(grid[0] - centre, grid[1] - centre) < 2.2) & (grid[2] > centre) & (grid[2] < size - 4)
    truth = inside | arm
    image = truth + np.random.default_rng(seed).normal(0, 0.15, truth.shape)
    return Volume(image.astype(np.float32), Geometry((40, 40, 40), unit="nm"), "cell"), truth


def coarse_prediction(volume, truth):
    chance = gaussian_filter(truth.astype(float), 3.0)
    labels = np.where(chance > 0.5, 3, 0).astype(np.uint8)
    segmentation = Segmentation((labels,), [Segment("cell", 3)], volume.geometry, "cell")
    probabilities = np.stack([1 - chance, chance]).astype(np.float16)
    return Prediction(segmentation, probabilities, PredictionReport(working_shape=[10, 10, 10]))


def dice(found, truth):
    return 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))


def test_walk_finds_the_edge_that_the_network_blurred():
    volume, truth = cell()
    before = coarse_prediction(volume, truth)
    after = refine_by_walk(volume, before, MODEL, Progress())
    found = after.segmentation.mask("cell")
    assert dice(found, truth) > dice(before.segmentation.mask("cell"), truth) + 0.03
    assert after.segmentation.geometry == volume.geometry
    assert set(np.unique(after.segmentation.labels)) == {0, 3}
    assert [s.name for s in after.segmentation.segments] == ["cell"]
    assert 0 < after.report.walk_unsure_part < 1
    assert after.report.walk_band_voxels == 5


def test_seeds_are_sure_and_away_from_the_surface():
    volume, truth = cell()
    before = coarse_prediction(volume, truth)
    seeds = confident_seeds(before.segmentation.labels, before.probabilities, [0, 3], 3)
    chance = before.probabilities[1].astype(float)
    assert set(np.unique(seeds)) == {-1, 0, 1}
    assert (chance[seeds == 1] > 0.9).all()
    assert (chance[seeds == 0] < 0.1).all()
    predicted = before.segmentation.mask("cell")
    for shift in (-3, 3):
        assert np.roll(predicted, shift, axis=0)[seeds == 1].all()


def test_thin_component_keeps_its_sure_voxels():
    chance = np.zeros((20, 20, 20))
    chance[9:11, 9:11, 2:18] = 0.95
    labels = (chance > 0.5).astype(np.uint8) * 3
    seeds = confident_seeds(labels, np.stack([1 - chance, chance]), [0, 3], 3)
    assert np.array_equal(seeds == 1, chance > 0.9)


def test_a_region_is_walked_as_an_image_of_its_own_and_nothing_beyond_it():
    """Outside the ROI all probabilities are 0, which is no opinion."""
    volume, truth = cell()
    whole = coarse_prediction(volume, truth)
    roi = ((0, 40), (4, 40), (0, 26))
    place = tuple(slice(a, b) for a, b in roi)
    part = Volume(volume.array[place], volume.geometry, "part")
    labels, probabilities = np.zeros_like(whole.segmentation.labels), np.zeros_like(whole.probabilities)
    labels[place] = whole.segmentation.labels[place]
    probabilities[(slice(None), *place)] = whole.probabilities[(slice(None), *place)]
    report = PredictionReport(region_shape=[40, 36, 26], working_shape=[20, 18, 13])

    def predicted(labels, probabilities):
        return Prediction(Segmentation((labels,), [Segment("cell", 3)], volume.geometry), probabilities, report)

    found = refine_by_walk(volume, predicted(labels, probabilities), MODEL, Progress(), roi)
    alone = refine_by_walk(part, predicted(labels[place], probabilities[(slice(None), *place)]), MODEL, Progress())
    assert found.report.walk_band_voxels == 3  # of a working voxel here, not of the whole image's
    assert np.array_equal(found.segmentation.labels[place], alone.segmentation.labels)
    assert found.segmentation.mask("cell")[place].any()
    found.segmentation.labels[place] = 0
    assert not found.segmentation.labels.any()


def test_thin_structures_that_a_refinement_network_found_outlast_the_walk():
    volume, truth = cell()
    before = coarse_prediction(volume, truth)
    hair = np.zeros(truth.shape, bool)
    hair[2:7, 19, 19] = True  # too faint for the walk
    before.segmentation.labels[hair] = 3
    walked = refine_by_walk(volume, before, MODEL, Progress()).segmentation.mask("cell")
    before.report.surface_regions = 1
    kept = refine_by_walk(volume, before, MODEL, Progress()).segmentation.mask("cell")
    assert not walked[hair].all()
    assert kept[hair].all()
    assert not (walked & ~kept).any()


def test_nothing_sure_keeps_the_prediction():
    volume, _ = cell()
    half = np.full(volume.shape, 0.5, np.float16)
    segmentation = Segmentation((np.zeros(volume.shape, np.uint8),), [Segment("cell", 3)], volume.geometry)
    before = Prediction(segmentation, np.stack([half, half]))
    after = refine_by_walk(volume, before, MODEL, Progress())
    assert np.array_equal(after.segmentation.labels, segmentation.labels)
    assert "no voxel was certain enough" in after.report.notes[0]


def test_overlapping_segments_are_refused():
    volume, truth = cell()
    model = Model(unet_spec(1, overlapping=True), {}, [Segment("cell", 3)])
    with pytest.raises(InputError, match="--refine network"):
        refine_by_walk(volume, coarse_prediction(volume, truth), model, Progress())


def with_a_bead_and_glass(values):
    """A bright bead in a cell and, apart from it, a wall as bright as the bead that the network calls background."""
    k, j, i = np.mgrid[:32, :32, :48]
    away = np.sqrt((k - 15.5) ** 2 + (j - 15.5) ** 2 + (i - 14) ** 2)
    cell, bead, wall = away < 10, away < 3.2, i >= 40
    image = 1.0 * cell + 2.0 * (bead | wall) + np.random.default_rng(1).normal(0, 0.1, cell.shape)
    truth = np.where(bead, values[1], np.where(cell, values[0], 0)).astype(np.uint8)
    chances = [gaussian_filter((truth == v).astype(float), 1.0) for v in (0, *values)]
    segments = [Segment("cell", values[0]), Segment("bead", values[1])]
    volume = Volume(image.astype(np.float32), name="bead")
    labels = np.array([0, *values])[np.argmax(chances, axis=0)].astype(np.uint8)
    segmentation = Segmentation((labels,), segments, volume.geometry)
    report = PredictionReport(working_shape=[24, 24, 36])
    return volume, truth, Prediction(segmentation, np.stack(chances).astype(np.float16), report), segments


@pytest.mark.parametrize("values", [(1, 2), (7, 3)])
def test_walk_neither_wears_off_a_bead_nor_finds_beads_in_the_glass(values):
    volume, truth, before, segments = with_a_bead_and_glass(values)
    after = refine_by_walk(volume, before, Model(unet_spec(2), {}, segments), Progress())
    bead = before.segmentation.labels == values[1]
    assert np.array_equal(after.segmentation.labels == values[1], bead)
    assert dice(bead, truth == values[1]) > 0.8
    assert dice(after.segmentation.labels == values[0], truth == values[0]) > 0.95
