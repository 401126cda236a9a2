"""The figure of a training: what its legend names, and that it hides no curve."""

import pytest

from ACSegLib.network.train.metrics_log import MAX_CURVES, course_figure


def history(names, validated=True):
    """Ten epochs of six seconds, whose segments end with a Dice of 0.99, 0.98, ..."""
    rows = []
    for n in range(1, 11):
        row = {"epoch": n, "step": 10 * n, "seconds": 60.0 * n, "loss": 2 / n, "learning_rate": 1e-3}
        if validated:
            row |= {f"dice {name}": 0.99 - 0.01 * place - 0.5 / n for place, name in enumerate(names)}
            row["dice"] = 0.9 - 0.5 / n
        rows.append(row)
    return rows


def legend_of(figure):
    return figure.axes[1].get_legend()


@pytest.mark.parametrize(
    "names", [["cell"], ["cell", "bead"], [f"a nucleus of a long name, number {n}" for n in range(30)]]
)
def test_the_legend_lies_beside_the_curves_and_inside_the_figure(names):
    figure = course_figure(history(names), kept=80)
    figure.canvas.draw()
    legend, axes = legend_of(figure).get_window_extent(), figure.axes[1].get_window_extent()
    assert legend.x0 >= axes.x1
    assert legend.x1 <= figure.bbox.x1
    assert legend.y0 >= 0
    assert legend.y1 <= figure.bbox.y1
    assert axes.width > figure.bbox.width / 4


def test_the_legend_names_the_segments_from_the_highest_dice_to_the_lowest_and_marks_what_was_kept():
    texts = [text.get_text() for text in legend_of(course_figure(history(["cell", "bead"]), kept=80)).get_texts()]
    assert texts == ["cell", "bead", "mean of 2 segments", "weights kept"]


def test_of_many_segments_the_highest_and_the_lowest_are_named():
    names = [f"n{n}" for n in range(MAX_CURVES + 1)]
    figure = course_figure(history(names))
    texts = [text.get_text() for text in legend_of(figure).get_texts()]
    assert texts == ["highest: n0", f"lowest: n{MAX_CURVES}", f"mean of {MAX_CURVES + 1} segments"]
    assert len(figure.axes[1].lines) == MAX_CURVES + 2


def test_without_a_validation_the_loss_is_drawn_alone():
    (axes,) = course_figure(history([], validated=False)).axes
    assert axes.get_ylabel() == "training loss"


@pytest.mark.parametrize(("factor", "unit"), [(0.1, "seconds"), (1, "minutes"), (60, "hours")])
def test_time_is_in_a_unit_that_suits_its_length(factor, unit):
    rows = [row | {"seconds": row["seconds"] * factor} for row in history(["cell"])]
    assert course_figure(rows).axes[0].get_xlabel() == unit


def test_the_loss_of_a_single_epoch_is_visible():
    figure = course_figure(history(["cell"])[:1])
    (line,) = figure.axes[0].lines
    assert line.get_marker() not in ("None", "", " ", None)
    assert len(line.get_xdata()) == 1
