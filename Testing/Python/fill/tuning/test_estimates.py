"""Expected Dice and volume of segments: what tells them, and that they reach every front end."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ACSegLib import Geometry, Segmentation, Volume, segment_estimates
from ACSegLib.fill import FillResult, Settings, fill, refill
from ACSegLib.fill.tuning.estimates import Signs, collect_signs, estimate
from ACSegLib.fill_report import FillReport
from ACSegLib.segment_estimates import Interval, trust_warnings

SIZE, SLICES = 40, [4, 12, 20, 28, 36]
SIGNS = Signs(
    expected_error=0.05,
    calibration=-1.0,
    own_calibration=-1.0,
    prior_error=0.03,
    one_sided=0.1,
    size=3.0,
    many=False,
    expected_ratio=0.01,
    area_ratio=0.02,
    jump=0.04,
    filled=9000.0,
)
POOR = {"expected_error": 0.5, "calibration": 0.5, "own_calibration": 0.5, "prior_error": 0.4}


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A bright ball (1), and a rod (2) of the grey of the background, which only its labels show."""
    k, j, i = np.indices((SIZE,) * 3) - SIZE / 2 + 0.5
    truth = (k * k + (j + 6) ** 2 + i * i < 12**2).astype(np.uint8)
    truth[((j - 13) ** 2 + (i - 8 * np.sin(k / 3)) ** 2 < 9) & (truth == 0)] = 2
    image = 2.0 * (truth == 1) + np.random.default_rng(0).normal(0, 0.3, truth.shape)
    return image.astype(np.float32), truth


def labels_of(truth: np.ndarray) -> Segmentation:
    sparse = np.zeros_like(truth)
    sparse[SLICES] = truth[SLICES]
    return Segmentation.from_labels(sparse, names={1: "ball", 2: "rod"})


@pytest.fixture(scope="module")
def result() -> FillResult:
    image, truth = scene()
    return fill(Volume(image), labels_of(truth), axis="k", slices=SLICES, device="cpu")


@pytest.mark.parametrize(("slices", "told"), [([12, 28], True), ([4, 12, 28], False)])
def test_a_fill_that_no_slice_can_judge_says_so(slices: list[int], told: bool) -> None:
    image, truth = scene()
    sparse = np.zeros_like(truth)
    sparse[slices] = truth[slices]
    table = Segmentation.from_labels(sparse, names={1: "ball", 2: "rod"})
    report = fill(Volume(image), table, axis="k", slices=slices, device="cpu").report
    assert (not report.estimates) == told
    assert any("cannot be told" in note for note in report.warnings) == told


