"""The words of panels and effect: for the values that a user chooses from, and for what a fill gave. No Qt, no MRML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slicer.i18n import tr as _

from ACSegLib.worker.events import capitalized
from ACSegLib.workflows import CorrectOutcome, FillOutcome, SplitOutcome
from ACSegPanels.translation import translated

#: Value -> what is shown for it, in the order in which it is shown.
Words = dict[str, str]

#: Flags of the shell that say the same as another option.
_SAME = {"region": "box"}

#: Up to so many slices are named one by one.
_LISTED = 12


def namedByControls(text: str, labels: Mapping[str, str], module: str = "") -> str:
    """Name options by what a person can click in Slicer, in a sentence of the library, which names flags of the shell.

    An option that has no control is named by the CLI module of its command, and the voxel size by the module Volumes.
    One that Slicer does not have at all keeps its flag, as one of the shell.

    Parameters
    ----------
    text : str
    labels : mapping
        Option -> label of its control.
    module : str
        Name of the CLI module of the command; none by default.
    """
    from ACSegLib.option_names import with_options_named

    def name(flag: str, option: str, value: str) -> str:
        given = f" = {value}" if value else ""
        if label := labels.get(_SAME.get(option, option)):
            return f"'{label}'{given}"
        if option in ("voxel_size", "file_unit"):
            return _("'Image Spacing' in the module Volumes")
        if label := _inModule(module, flag):
            setting = f"'{label}'{given}"
            return _("{setting} in the module {module}").format(setting=setting, module=_titleOf(module))
        return _("the shell's {flag}").format(flag=f"{flag} {value}".rstrip())

    return with_options_named(text, name)


def _inModule(module: str, flag: str) -> str:
    """Label by which a CLI module shows the option that a flag sets; empty where it does not."""
    from ACSegLib.commands.cli_modules import CLI_MODULES, parameters
    from ACSegLib.commands.cli_xml import label_words

    if module not in CLI_MODULES:
        return ""
    return next((label_words(p) for p in parameters(CLI_MODULES[module]) if p.flag == flag), "")


def _titleOf(module: str) -> str:
    from ACSegLib.commands.cli_modules import CLI_MODULES

    return CLI_MODULES[module].title


def withNotes(text: str, notes: Iterable[str]) -> str:
    """A sentence, and after it what the library notes about a result, each a sentence of its own."""
    said = (capitalized(translated(note)).rstrip(".") for note in notes)
    return " ".join([text, *[f"{note}." for note in said]])


def axisWords() -> Words:
    """Axes of labelled slices; x, y and z are the axes i, j and k of the volume's voxels."""
    return {
        "auto": _("automatic"),
        "k": _("across z (k)"),
        "j": _("across y (j)"),
        "i": _("across x (i)"),
        "all": _("on all axes"),
    }


def deviceWords() -> Words:
    """Where to compute."""
    return {
        "auto": _("automatic"),
        "cpu": _("processor (CPU)"),
        "cuda": _("graphics processor (CUDA)"),
        "mps": _("graphics processor (Apple)"),
        "xpu": _("graphics processor (Intel)"),
    }


def presetWords() -> Words:
    """How long and how large a training is."""
    return {"quick": _("quick"), "standard": _("standard"), "thorough": _("thorough")}


def unitWords() -> Words:
    """Units of length; as in Slicer's own tables of segments (mm2, mm3), and in files, a micrometre is "um"."""
    return {"um": "um", "nm": "nm", "mm": "mm", "px": _("voxels")}


def showWords(box: object, words: Words) -> None:
    """Show words in a combo box in the place of its values; it is read by the index, so that nothing else changes."""
    for index in range(box.count):
        value = box.itemText(index)
        box.setItemText(index, words.get(value, value))


def summary(outcome: FillOutcome | CorrectOutcome | SplitOutcome) -> str:
    """Which slices were used or which cells were found, and what the person should know."""
    if isinstance(outcome, SplitOutcome):
        return " ".join([*map(translated, outcome.notes), _("Apply makes each cell a segment of its own.")])
    if isinstance(outcome, CorrectOutcome):
        return correctionSummary(outcome)
    used = "; ".join(listSlices(axis, numbers) for axis, numbers in outcome.slices.items() if len(numbers))
    text = _("Used slices {slices}.").format(slices=used) if used else _("Used the scribbles as drawn.")
    if outcome.refilled:
        around = _("Refilled around {slices}.").format(slices=listSlices(outcome.report.axis, outcome.refilled))
        text = f"{around} {text}"
    warnings = outcome.report.warnings
    return " ".join([text, *[capitalized(translated(str(w))) for w in warnings]])


def allHidden() -> str:
    """Why nothing is filled of a segmentation whose segments are all hidden."""
    return _("All segments are hidden, and only visible segments are filled: show at least one.")


def changedVoxels(volume: str) -> str:
    """What to know of a result whose volume got other voxels meanwhile, as by the next time point of a sequence."""
    return _(
        "The voxels of volume '{volume}' changed while the work ran: the result is that of the ones before."
    ).format(volume=volume)


def turnedBox() -> str:
    """What was done with an ROI that is turned against the voxels."""
    return _("The ROI is turned against the voxels; the box of voxels around it was used.")


def correctionSummary(outcome: CorrectOutcome) -> str:
    """What the changes were taken for, and what followed from them."""
    report = outcome.report
    slices = "; ".join(listSlices(axis, numbers) for axis, numbers in report.slices.items())
    taken = _("Took {slices} as drawn right.").format(slices=slices) if slices else _("Took your changes as strokes.")
    text = _("Corrected {count} voxels around them, at most {reach} voxels away.").format(
        count=f"{report.corrected_voxels:,}", reach=f"{report.reach:g}"
    )
    if report.kept:
        kept = "; ".join(listSlices(axis, numbers) for axis, numbers in report.kept.items())
        text += " " + _("Kept {slices}, as labelled or decided before.").format(slices=kept)
    return " ".join([taken, text, *[capitalized(translated(w)) for w in report.warnings]])


def crossValidation(outcome: FillOutcome | CorrectOutcome | SplitOutcome) -> str:
    """The cross-validation on the labelled slices, and what is expected of each segment; empty with too few slices."""
    if not isinstance(outcome, FillOutcome):
        return ""
    report = outcome.report
    if report.mean_dice is None:
        return ""
    text = _("Cross-validation on labelled slices: Dice {dice:.3f}.")
    if report.whole_slices_hidden:
        text = _("Expected, mean of all segments: Dice {dice:.3f}.")
    lines = [text.format(dice=report.mean_dice)]
    for estimate in report.estimates:
        text = _("{name}: Dice {value:.3f} ({low:.3f} to {high:.3f}).")
        interval = estimate.dice
        lines.append(text.format(name=estimate.segment, value=interval.value, low=interval.low, high=interval.high))
    return "\n".join(lines)


def crossValidationHelp() -> str:
    """What `crossValidation` means, for its tool tip."""
    return _(
        "Parts of your labelled slices were hidden, filled from all other labels, and compared with what you drew "
        "there: 1 is the same, 0 nothing in common. Where the value is low, label more slices. For each segment: the "
        "Dice that is expected between the slices, and in brackets its 90 % interval."
    )


def listSlices(axis: str, numbers: list[int]) -> str:
    """Name slices shortly: "k = 10, 30, 50 and 12 more"."""
    shown = ", ".join(str(n) for n in numbers[:_LISTED])
    rest = _(" and {count} more").format(count=len(numbers) - _LISTED) if len(numbers) > _LISTED else ""
    return f"{axis} = {shown}{rest}"
