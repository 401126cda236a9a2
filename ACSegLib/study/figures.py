"""Figures of a study, as vector graphics with their data: strips with boxes, Bland-Altman, learning curve."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.measure.comparison import bland_altman
from ACSegLib.measure.learning_curve import LearningCurve
from ACSegLib.study.evidence import MIN_FOR_BOX, MIN_PAIRS_FOR_LIMITS
from ACSegLib.study.numbers import decimals_for, fixed, format_value, with_minus
from ACSegLib.study.tables import Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with colour-blindness can distinguish (Okabe and Ito, Color Universal Design, 2008).
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800")
INK, MUTED = "#1c1f24", "#6b7280"
#: Name of the reference in plots; it is black.
REFERENCE = "reference"

#: Least span of an axis of values, as a fraction of the largest.
MIN_SPAN = 0.02

#: Dots of a plot that are drawn as vectors.
MAX_VECTOR_DOTS = 1000
#: Pixels per inch of what is drawn as pixels.
DPI = 200

#: Keywords of `Axes.plot` for dots.
DotStyle = dict[str, Any]

#: Brackets of a plot; more would hide the points.
MAX_BRACKETS = 3


@contextlib.contextmanager
def _without_warnings_on_glyphs() -> Iterator[None]:
    """Names may have characters that the font of the plots lacks, such as emoji: it shows boxes for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@dataclass(frozen=True)
