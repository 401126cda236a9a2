"""One fill from arrays to a cleaned segmentation; shared by the effect and the guided module. No Qt, no MRML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume
from ACSegPanels.slices import AXES, merge


@dataclass
class Outcome:
    """What a fill gave.

    Attributes
    ----------
    result : FillResult
        As `ACSegLib.fill` returned it; the next refill starts from it.
    preview : Segmentation
        Cleaned, with the drawn and the protected voxels as they were.
    refilled : dict or None
        Slices that changed, when only those were redone.
    """

    result: Any
    preview: Segmentation
    refilled: dict[str, list[int]] | None = None

    @property
    def summary(self) -> str:
        """Which slices were used, and what the person should know."""
        used = "; ".join(listSlices(axis, numbers) for axis, numbers in self.result.slices.items() if len(numbers))
        text = _("Used slices {slices}.").format(slices=used) if used else _("Used the scribbles as drawn.")
        if self.refilled is not None:
            axis = next((a for a in self.result.slices if self.refilled.get(a)), None)
            if axis:
                around = _("Refilled around {slices}.").format(slices=listSlices(axis, self.refilled[axis]))
                text = f"{around} {text}"
        warnings = self.result.report.get("warnings") or []
        return " ".join([text, *[str(w)[:1].upper() + str(w)[1:] for w in warnings]])

    @property
    def forecast(self) -> str:
        """How well left-out slices were filled; empty where there were too few slices to leave one out."""
        dice = self.result.report.get("forecast_dice")
        return "" if dice is None else _("Left-out slices were filled with a Dice of {dice:.2f}.").format(dice=dice)


def forecastHelp() -> str:
    """What `Outcome.forecast` means, for its tool tip."""
    return _(
        "Up to two of your drawn slices were left out in turn, filled from the others, and compared with what you drew "
        "there: 1 is the same, 0 nothing in common. A left-out slice is twice as far from the next drawn one as any "
        "slice of the fill, so the fill is usually better than this figure. Where it is low, draw more slices."
    )


def listSlices(axis: str, numbers: list[int], most: int = 12) -> str:
    """Name slices shortly: "k = 10, 30, 50 and 12 more"."""
    shown = ", ".join(str(n) for n in numbers[:most])
    rest = _(" and {count} more").format(count=len(numbers) - most) if len(numbers) > most else ""
    return f"{axis} = {shown}{rest}"


def runFill(
    volume: Volume,
    drawn: Segmentation,
    settings: Mapping[str, Any],
    cleaning: Mapping[str, Any],
    progress: Progress,
    *,
    protected: np.ndarray | None = None,
    previous: Any = None,
    changed: Mapping[str, list[int]] | None = None,
) -> Outcome:
    """Fill, or refill from a previous result, then clean.

    Parameters
    ----------
    volume, drawn : Volume, Segmentation
        On one grid.
    settings, cleaning : mapping
        Keywords of `ACSegLib.fill.fill` and of `ACSegLib.postprocess.cleanup.clean`.
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not be filled.
    previous, changed : FillResult and mapping, optional
        Redo only the surroundings of these slices (axis -> slices).
    """
    from ACSegLib import fill

    working = progress.part(0.0, 0.95)
    if previous is None or changed is None:
        result, refilled = fill.fill(volume, drawn, progress=working, **settings), None
    elif any(changed.values()):
        result, refilled = _refill(volume, drawn, settings, working, previous, changed)
    else:
        result, refilled = previous, dict(changed)
    segmentation = result.segmentation
    if any(cleaning.values()):
        from ACSegLib.postprocess.cleanup import clean

        known = _known(result, drawn)
        segmentation = clean(segmentation, keep=known, progress=progress.part(0.95, 1.0), **cleaning)
    return Outcome(result, merge(segmentation, drawn, protected), refilled)


def _refill(
    volume: Volume,
    drawn: Segmentation,
    settings: Mapping[str, Any],
    progress: Progress,
    previous: Any,
    changed: Mapping[str, list[int]],
) -> tuple[Any, dict[str, list[int]] | None]:
    """Redo what changed; all of it where the edit brought another segment or another slice axis into play.

    So too after the first two slices: their fill had nothing to judge its prior by, and a refill would keep that.
    """
    from ACSegLib import fill

    axis = previous.report["axis"]
    if previous.report.get("left_out") == []:
        return fill.fill(volume, drawn, progress=progress, **settings), None
    try:
        return fill.refill(previous, drawn, changed.get(axis, []), progress=progress), {axis: changed.get(axis, [])}
    except InputError:
        return fill.fill(volume, drawn, progress=progress, **settings), None


def suggestions(result: Any, most: int = 3) -> list[tuple[str, int, str]]:
    """Slices worth drawing: (axis, slice, reason), the best first."""
    from ACSegLib.fill import suggest_slices

    return [(result.report["axis"], number, "") for number in suggest_slices(result, most)]


def _known(result: Any, drawn: Segmentation) -> np.ndarray:
    """Voxels that the person decided: drawn ones, and the background of drawn slices."""
    known = drawn.occupied()
    for axis, numbers in result.slices.items():
        np.moveaxis(known, AXES.index(axis), 0)[list(numbers)] = True
    return known
