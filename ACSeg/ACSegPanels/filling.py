"""What the effect and the guided module tell of a fill. No Qt, no MRML."""

from __future__ import annotations

from slicer.i18n import tr as _

from ACSegLib.workflows import FillOutcome


def summary(outcome: FillOutcome) -> str:
    """Which slices were used, and what the person should know."""
    used = "; ".join(listSlices(axis, numbers) for axis, numbers in outcome.slices.items() if len(numbers))
    text = _("Used slices {slices}.").format(slices=used) if used else _("Used the scribbles as drawn.")
    if outcome.refilled:
        around = _("Refilled around {slices}.").format(slices=listSlices(outcome.report.axis, outcome.refilled))
        text = f"{around} {text}"
    warnings = outcome.report.warnings
    return " ".join([text, *[str(w)[:1].upper() + str(w)[1:] for w in warnings]])


def crossValidation(outcome: FillOutcome) -> str:
    """The cross-validation on the labelled slices; empty where there were too few slices to leave one out."""
    dice = outcome.report.cross_validation_dice
    return "" if dice is None else _("Cross-validation on labelled slices: Dice {dice:.2f}.").format(dice=dice)


def crossValidationHelp() -> str:
    """What `crossValidation` means, for its tool tip."""
    return _(
        "Up to two of your labelled slices were left out in turn, filled from the others, and compared with what you "
        "drew there: 1 is the same, 0 nothing in common. A left-out slice is twice as far from the next labelled one "
        "as any slice of the fill, so the fill is usually better than this value. Where it is low, label more slices."
    )


def listSlices(axis: str, numbers: list[int], most: int = 12) -> str:
    """Name slices shortly: "k = 10, 30, 50 and 12 more"."""
    shown = ", ".join(str(n) for n in numbers[:most])
    rest = _(" and {count} more").format(count=len(numbers) - most) if len(numbers) > most else ""
    return f"{axis} = {shown}{rest}"
