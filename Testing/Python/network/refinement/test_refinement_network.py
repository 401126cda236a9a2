from dataclasses import replace

import numpy as np
import pytest
import torch

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import Normalisation, Preprocessing
from ACSegLib.network.model.spec import NetworkSpec, unet_spec
from ACSegLib.network.predict.inference import Prediction, PredictionSettings, predict
from ACSegLib.network.predict.report import PredictionReport
from ACSegLib.network.refinement.network import (
    refinement_network,
    with_refinement_network,
    without_refinement_network,
)
from ACSegLib.network.refinement.refine import labels_from_probabilities, refine_surface
from ACSegLib.network.refinement.regions import surface_regions, surface_tiling
from ACSegLib.network.refinement.training import RefinementTraining, _surface_places, train_refinement_network
from ACSegLib.network.train.calibration import shift_heads
from ACSegLib.network.train.data import IGNORE
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

SETTINGS = PredictionSettings(backend="pytorch", device="cpu", precision="float32", keep_probabilities=True)


def network(segments=1, base=4, seed=0, **options):
    spec = unet_spec(segments, base=base, strides=[(1, 1, 1), (2, 2, 2)], residual=False, **options)
    torch.manual_seed(seed)
    return spec, build_network(spec).state_dict()


def model(**options):
    spec, state = network(**options)
    segments = [Segment("cell", 3)]
    return Model(spec, state, segments, Preprocessing(patch_size=(16, 16, 16)))


def ball(size=24, seed=0):
    rng = np.random.default_rng(seed)
    grid = np.mgrid[:size, :size, :size]
    centre = size / 2 + rng.uniform(-2, 2, 3)
    inside = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) < (size / 3.5) ** 2
    image = inside + rng.normal(0, 0.3, inside.shape)
    geometry = Geometry((30, 30, 30), unit="nm")
    labels = Segmentation.from_labels(inside.astype(np.uint8) * 3, geometry, {3: "cell"})
    return Volume(image.astype(np.float32), geometry, f"ball {seed}"), labels


def blurred_prediction(volume, labels):
    """A first opinion that misses the surface: the truth, blurred, and too small by a threshold."""
    from scipy.ndimage import gaussian_filter

    chance = 0.7 * gaussian_filter((labels.labels == 3).astype(float), 2.5)
    probabilities = np.stack([1 - chance, chance]).astype(np.float16)
    found = Segmentation((np.where(chance > 0.5, 3, 0).astype(np.uint8),), labels.segments, volume.geometry)
    return Prediction(found, probabilities, PredictionReport(backend="none"))


def dice(found, truth):
    a, b = found.labels == 3, truth.labels == 3
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_both_networks_live_in_one_file(tmp_path):
    first = model()
    spec, state = network(in_channels=2, seed=5)
    joined = with_refinement_network(first, spec, state)
    save_model(joined, tmp_path / "m.acseg")
    again = load_model(tmp_path / "m.acseg")
    volume, _ = ball()
    assert np.array_equal(
        predict(volume, again, SETTINGS).segmentation.labels, predict(volume, first, SETTINGS).segmentation.labels
    )
    assert without_refinement_network(again).spec == first.spec
    assert all(torch.equal(v, first.state_dict[k]) for k, v in without_refinement_network(again).state_dict.items())
    second = refinement_network(again)
    assert all(torch.equal(v, state[k]) for k, v in second.state_dict.items())
    assert refinement_network(first) is None
    replaced = with_refinement_network(joined, *network(in_channels=2, base=2))
    assert replaced.spec.refinement.filters[0] == 2
    assert without_refinement_network(replaced).spec == first.spec


def test_damaged_refinement_network_is_refused():
    joined = with_refinement_network(model(), *network(in_channels=2))
    for broken in ({"surface": None}, {"surface": {"kind": "unet-with-surface"}}, {"first_kind": "unet-with-surface"}):
        with pytest.raises(InputError, match="refinement network"):
            NetworkSpec.from_json({**joined.spec.to_json(), **broken})