class Plot:
    """A figure, and the values that it shows as a table."""

    figure: Figure
    data: Rows
    title: str = ""

    def svg(self) -> str:
        """SVG text; the same figure gives the same text."""
        import matplotlib

        stream = io.StringIO()
        with _without_warnings_on_glyphs(), matplotlib.rc_context({"svg.hashsalt": self.title or "acseg"}):
            self.figure.savefig(stream, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
        text = stream.getvalue()
        return text[text.index("<svg") :]

    def pdf(self) -> bytes:
        """A page of PDF, with text as text."""
        import matplotlib

        stream = io.BytesIO()
        with _without_warnings_on_glyphs(), matplotlib.rc_context({"pdf.fonttype": 42}):
            self.figure.savefig(stream, format="pdf", dpi=DPI, metadata={"CreationDate": None})
        return stream.getvalue()


@dataclass(frozen=True)
class Bracket:
    """Two groups of a strip plot that were compared, and the p value of the test."""

    first: str
    second: str
    p: float


def strip_plot(
    groups: Mapping[str, Sequence[float]],
    label: str,
    brackets: Sequence[Bracket] = (),
    means: Mapping[str, Sequence[float]] | None = None,
) -> Plot:
    """One dot per cell, and one box per group of enough cells; undefined values are left out.

    Parameters
    ----------
    groups : mapping of name to values
    label : str
        Of the axis, with its unit.
    brackets : sequence of Bracket
        Pairs of groups to mark with their p value; of many, the `MAX_BRACKETS` with the smallest p.
    means : mapping of name to values, optional
        Means of the volumes of each group, shown as diamonds (Lord et al., J. Cell Biol. 219 (2020) e202001064).
    """
    figure, axes = _figure(max(3.2, 1.2 + 1.1 * len(groups)), 3.4)
    counts: dict[str, int] = {}
    rng = np.random.default_rng(0)  # the jitter is the same in every report
    colours = dict(zip([g for g in groups if g != REFERENCE], itertools.cycle(PALETTE), strict=False))
    for n, (name, values) in enumerate(groups.items()):
        known = np.array([v for v in values if v is not None and np.isfinite(v)], float)
        counts[name] = len(known)
        colour = colours.get(name, INK)  # a method keeps its colour in plots with the reference
        if len(known) >= MIN_FOR_BOX:
            axes.boxplot(
                known,
                positions=[n],
                widths=0.55,
                showfliers=False,
                medianprops={"color": INK, "linewidth": 1.4},
                boxprops={"color": MUTED},
                whiskerprops={"color": MUTED},
                capprops={"color": MUTED},
            )
        axes.plot(n + rng.uniform(-0.16, 0.16, len(known)), known, "o", **_dots(len(known), 3.6), color=colour)
        averages = [v for v in (means or {}).get(name, ()) if np.isfinite(v)]
        axes.plot([n] * len(averages), averages, "D", ms=6.5, color=colour, mec=INK, mew=1.0, zorder=4)
    axes.set_xticks(range(len(groups)), [f"{literal(name)}\nn = {counts[name]}" for name in groups])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylabel(literal(label))
    _widen(axes)
    if all(float(v).is_integer() for values in groups.values() for v in values if v is not None and np.isfinite(v)):
        axes.locator_params("y", integer=True)  # counts
    _draw_brackets(axes, brackets, list(groups))
    rows = [{"group": name, label: value} for name, values in groups.items() for value in values]
    if means:
        rows = [{**row, "value of": "cell"} for row in rows]
        rows += [{"group": name, label: v, "value of": "volume"} for name, values in means.items() for v in values]
    return _finished(figure, axes, rows)


def boxes_text(groups: Mapping[str, Sequence[float]]) -> str:
    """What the boxes of a strip plot show, for its caption; "" if it has none."""
    if not any(len(values) >= MIN_FOR_BOX for values in groups.values()):
        return ""
    return " Boxes: median and quartiles; whiskers: up to 1.5 times the box."


def _dots(count: int, size: float) -> DotStyle:
    """Style of so many dots: where they are many, small, pale and as pixels, since the page would grow with each."""
    many = count > MAX_VECTOR_DOTS
    if many:
        return {"ms": size / 2, "alpha": 0.4, "mew": 0, "rasterized": True, "zorder": 1}
    return {"ms": size, "alpha": 0.75, "mew": 0}


def _draw_brackets(axes: Axes, brackets: Sequence[Bracket], names: list[str]) -> None:
    """Lines above the dots from group to group, the shortest lowest, each with its p value."""
    shown = sorted((b for b in brackets if np.isfinite(b.p)), key=lambda b: b.p)[:MAX_BRACKETS]
    low, high = axes.get_ylim()
    step = (high - low) * 0.09
    for level, bracket in enumerate(sorted(shown, key=lambda b: abs(names.index(b.first) - names.index(b.second)))):
        ends = names.index(bracket.first), names.index(bracket.second)
        height = high + level * step
        axes.plot([ends[0], *ends, ends[1]], [height - step / 4, height, height, height - step / 4], color=INK, lw=0.9)
        text = format_value(float(bracket.p), "p_corrected")
        text = f"p {text}" if text.startswith("<") else f"p = {text}"
        place = (sum(ends) / 2, height)
        axes.annotate(text, place, (0, 1.5), textcoords="offset points", ha="center", va="bottom", fontsize=7.5)
    if shown:
        axes.set_ylim(low, high + len(shown) * step)


def _widen(axes: Axes) -> None:
    """Let the axis of values span some of the values' size: equal values are not to look spread out."""
    low, high = axes.get_ylim()
    missing = MIN_SPAN * max(abs(low), abs(high)) - (high - low)
    if missing > 0:
        axes.set_ylim(low - missing / 2, high + missing / 2)


def bland_altman_plot(first: Sequence[float], second: Sequence[float], label: str, title: str, limits: bool) -> Plot:
    """Differences (first minus second) over means, with bias and (of enough independent pairs) limits of agreement."""
    agreement = bland_altman(first, second)
    low, high = agreement.limit_low, agreement.limit_high
    decimals = decimals_for((high - low) / 4) if high > low else 2
    figure, axes = _figure(4.4, 3.4)
    axes.plot(agreement.means, agreement.differences, "o", **_dots(len(agreement.means), 4), color=PALETTE[0])
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.axhline(agreement.bias, color=PALETTE[4], lw=1.4, label=with_minus(f"bias {fixed(agreement.bias, decimals)}"))
    if limits and len(agreement.means) >= MIN_PAIRS_FOR_LIMITS:
        text = with_minus(f"limits {fixed(low, decimals)} to {fixed(high, decimals)}")
        axes.axhline(low, color=PALETTE[4], lw=1.0, ls="--", label=text)
        axes.axhline(high, color=PALETTE[4], lw=1.0, ls="--")
    axes.set_xlabel(literal(f"mean of both, {label}"))
    axes.set_ylabel(literal(f"difference, {label}"))
    axes.margins(y=0.22)  # room for the legend above the upper limit
    axes.legend(frameon=False, fontsize=7.5, loc="upper right")
    rows = [{"mean": m, "difference": d} for m, d in zip(agreement.means, agreement.differences, strict=True)]
    return _finished(figure, axes, rows, title)


def learning_curve_plot(
    points: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]],
    curves: Mapping[str, LearningCurve],
    target: float,
) -> Plot:
    """Scores against training volumes, the fitted curves with their 95 % bands, and where they reach the target.

    Parameters
    ----------
    points : mapping of name to (volumes, scores, standard deviations)
        Scores from 0 to 1.
    curves : mapping of name to LearningCurve
    target : float
    """
    figure, axes = _figure(6.4, 3.8)
    largest = max(max(volumes) for volumes, _, _ in points.values())
    ends = [curve.volumes_for(target)[0] for curve in curves.values()]
    reached = [e for e in ends if np.isfinite(e) and e < 10 * largest]
    x = np.linspace(0, max([largest, *reached]) * 1.1, 300)
    floor = 100 * min(min(scores) for _, scores, _ in points.values())
    apart = 0.008 * x[-1]  # error bars of several kinds of labels stand side by side
    for n, (name, (volumes, scores, spread)) in enumerate(points.items()):
        colour = PALETTE[n % len(PALETTE)]
        axes.errorbar(
            np.asarray(volumes, float) + apart * (n - (len(points) - 1) / 2),
            100 * np.asarray(scores),
            yerr=100 * np.nan_to_num(np.asarray(spread, float)),
            fmt="o",
            ms=4.5,
            color=colour,
            elinewidth=0.7,
            capsize=2,
            label=literal(name),
        )
        if name in curves:
            low, high = curves[name].band(x)
            axes.plot(x, 100 * curves[name].predict(x), color=colour, lw=1.4)
            if np.all(np.isfinite(low)):
                axes.fill_between(x, 100 * low, 100 * high, color=colour, alpha=0.15, lw=0)
    axes.axhline(100 * target, color=MUTED, lw=0.8, ls=":")
    for name, end in zip(curves, ends, strict=True):
        if end in reached:
            colour = PALETTE[list(points).index(name) % len(PALETTE)]
            axes.plot([end], [100 * target], "D", ms=5, color=colour)
            axes.annotate(
                f"{math.ceil(end)}", (end, 100 * target), (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set_ylim(max(0, floor - 15), 101.5)
    axes.set_xlim(0, x[-1])
    axes.set_xlabel("training volumes")
    axes.set_ylabel("Dice, %")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    rows = [
        {"labels": name, "training volumes": v, "dice": d, "dice_sd": sd}
        for name, series in points.items()
        for v, d, sd in zip(*series, strict=True)
    ]
    return _finished(figure, axes, rows)


def literal(text: str) -> str:
    """A text that matplotlib shows as it is: names of cells may hold dollars, which begin a formula there."""
    return text.replace("$", r"\$")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    return figure, axes


def _finished(figure: Figure, axes: Axes, data: Rows, title: str = "") -> Plot:
    """The figure in the style of all."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    if title:
        axes.set_title(literal(title), fontsize=10, loc="left", color=INK)
    return Plot(figure, data, title)
