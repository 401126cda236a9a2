"""The course of a training as a CSV table, TensorBoard events, and a plot."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Row


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

    def close(self, history: Sequence[Row]) -> None:
        """Draw the last plot and close the files."""
        if self._plot is not None and history:
            draw(history, self._plot)
        if self._writer is not None:
            self._writer.close()


def write_table(history: Sequence[Row], path: Path) -> None:
    """Write the history as CSV: one row an epoch, empty where there was no validation."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with atomic_output(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(history)


def draw(history: Sequence[Row], path: Path) -> None:
    """Draw loss (left) and validation Dice (right) over minutes as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot([r["seconds"] / 60 for r in history], [r["loss"] for r in history], color="0.3")
    left.set(xlabel="minutes", ylabel="training loss", yscale="log")
    validated = [r for r in history if "dice" in r]
    names = [k for k in dict.fromkeys(k for r in validated for k in r) if k == "dice" or k.startswith("dice ")]
    for name in names:
        rows = [r for r in validated if name in r]
        label = "mean" if name == "dice" else name.removeprefix("dice ")
        style: dict[str, Any] = {"color": "black", "linewidth": 2} if name == "dice" else {"linewidth": 1}
        right.plot([r["seconds"] / 60 for r in rows], [r[name] for r in rows], marker=".", label=label, **style)
    right.set(xlabel="minutes", ylabel="validation Dice", ylim=(0, 1))
    if names:
        right.legend(loc="lower right")
    with atomic_output(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
