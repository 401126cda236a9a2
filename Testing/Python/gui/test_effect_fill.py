"""The effect with the library's own fill: a simulated cell, drawn, filled, corrected, refilled, applied, taken back."""

from __future__ import annotations

import numpy as np
import pytest
from desk import Desk, on_slices
from workbench import add_segmentation, add_volume, draw

from ACSegLib.scene import segmentation_from_node

EVERY = 8


@pytest.fixture(scope="module")
def phantom():
    from ACSegLib.phantom import simulate

    return simulate(40, seed=3)


@pytest.fixture
def desk(scene, phantom):
    """The simulated cell and its bead, drawn on every eighth slice."""
    from ACSegLib.phantom import label_slices

    drawn, numbers = label_slices(phantom.truth, every=EVERY)
    desk = Desk(scene)
    desk.volume = add_volume(phantom.volume.array, "simulated")
    desk.segmentation = add_segmentation(desk.volume, ("cytoplasm", "bead"), "cell")
    desk.node.SetAndObserveSourceVolumeNode(desk.volume)
    desk.node.SetAndObserveSegmentationNode(desk.segmentation)
    for name in ("cytoplasm", "bead"):
        draw(desk.host, name, drawn.mask(name))
    desk.numbers = numbers
    yield desk
    desk.effect.cleanup()


def labels(desk, node=None):
    return segmentation_from_node(node or desk.segmentation, desk.volume).labels


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_from_drawing_to_undo(desk, phantom):
    """After an edit only the slabs that it touches are redone, and the result is that of a full fill by that prior."""
    from ACSegLib.fill import refill
    from ACSegLib.workflows import run

    truth, before = phantom.truth.mask("cytoplasm"), labels(desk)
    desk.fill()
    assert desk.effect.preview.node is not None, desk.effect.message
    filled, first = desk.previewed(), desk.effect.outcome
    assert dice(filled, truth) > 0.9
    assert filled[before == 1].all()
    value = first.report.cross_validation_dice
    assert f"Dice {value:.3f}" in desk.panel.crossValidationLabel.text
    assert "were hidden" in desk.panel.crossValidationLabel.toolTip

    low, high = desk.numbers[1], desk.numbers[2]
    extra = (low + high) // 2
    draw(desk.host, "cytoplasm", on_slices(truth, [extra]))
    desk.fill()
    second = desk.effect.outcome
    assert f"Refilled around k = {extra}" in desk.effect.message
    assert f"Dice {value:.3f}" in desk.panel.crossValidationLabel.text
    assert second.report.slabs == [[low, extra], [extra, high]]
    untouched = np.r_[0 : low + 1, high : truth.shape[0]]
    assert np.array_equal(second.segmentation.labels[untouched], first.segmentation.labels[untouched])
    assert np.array_equal(second.uncertainty[untouched], first.uncertainty[untouched])
    assert np.array_equal(desk.previewed()[extra], truth[extra])
    script = run(first.request)  # what the worker process keeps
    whole = refill(script.result, segmentation_from_node(desk.segmentation, desk.volume), range(truth.shape[0]))
    assert len(whole.report.slabs) > len(second.report.slabs), "all of it was redone"
    assert np.array_equal(second.segmentation.labels, whole.segmentation.labels)
    assert np.array_equal(second.uncertainty, whole.uncertainty)

    edited = labels(desk)
    desk.panel.applyButton.click()
    assert desk.array().sum() > 2 * (edited == 1).sum()
    desk.editor.undo()
    assert np.array_equal(labels(desk), edited)


def test_an_erased_slice_is_refilled_too(desk):
    """A slice taken away joins two slabs; nothing else is redone."""
    desk.fill()
    low, gone, high = desk.numbers[1:4]
    for name in ("cytoplasm", "bead"):
        mask = np.zeros(labels(desk).shape, bool)
        mask[gone] = True
        draw(desk.host, name, mask, mode="Remove")
    desk.fill()
    assert desk.effect.outcome.report.slabs == [[low, high]]
    assert gone not in desk.effect.outcome.slices["k"]
    assert desk.previewed()[gone].any()


def test_one_drawn_slice_is_told(desk, phantom):
    mask = np.ones(labels(desk).shape, bool)
    mask[desk.numbers[2]] = False
    for name in ("cytoplasm", "bead"):
        draw(desk.host, name, mask, mode="Remove")
    desk.fill()
    assert "label at least one more" in desk.effect.message
    assert desk.panel.crossValidationLabel.text == ""


def test_a_drawing_in_oblique_views_is_refused_with_the_way_out(desk, phantom):
    truth, everything = phantom.truth.mask("cytoplasm"), np.ones(labels(desk).shape, bool)
    for name in ("cytoplasm", "bead"):
        draw(desk.host, name, everything, mode="Remove")
    k, j, _i = np.indices(truth.shape)
    draw(desk.host, "cytoplasm", (k == (j + 20) // 2) & truth)
    desk.fill()
    assert "Align views" in desk.effect.message
    assert desk.effect.preview.node is None