def test_nothing_changes_away_from_the_surface():
    volume = Volume(np.random.default_rng(0).normal(size=(120, 20, 20)).astype(np.float32))
    chance = np.zeros(volume.shape)
    chance[:90] = 1.0  # one surface, at plane 90
    probabilities = np.stack([1 - chance, chance]).astype(np.float16)
    labels = Segmentation(((chance > 0.5).astype(np.uint8) * 3,), [Segment("cell", 3)], volume.geometry)
    joined = with_refinement_network(model(), *network(in_channels=2, seed=3))
    found = refine_surface(volume, Prediction(labels, probabilities), joined, SETTINGS)
    assert found.report.surface_regions == 1
    start = surface_tiling(volume.shape).starts[0][1]
    assert np.array_equal(found.probabilities[:, :start], probabilities[:, :start])
    assert not np.array_equal(found.probabilities[:, start:], probabilities[:, start:])
    assert np.abs(found.probabilities.astype(float).sum(0) - 1).max() < 5e-3


def test_regions_follow_the_surface():
    labels = np.zeros((130, 130, 130), np.uint8)
    labels[60:70, 60:70, 60:70] = 1
    tiling = surface_tiling(labels.shape)
    starts = [start for _, start in surface_regions([labels], tiling)]
    assert 0 < len(starts) < tiling.count
    assert all(s <= 70 and s + 64 >= 60 for start in starts for s in start)


def test_a_region_of_the_image_is_refined_as_an_image_of_its_own():
    """Beyond the ROI all probabilities are 0, which the refinement network must not see."""
    volume, labels = ball(30)
    whole = blurred_prediction(volume, labels)
    roi = ((0, 30), (6, 30), (4, 24))
    place = tuple(slice(a, b) for a, b in roi)
    probabilities, found = np.zeros_like(whole.probabilities), np.zeros_like(whole.segmentation.labels)
    probabilities[(slice(None), *place)] = whole.probabilities[(slice(None), *place)]
    found[place] = whole.segmentation.labels[place]
    joined = with_refinement_network(model(), *network(in_channels=2, seed=3))
    joined.preprocessing = replace(joined.preprocessing, normalisation=Normalisation("none"))

    def refined(volume, labels, probabilities, **options):
        segmentation = Segmentation((labels,), [Segment("cell", 3)], volume.geometry)
        return refine_surface(volume, Prediction(segmentation, probabilities), joined, replace(SETTINGS, **options))

    after = refined(volume, found, probabilities, roi=roi)
    part = refined(Volume(volume.array[place]), found[place], probabilities[(slice(None), *place)])
    assert np.array_equal(after.probabilities[(slice(None), *place)], part.probabilities)
    assert np.array_equal(after.segmentation.labels[place], part.segmentation.labels)
    after.probabilities[(slice(None), *place)] = 0
    assert not after.probabilities.any()
    assert np.count_nonzero(after.segmentation.labels) == np.count_nonzero(part.segmentation.labels)


def test_thin_parts_are_restored_as_in_a_prediction():
    chance = np.zeros((24, 24, 40))
    chance[6:18, 6:18, 4:16] = 0.9
    chance[11:13, 11:13, 16:36] = 0.3
    probabilities = np.stack([1 - chance, chance]).astype(np.float16)
    clear = [*range(16), *range(18, 40)]  # what touches the body is not thin
    volume = Volume(np.zeros(chance.shape, np.float32))
    calibrated = model()
    calibrated.preprocessing = replace(calibrated.preprocessing, thin_threshold=0.2)
    for options, expected in (
        ({}, chance > 0.2),
        ({"thin": 0.5}, chance > 0.5),
        ({"roi": ((0, 24), (0, 24), (0, 30))}, (chance > 0.2) & (np.arange(40) < 30)),
    ):
        found = labels_from_probabilities(probabilities, volume, calibrated, PredictionSettings(**options), Progress())
        assert np.array_equal((found.labels == 3)[:, :, clear], expected[:, :, clear])


