"""The course of a training as a CSV table, TensorBoard events, and a plot."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Segments whose Dice is drawn in colours of their own.
MAX_CURVES = 8
#: Units of the time axis: name, seconds. The first that fills two units is taken.
_TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
#: Characters of a segment's name in the legend.
_LABEL_LENGTH = 24
_INK, _MUTED = "#1c1f24", "#6b7280"


class MetricsLog:
    """Writes each epoch as it ends.

    Parameters
    ----------
    table : Path or None
        CSV file, rewritten whole with each row, so that it is never torn.
    plot : Path or None
        PNG of loss and Dice over time, drawn after each validation.
    tensorboard : Path or None
        Folder for TensorBoard events.
    """

    def __init__(self, table: Path | None = None, plot: Path | None = None, tensorboard: Path | None = None) -> None:
        self._table, self._plot = table, plot
        self._writer: Any = None
        if tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(os.fspath(tensorboard))

    def update(self, history: Sequence[Row]) -> None:
        """Write the history, whose last row is new."""
        if not history:
            return
        if self._table is not None:
            write_table(history, self._table)
        row = history[-1]
        if self._writer is not None:
            for key, value in row.items():
                if isinstance(value, (int, float)) and math.isfinite(value) and key not in ("epoch", "step"):
                    self._writer.add_scalar(key, value, int(row["step"]))
            self._writer.flush()
        if self._plot is not None and "dice" in row:
            draw(history, self._plot)

    def close(self, history: Sequence[Row], kept: int | None = None) -> None:
        """Draw the last plot, with the step whose weights were kept, and close the files."""
        if self._plot is not None and history:
            draw(history, self._plot, kept)
        if self._writer is not None:
            self._writer.close()


def write_table(history: Sequence[Row], path: Path) -> None:
    """Write the history as CSV: one row an epoch, empty where there was no validation."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with atomic_output(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(history)


def draw(history: Sequence[Row], path: Path, kept: int | None = None) -> None:
    """Write `course_figure` as a PNG."""
    figure = course_figure(history, kept)
    with atomic_output(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def course_figure(history: Sequence[Row], kept: int | None = None) -> Figure:
    """Draw loss (left) and validation Dice (right) over time; the legend lies beside the curves.

    Parameters
    ----------
    history : sequence of Row
        One row an epoch; without any validation the loss is drawn alone.
    kept : int, optional
        Step whose weights the model has: it is marked.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    validated = [row for row in history if "dice" in row]
    figure = Figure(figsize=(9, 4) if validated else (4.5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if validated else 1, squeeze=False, width_ratios=[1, 1.15][: 2 if validated else 1])[0]
    last = float(history[-1]["seconds"])
    unit, seconds = next(item for item in _TIME_UNITS if last >= 2 * item[1] or item is _TIME_UNITS[-1])
    _draw_loss(axes[0], history, seconds)
    if validated:
        _draw_dice(axes[1], validated, seconds)
        for row in validated:
            if row["step"] == kept:
                axes[1].axvline(row["seconds"] / seconds, color=_MUTED, linestyle=":", zorder=0, label="weights kept")
        axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    for ax in axes:
        ax.set(xlabel=unit, xlim=(0, 1.02 * last / seconds))
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_loss(axes: Axes, history: Sequence[Row], seconds: float) -> None:
    """The training loss on a logarithmic axis, whose numbers are written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    times = [row["seconds"] / seconds for row in history]
    axes.plot(times, [row["loss"] for row in history], color=_INK, linewidth=1.5, marker=".")  # one row is no line
    axes.set(ylabel="training loss", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_dice(axes: Axes, validated: Sequence[Row], seconds: float) -> None:
    """The mean Dice and that of each segment, the highest first in the legend; of many segments only the extremes."""
    from matplotlib import style

    def curve(column: str, **look: Any) -> None:
        rows = [row for row in validated if column in row]
        axes.plot([r["seconds"] / seconds for r in rows], [r[column] for r in rows], **look)

    columns = {key for row in validated for key in row if key.startswith("dice ")}
    latest = {key: next(row[key] for row in reversed(validated) if key in row) for key in sorted(columns)}
    names = {key: _shortened(key.removeprefix("dice ")) for key in sorted(latest, key=lambda key: -latest[key])}
    if len(names) == 1:  # the mean is this segment's
        curve("dice", color=_INK, linewidth=2, marker=".", label=next(iter(names.values())))
    else:
        shown = list(names)
        if len(names) > MAX_CURVES:
            shown = [shown[0], shown[-1]]
            names |= {shown[0]: f"highest: {names[shown[0]]}", shown[-1]: f"lowest: {names[shown[-1]]}"}
            for column in names.keys() - set(shown):
                curve(column, color="0.85", linewidth=0.8, zorder=1)
        colours = style.library["tableau-colorblind10"]["axes.prop_cycle"].by_key()["color"]
        for column, colour in zip(shown, colours, strict=False):
            curve(column, color=colour, linewidth=1.2, marker=".", label=names[column])
        mean = f"mean of {len(names)} segments" if names else "mean"
        curve("dice", color=_INK, linewidth=2, marker=".", label=mean, zorder=3)
    axes.set(ylabel="validation Dice", ylim=(0, 1.02))


def _shortened(name: str) -> str:
    return name if len(name) <= _LABEL_LENGTH else name[: _LABEL_LENGTH - 3] + "..."