def balls_in_layers() -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of 25 balls of diameter 9, each at a height of its own."""
    rng = np.random.default_rng(1)
    truth = np.zeros((44, 50, 50), np.uint8)
    k, j, i = np.indices(truth.shape)
    for n in range(25):
        near = (k - rng.integers(5, 39)) ** 2 + (j - 5 - 10 * (n // 5)) ** 2 + (i - 5 - 10 * (n % 5)) ** 2 <= 20
        truth[near] = n + 1
    return ((truth > 0) + rng.normal(0, 0.3, truth.shape)).astype(np.float32), truth


@pytest.mark.parametrize(("every", "told"), [(4, False), (11, True)])
def test_instances_between_slices_that_are_too_far_apart_leave_nothing_to_tell(every: int, told: bool) -> None:
    """Of slices 11 apart, each ball is on one at most, and some are on none."""
    image, truth = balls_in_layers()
    sparse = np.zeros_like(truth)
    sparse[4::every] = truth[4::every]
    report = fill(Volume(image), Segmentation.from_labels(sparse), axis="k", device="cpu").report
    notes = [note for note in report.warnings if "on a single labelled slice" in note]
    assert (len(notes), not report.estimates) == (told, told)
    assert report.whole_slices_hidden
    if told:
        assert report.mean_dice is None
        assert 3 <= int(notes[0].split()[-2]) < every
    else:  # a hidden slice is twice as far from the next one, so that its Dice may alarm without cause
        assert report.mean_dice == pytest.approx(np.mean([e.dice.value for e in report.estimates]))
        assert report.mean_dice != report.cross_validation_dice


@pytest.mark.parametrize("step", [1.0, 2.5])
@pytest.mark.parametrize("axis", ["k", "i"])
def test_many_instances_are_no_worse_than_expected_in_long_voxels(axis: str, step: float) -> None:
    """Planes 2.5 apart make long ellipsoids of the balls, which are as well filled as the balls are."""
    image, truth = balls_in_layers()
    sparse, along = np.zeros_like(truth), "kji".index(axis)
    slices = list(range(3, truth.shape[along], 4))
    np.moveaxis(sparse, along, 0)[slices] = np.moveaxis(truth, along, 0)[slices]
    geometry = Geometry((1.0, 1.0, step), unit="um")
    table = Segmentation.from_labels(sparse, geometry)
    result = fill(Volume(image, geometry), table, axis=axis, slices=slices, device="cpu")
    unknown, held, better = ~result.known, [], []
    near = 0.005 if (axis, step) == ("i", 2.5) else 0.0  # expected too good there, by so much: `evaluation.md`
    for segment, expected in zip(result.segmentation.segments, result.report.estimates, strict=True):
        wanted, found = truth == segment.value, result.segmentation.mask(segment)
        a, b = wanted[unknown], found[unknown]
        dice = 2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1)
        volume = expected.voxels.low <= np.count_nonzero(wanted) <= expected.voxels.high
        held.append((expected.dice.low - near <= dice, volume))
        better.append(dice - expected.dice.value)
    assert np.mean(held, axis=0).min() >= 0.85
    assert abs(np.median(better)) < 0.01
    assert any("voxels that are not cubes" in note for note in result.report.warnings) == (step > 1)


def signs_of(result: FillResult, row: int) -> Signs:
    state = result.state
    return collect_signs(state.context.evidence, state.seeds, state.tallies, state.choice.overlap)[row]


def test_the_segment_that_the_image_shows_is_expected_to_be_the_better_one(result: FillResult) -> None:
    _, truth = scene()
    ball, rod = result.report.estimates
    assert [e.segment for e in (ball, rod)] == ["ball", "rod"]
    hidden = np.setdiff1d(np.arange(SIZE), SLICES)
    reached = []
    for value in (1, 2):
        a, b = truth[hidden] == value, result.segmentation.labels[hidden] == value
        reached.append(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))
    assert reached[0] > 0.95 > reached[1] + 0.1
    assert ball.dice.value > rod.dice.value + 0.1
    assert ball.dice.low < reached[0]
    assert ball.voxels.low < np.count_nonzero(truth == 1) < ball.voxels.high
    assert ball.trusted


def test_filled_voxels_are_counted_slab_by_slab(result: FillResult) -> None:
    for row, value in enumerate((1, 2)):
        signs = signs_of(result, row)
        assert signs.filled == np.count_nonzero(result.segmentation.labels == value)
    assert not signs_of(result, 0).many


def test_probabilities_that_are_kept_add_up_to_what_is_expected() -> None:
    image, truth = scene()
    kept = fill(
        Volume(image),
        labels_of(truth),
        axis="k",
        slices=SLICES,
        device="cpu",
        settings=Settings(1.0, 3.0),
        probabilities=True,
    )
    unknown = ~kept.known
    for c, name in ((1, "label_1"), (2, "label_2")):
        probability = kept.probabilities[kept.segmentation.segments[c - 1].id][unknown].astype(float).sum()
        expected = sum(t.expected[c] for t in kept.state.tallies.values())
        assert expected == pytest.approx(probability, rel=0.01), name
    assert kept.report.estimates == []  # nothing was hidden to judge these settings by


def test_a_leak_between_slices_is_seen() -> None:
    image, truth = scene()
    clean = fill(Volume(image), labels_of(truth), axis="k", slices=SLICES, device="cpu")
    image[22:27, 2:38, 20:38] += 2.0  # bright matter that no labelled slice shows
    leaking = fill(Volume(image), labels_of(truth), axis="k", slices=SLICES, device="cpu")
    assert signs_of(leaking, 0).area_ratio < signs_of(clean, 0).area_ratio - 0.02


def test_the_end_of_a_segment_is_what_one_slice_alone_shows(result: FillResult) -> None:
    filled = result.segmentation.labels == 1
    shown = [k for k in SLICES if filled[k].any()]
    between = filled[shown[0] : shown[-1] + 1].sum() - filled[shown].sum()
    unlabelled = filled.sum() - filled[SLICES].sum()
    assert signs_of(result, 0).one_sided == pytest.approx(1 - between / unlabelled)


def test_the_prior_tells_the_ball_from_the_image_and_not_the_rod(result: FillResult) -> None:
    assert signs_of(result, 0).prior_error < signs_of(result, 1).prior_error


def test_hidden_parts_tell_whether_the_probabilities_are_right(result: FillResult) -> None:
    overlap = result.state.choice.overlap.copy()
    wrong = overlap[:, 2].sum() - overlap[:, 0].sum()
    overlap[0, 3] += wrong - overlap[:, 3].sum()
    state = result.state
    (signs, _) = collect_signs(state.context.evidence, state.seeds, state.tallies, overlap).values()
    assert signs.calibration == pytest.approx(0)
    likely = state.choice.overlap[:, 3].sum()
    assert signs_of(result, 0).calibration == pytest.approx(np.log((wrong + 1) / (likely + 1)))


def test_the_own_calibration_counts_hidden_parts_between_slices_that_show_the_segment(result: FillResult) -> None:
    """A segment that an adjacent slice no longer shows is lost in its hidden parts; the fill between slices is not."""
    wrong, likely = result.state.choice.overlap[1, 4:]
    assert signs_of(result, 0).own_calibration == pytest.approx(np.log((wrong + 1) / (likely + 1)))
    assert 0 <= wrong <= result.state.choice.overlap[1, 2] - result.state.choice.overlap[1, 0]
    image, truth = scene()
    short = np.zeros_like(truth)
    short[19:22] = truth[19:22]  # one labelled slice alone shows each segment
    found = fill(Volume(image), labels_of(short), axis="k", slices=SLICES, device="cpu")
    assert found.state.choice.overlap[1, 2] > 0
    assert not found.state.choice.overlap[1:, 4:].any()


def test_a_jump_is_how_far_labelled_slices_and_the_planes_beside_them_differ(result: FillResult) -> None:
    filled = result.segmentation.labels == 1
    pairs = [(filled[k], filled[n]) for k in SLICES for n in (k - 1, k + 1)]
    differing, both = (sum(np.count_nonzero(v) for v in values) for values in ([a ^ b for a, b in pairs], pairs))
    assert signs_of(result, 0).jump == pytest.approx(differing / both)


def test_a_segment_that_jumps_beside_labelled_slices_is_expected_to_be_worse() -> None:
    smooth, jumping = (estimate("cell", replace(SIGNS, jump=jump)) for jump in (0.04, 0.5))
    assert 1 - jumping.dice.value > 1.2 * (1 - smooth.dice.value)
    assert jumping.voxels.high - jumping.voxels.low > smooth.voxels.high - smooth.voxels.low


def test_a_refill_without_edits_expects_the_same_and_one_with_edits_something_else(result: FillResult) -> None:
    _, truth = scene()
    assert refill(result, labels_of(truth)).report.estimates == result.report.estimates
    edited = truth.copy()
    edited[20][edited[20] == 2] = 0
    again = refill(result, labels_of(edited)).report.estimates
    assert again[1] != result.report.estimates[1]


def test_intervals_hold_their_value_and_widen_with_the_error() -> None:
    near, far = estimate("a", SIGNS), estimate("a", replace(SIGNS, **POOR))
    for e in (near, far):
        for interval in (e.dice, e.voxels):
            assert interval.low < interval.value < interval.high
    assert far.dice.value < near.dice.value
    assert far.voxels.high - far.voxels.low > near.voxels.high - near.voxels.low
    assert near.trusted
    assert not far.trusted


def test_no_volume_is_expected_that_the_labels_rule_out() -> None:
    signs = replace(SIGNS, **POOR)
    free = estimate("a", signs).voxels
    bounded = estimate("a", replace(signs, least=free.value - 1, most=free.value + 1)).voxels
    assert (bounded.low, bounded.value, bounded.high) == (free.value - 1, free.value, free.value + 1)


errors = st.floats(0.002, 1.0)
logarithms = st.floats(-8, 8)


@given(
    st.builds(
        Signs,
        expected_error=errors,
        calibration=logarithms,
        own_calibration=logarithms,
        prior_error=errors,
        one_sided=st.floats(0, 1),
        size=st.floats(0.01, 100),
        many=st.booleans(),
        expected_ratio=logarithms,
        area_ratio=logarithms,
        jump=st.floats(0, 1),
        filled=st.floats(1, 1e9),
        least=st.floats(0, 1),
        most=st.floats(1e9, 1e10),
    )
)
def test_every_interval_holds_what_it_is_given_with(signs: Signs) -> None:
    found = estimate("a", signs)
    assert 0 <= found.dice.low <= found.dice.value <= found.dice.high <= 1
    assert signs.least <= found.voxels.low <= found.voxels.value <= found.voxels.high <= signs.most
    assert found.voxels.low - 0.1 <= signs.filled <= found.voxels.high + 0.1  # rounded to a tenth


def test_the_interval_of_an_image_without_contrast_holds_the_filled_volume() -> None:
    _, truth = scene()
    filled = fill(Volume(np.ones(truth.shape, np.float32)), labels_of(truth), axis="k", slices=SLICES, device="cpu")
    for value, expected in enumerate(filled.report.estimates, 1):
        count = np.count_nonzero(filled.segmentation.labels == value)
        assert expected.voxels.low <= count <= expected.voxels.high


def test_labelled_voxels_bound_the_volume(result: FillResult) -> None:
    signs, known = signs_of(result, 0), result.known
    labels = result.segmentation.labels
    assert signs.least == np.count_nonzero(known & (labels == 1))
    assert signs.most == signs.least + np.count_nonzero(~known)


def test_a_segment_that_cannot_be_trusted_is_named_in_a_warning(
    result: FillResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_estimates, "TRUSTED_DICE", result.report.estimates[0].dice.value - 0.01)
    _, truth = scene()
    again = refill(result, labels_of(truth))
    warnings = again.report_on(again.segmentation.segments).warnings
    assert [w.split("'")[1] for w in warnings if "do not trust" in w] == ["rod"]


def test_a_report_judges_the_segments_of_the_result_alone(result: FillResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_estimates, "TRUSTED_DICE", 1.1)
    rows = result.segmentation.segments
    whole = result.report_on(rows)
    alone = [result.report_on([row]) for row in rows]
    assert [e for report in alone for e in report.estimates] == whole.estimates
    assert np.mean([report.cross_validation_dice for report in alone]) == pytest.approx(whole.cross_validation_dice)
    assert result.report_on([]).cross_validation_dice is None


def test_many_segments_that_cannot_be_trusted_are_one_warning() -> None:
    signs = replace(SIGNS, **POOR)
    doubtful = [replace(estimate(f"s{n}", signs), dice=Interval(0.1 * n, 0, 1)) for n in range(7, 0, -1)]
    found = [estimate("sure", SIGNS), *doubtful]
    assert [w.split("'")[1] for w in trust_warnings(found[:4], "label it", "label them")] == ["s7", "s6", "s5"]
    (told,) = trust_warnings(found, "label it", "label them")
    assert told.startswith("do not trust 7 of 8 segments")
    assert told.endswith("lowest that of 's1', 's2', 's3'; label them.")


def test_estimates_survive_json(result: FillResult) -> None:
    values = json.loads(json.dumps(result.report.to_dict()))
    again = FillReport(**values)
    assert again.estimates == result.report.estimates
    assert isinstance(again.estimates[0].dice, Interval)


def test_the_labelled_areas_tell_a_volume_that_no_leak_disturbs(result: FillResult) -> None:
    _, truth = scene()
    areas = np.array([np.count_nonzero(truth[k] == 1) for k in range(SIZE)])
    found = np.array([np.count_nonzero(plane == 1) for plane in result.segmentation.labels])
    even = np.interp(np.arange(SIZE), SLICES, areas[SLICES])
    inner = slice(SLICES[0], SLICES[-1] + 1)
    expected = np.log((found.sum() - found[inner].sum() + even[inner].sum()) / found.sum())
    assert signs_of(result, 0).area_ratio == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("many", [False, True])
def test_a_segment_that_lacks_labelled_area_is_expected_to_be_larger(many: bool) -> None:
    usual = replace(SIGNS, many=many, area_ratio=0.0)
    lacking = replace(usual, area_ratio=0.5)
    assert estimate("cell", lacking).voxels.value > 1.1 * estimate("cell", usual).voxels.value