def test_trained_refinement_network_brings_the_surface_back():
    pairs = [ball(seed=n) for n in range(4)]
    settings = RefinementTraining(
        steps=30, base=4, levels=2, region=24, device="cpu", learning_rate=1e-2, ema=0.9, sparse="off"
    )
    trained = train_refinement_network(pairs[:3], model(), settings)
    assert trained.card["surface"]["steps"] == 30
    volume, truth = pairs[3]
    before = blurred_prediction(volume, truth)
    after = refine_surface(volume, before, trained, SETTINGS)
    assert dice(after.segmentation, truth) > dice(before.segmentation, truth) + 0.05
    assert after.segmentation.geometry == volume.geometry
    assert set(np.unique(after.segmentation.labels)) <= {0, 3}


def test_refusals():
    volume, labels = ball()
    before = blurred_prediction(volume, labels)
    with pytest.raises(InputError, match="--surface-refinement"):
        refine_surface(volume, before, model())
    joined = with_refinement_network(model(), *network(in_channels=2))
    with pytest.raises(InputError, match="probabilities"):
        refine_surface(volume, Prediction(before.segmentation, None), joined)
    with pytest.raises(InputError, match="no pair"):
        train_refinement_network([], model())
    with pytest.raises(Cancelled):
        train_refinement_network(
            [ball()], model(), RefinementTraining(steps=5, base=4, device="cpu"), Progress(cancelled=lambda: True)
        )
    settings = RefinementTraining(steps=5, base=2, levels=2, device="cpu", learning_rate=1e38)
    with pytest.raises(InputError, match="loss of the refinement network became"):
        train_refinement_network([ball()], model(), settings)


def test_only_changes_between_known_voxels_are_a_surface():
    _, labels = ball()
    inside = labels.labels == 3
    target = np.full((1, *inside.shape), IGNORE, np.uint8)
    target[0, [8, 12]] = inside[[8, 12]]
    places = _surface_places(target, labels, np.random.default_rng(0))
    assert set(places[:, 0]) == {8, 12}
    k, j, i = places.T
    assert ((inside[k, j, i] != inside[k, j - 1, i]) | (inside[k, j, i] != inside[k, j, i - 1])).all()


def test_refinement_network_is_calibrated_on_what_the_first_training_held_back():
    pairs = [ball(seed=n) for n in range(4)]
    settings = RefinementTraining(steps=12, base=4, levels=2, region=24, device="cpu", sparse="off")
    plain = train_refinement_network(pairs[:3], model(), settings)
    first = model()
    first.card["validation"] = {"cases": {"ball 3": {"cell": 0.8}}}
    calibrated = train_refinement_network(pairs, first, settings)
    assert calibrated.card["surface"]["volumes"] == 3
    assert "trained for 12 steps only" in calibrated.card["warnings"][-1]
    told = calibrated.card["surface"]["calibration"]["cell"]
    assert told["dice_gain"] >= 0
    assert told["offset"] != 0  # after so few steps there is something to put right
    own = model()
    own.card = {"validation_cases": ["ball 1"], "validation": {"cases": {"ball 1": {"cell": 0.8}}}}
    given = train_refinement_network(
        pairs[:3], own, replace(settings, steps=2), validation=[(pairs[3][0], pairs[3][1])]
    )
    assert given.card["surface"]["volumes"] == 3  # one of them is named as a volume that it was validated on
    assert "calibration" in given.card["surface"]
    assert "calibration" not in plain.card["surface"]
    expected = shift_heads(plain.spec.refinement, refinement_network(plain).state_dict, [told["offset"]])
    for name, weights in refinement_network(calibrated).state_dict.items():
        assert torch.equal(weights, expected[name]), name
