"""One fill, whoever asks for it: the request, what is done for it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.axes import axis_name, read_slices
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.segment_estimates import with_volume_intervals
from ACSegLib.slice_tags import with_labelled_slices
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows.merging import merge, same_labels
from ACSegLib.workflows.packing import (
    Arrays,
    Message,
    from_options,
    pack_segmentation,
    pack_volume,
    settings_of,
    unpack_segmentation,
    unpack_volume_or,
)
from ACSegLib.workflows.split import SplitRequest, run_split

if TYPE_CHECKING:
    from ACSegLib.fill import FillResult
    from ACSegLib.fill_report import FillReport

_GIB = 2**30
_DATA = ("volume", "labels")
#: Fields that decide the fill itself: where one of them changes, nothing of an earlier fill can be used.
_DECISIVE = ("axis", "mode", "box", "background", "ignore", "device", "gamma", "edge", "memory")


@dataclass(frozen=True, kw_only=True, eq=False)
class FillRequest:
    """What to fill, and how. The fields after the first two are the options of ``acseg fill`` of the same names.

    Parameters
    ----------
    volume : Volume
        The image.
    labels : Segmentation
        Sparse labels on the image's grid, or on another one (see `resample`).
    resample : bool
        Whether labels on another grid are resampled to that of the image (nearest); otherwise they are refused.
    axis : str
        Axis of the labelled slices: "auto", "i", "j", "k" (or "x", "y", "z") or "all".
    slices : str, sequence of int, or mapping, optional
        Every labelled slice, counted from 0; see `ACSegLib.axes.read_slices`. Found from the labels if left out.
    mode : str
        "auto", "slices" (labelled slices are complete) or "scribbles" (only labelled voxels count). With "auto", closed
        thin lines are outlines; see `ACSegLib.outlines`.
    box : sequence of int
        A box I0 I1 J0 J1 K0 K1, ends excluded, around the object that strokes mark: outside it is background. The whole
        volume if empty.
    background, ignore : str, optional
        Segments (name or id) that mark background (for scribbles), and voxels of labelled slices that are unknown.
    only, leave_out : sequence of str
        Segments to have in the result, all if empty; and segments to leave out of it.
    islands, holes : float, optional
        Remove components smaller than this; fill enclosed holes up to this. Voxels, or a fraction below 1. A segment
        without holes on the labelled slices gets none anyway, unless `holes` is 0.
    smooth : float, optional
        Smooth boundaries over this length, in voxels.
    cells : bool
        Whether touching cells of the result become segments of their own; see `ACSegLib.cells`.
    ignore_unlike : bool
        Whether voxels that look unlike their segment on the labelled slices become a segment "ignore", which trainings
        leave out; see `ACSegLib.fill.unlike`.
    device : str
        "auto", "cpu" or "cuda".
    gamma, edge : float
        Strength of the prior (chosen from the labels if None), and with it the edge scale in noise levels.
    memory : float, optional
        GiB that the fill may use.
    probabilities : bool
        Whether to give the probability of each segment.
    suggest : int
        Number of slices to suggest for labelling next.
    """

    volume: Volume
    labels: Segmentation
    resample: bool = False
    axis: str = "auto"
    slices: str | Sequence[int | str] | Mapping[str, Sequence[int]] | None = None
    mode: str = "auto"
    box: Sequence[int] = ()
    background: str | None = None
    ignore: str | None = None
    only: Sequence[str] = ()
    leave_out: Sequence[str] = ()
    islands: float | None = None
    holes: float | None = None
    smooth: float | None = None
    cells: bool = False
    ignore_unlike: bool = False
    device: str = "auto"
    gamma: float | None = None
    edge: float = 3.0
    memory: float | None = None
    probabilities: bool = False
    suggest: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axis_name(self.axis))
        object.__setattr__(self, "slices", read_slices(self.slices, self.axis))
        object.__setattr__(self, "probabilities", bool(self.probabilities))  # an option names a file instead
        for name in ("only", "leave_out", "box"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("gamma", "edge", "memory"):
            _require_positive(name, getattr(self, name))

    @classmethod
    def from_options(cls, volume: Volume, labels: Segmentation, options: Any) -> FillRequest:
        """Make the request from options of ``acseg fill`` (`ACSegLib.commands.fill.Options`), field by field."""
        return cls(volume=volume, labels=labels, **from_options(cls, options, _DATA))

    def pack(self) -> tuple[Message, Arrays]:
        """Give the request as JSON values, and its arrays: "image", and "labels 0", "labels 1", ... one per layer."""
        arrays: Arrays = {}
        message = {
            "settings": settings_of(self, _DATA),
            "volume": pack_volume(self.volume, "image", arrays),
            "labels": pack_segmentation(self.labels, "labels", arrays),
        }
        return message, arrays

    @classmethod
    def unpack(
        cls, message: Json, arrays: Mapping[str, np.ndarray], previous: FillOutcome | None = None
    ) -> FillRequest:
        """Give back what `pack` took.

        Without an array "image", the request is for the volume of `previous`: a refill need not send it again.
        """
        volume = unpack_volume_or(message["volume"], arrays, previous.request.volume if previous else None)
        return cls(volume=volume, labels=unpack_segmentation(message["labels"], arrays), **message["settings"])


def _require_positive(name: str, value: Any) -> None:
    if value is not None and not (isinstance(value, Real) and 0 < float(value) < np.inf):
        raise InputError(f"{name} is {value!r}, but must be a number above 0.")


@dataclass(eq=False, repr=False)
class FillOutcome:
    """What a fill gave.

    Attributes
    ----------
    segmentation : Segmentation
        Dense labels: cleaned, with the sparse labels and the protected voxels as they were.
    uncertainty : ndarray of uint8, shape (k, j, i)
        0 (sure) to 255.
    probabilities : dict
        Segment id -> float16 array (k, j, i); empty unless asked for.
    report : FillReport
        Choices made, cross-validation, slices, warnings, seconds.
    slices : dict
        Axis name -> labelled slices used.
    refilled : list of int or None
        Labelled slices, along ``report.axis``, whose surroundings were filled again; None after a whole fill.
    suggested : list of int
        Slices along ``report.axis`` to label next, as many as were asked for.
    request : FillRequest
        What was asked for.
    result : FillResult or None
        The state that a refill starts from; None in a process that did not compute it.
    used : FillRequest or None
        The request that was computed, with outlines and box drawn as strokes; None in such a process.
    """

    segmentation: Segmentation
    uncertainty: np.ndarray
    probabilities: dict[str, np.ndarray]
    report: FillReport
    slices: dict[str, list[int]]
    refilled: list[int] | None
    suggested: list[int]
    request: FillRequest
    result: FillResult | None = None
    used: FillRequest | None = None

    def __repr__(self) -> str:
        numbers = "; ".join(f"{axis} = {', '.join(map(str, n))}" for axis, n in self.slices.items()) or "none"
        return f"<FillOutcome: {self.segmentation!r}, labelled slices {numbers}>"

    @property
    def drawn(self) -> Segmentation:
        """What the person drew, and the outcome began from."""
        return self.request.labels

    @property
    def labels(self) -> np.ndarray:
        """The dense labels as an array, shape (k, j, i); an InputError if segments overlap."""
        return self.segmentation.labels

    def merged_with(self, labels: Segmentation, protected: np.ndarray | None = None) -> Segmentation:
        """The segmentation with sparse labels made since, and with protected voxels as `labels` has them."""
        return _merged(self.segmentation, self.request, labels, protected)

    def pack(self) -> tuple[Message, Arrays]:
        """Give the outcome as JSON values and its arrays; request and state stay where they are."""
        arrays: Arrays = {"uncertainty": self.uncertainty}
        arrays |= {f"probability {identifier}": array for identifier, array in self.probabilities.items()}
        message = {
            "segmentation": pack_segmentation(self.segmentation, "segmentation", arrays),
            "probabilities": list(self.probabilities),
            **settings_of(
                self, ("segmentation", "uncertainty", "probabilities", "report", "request", "result", "used")
            ),
            "report": self.report.to_dict(),
        }
        return message, arrays

    @classmethod
    def unpack(cls, message: Json, arrays: Mapping[str, np.ndarray], request: FillRequest) -> FillOutcome:
        """Give back what `pack` took, for the request that was sent; without the state."""
        from ACSegLib.fill_report import FillReport

        return cls(
            segmentation=unpack_segmentation(message["segmentation"], arrays),
            uncertainty=arrays["uncertainty"],
            probabilities={name: arrays[f"probability {name}"] for name in message["probabilities"]},
            report=FillReport(**message["report"]),
            slices=message["slices"],
            refilled=message["refilled"],
            suggested=message["suggested"],
            request=request,
        )


def plan(request: FillRequest, previous: FillOutcome | None) -> str:
    """Tell what a request needs: "fill", "refill" around edited slices, or "finish" (clean and merge anew)."""
    if previous is None or previous.result is None:
        return "fill"
    before = previous.used or previous.request
    if any(getattr(before, name) != getattr(request, name) for name in _DECISIVE):
        return "fill"
    if (before.holes == 0) != (request.holes == 0):
        return "fill"
    if request.probabilities and not previous.probabilities:
        return "fill"
    if not _same_image(before.volume, request.volume):
        return "fill"
    if same_labels(before.labels, request.labels) and before.slices == request.slices:
        return "finish"
    if [s.id for s in before.labels.segments] != [s.id for s in request.labels.segments]:
        return "fill"
    if not previous.slices:
        return "fill"  # every stroke changes the segmentation that the prior is learned from
    # The fill of two slices had none to leave out and to judge its prior by; a refill would keep that prior.
    return "fill" if previous.report.left_out == [] else "refill"


def run_fill(
    request: FillRequest,
    previous: FillOutcome | None = None,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> FillOutcome:
    """Fill, or refill what changed since `previous`; clean up; merge with sparse labels and protected voxels.

    Parameters
    ----------
    request : FillRequest
    previous : FillOutcome, optional
        Of an earlier request, with its state. What can be used of it is.
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not be filled.
    progress : Progress, optional

    Raises
    ------
    InputError, MemoryLimitError, Cancelled
        As `ACSegLib.fill.fill`, `ACSegLib.placement.place_labels` and `ACSegLib.postprocess.cleanup.clean` do.
    """
    from ACSegLib.placement import place_labels, with_geometry_of
    from ACSegLib.special_segments import roles_of

    progress = progress or Progress()
    progress(0.0, "reading the labels")
    labels = place_labels(request.labels, request.volume, resample=request.resample)
    volume = with_geometry_of(labels, request.volume)
    labels = replace(labels, geometry=volume.geometry)
    progress.check()
    roles = roles_of(labels, ignore=request.ignore, background=request.background)
    labels = roles.segmentation
    request = replace(request, volume=volume, labels=labels, ignore=roles.ignore, background=roles.background)
    progress.check()
    used, notes = _with_prompts(request)
    _check_result_segments(request, labels)
    stages = progress.stages(fill=93, clean=6, suggest=1)
    result, refilled = _filled(used, previous, stages.fill)
    segmentation = _cleaned(result, request, stages.clean)
    report = result.report_on(segmentation.segments)
    report = replace(report, warnings=[*roles.notes, *notes, *report.warnings])
    if protected is not None or request.box or notes:
        segmentation = _merged(segmentation, request, labels, protected)
    if request.cells:
        split = run_split(SplitRequest(labels=segmentation, volume=request.volume), progress.part(0.99, 1.0))
        segmentation = split.segmentation
        report = replace(report, warnings=[*report.warnings, *split.notes])
    stages.suggest.check()
    segmentation = with_volume_intervals(segmentation, report.estimates, "fill")
    segmentation = with_labelled_slices(segmentation, result.slices)
    stages.suggest.check()
    if request.ignore_unlike:
        segmentation, note = _without_unlike(segmentation, result, request)
        report = replace(report, warnings=[*report.warnings, note])
    outcome = FillOutcome(
        segmentation=segmentation,
        uncertainty=result.uncertainty,
        probabilities=result.probabilities or {},
        report=report,
        slices=result.slices,
        refilled=refilled,
        suggested=[],
        request=request,
        result=result,
        used=used,
    )
    return replace(outcome, suggested=suggest(outcome, request.suggest))


def suggest(outcome: FillOutcome, count: int) -> list[int]:
    """Give slices along ``outcome.report.axis`` whose labels would improve the fill most; needs the state."""
    from ACSegLib import fill

    if outcome.result is None:
        raise InputError("the fill was computed in another process; ask for the slices with the request (suggest).")
    return fill.suggest_slices(outcome.result, count) if count else []


def _with_prompts(request: FillRequest) -> tuple[FillRequest, list[str]]:
    """Draw what outlines and a box say as strokes; the request as it was, if there are none, and notes."""
    from ACSegLib.fill.prompts.box import with_shell
    from ACSegLib.fill.prompts.outlines import with_regions

    notes: list[str] = []
    if request.mode == "auto" and request.axis == "auto" and not request.slices:
        labels, background, notes = with_regions(request.labels, request.background, request.ignore)
        if notes:
            request = replace(request, labels=labels, background=background, mode="scribbles")
    if request.box and request.mode != "slices":
        labels, background = with_shell(request.labels, request.box, request.background)
        request = replace(request, labels=labels, background=background, mode="scribbles")
    return request, notes


def reads_strokes(request: FillRequest) -> bool:
    """Tell whether a request is a fill from strokes, which outlines and a box are too, and not from whole slices."""
    from ACSegLib.fill.seeds import SeedOptions, chosen_mode
    from ACSegLib.special_segments import roles_of

    if request.mode == "scribbles":
        return True
    roles = roles_of(request.labels, ignore=request.ignore, background=request.background)
    request = replace(request, labels=roles.segmentation, ignore=roles.ignore, background=roles.background)
    used, _notes = _with_prompts(request)
    options = SeedOptions(used.axis, used.slices, used.mode, used.background, used.ignore)  # type: ignore[arg-type]
    return chosen_mode(used.labels, options) == "scribbles"


def _filled(
    request: FillRequest, previous: FillOutcome | None, progress: Progress
) -> tuple[FillResult, list[int] | None]:
    """The result of the walk, and the slices whose surroundings were redone (None: everything)."""
    from ACSegLib import fill

    what = plan(request, previous)
    if what != "fill":
        assert previous is not None
        assert previous.result is not None
        if what == "finish":
            return previous.result, []
        progress(0.0, "refilling around the edited slices")
        try:
            result = fill.refill(previous.result, request.labels, progress=progress, slices=request.slices)  # type: ignore[arg-type]
            return result, list(result.report.changed_slices or [])
        except InputError:  # the edit brought in another segment or slice axis: the whole fill says what is wrong
            progress(0.0, "computing a new fill")
    result = fill.fill(
        request.volume,
        request.labels,
        axis=request.axis,
        slices=request.slices,  # type: ignore[arg-type]  # a mapping once the request is made
        mode=request.mode,
        background=request.background,
        ignore=request.ignore,
        device=request.device,
        probabilities=request.probabilities,
        settings=None if request.gamma is None else fill.Settings(request.gamma, request.edge),
        holes=request.holes == 0,
        memory_limit=None if request.memory is None else request.memory * _GIB,
        previous=previous.result if previous and _same_image(previous.request.volume, request.volume) else None,
        progress=progress,
    )
    return result, None


def _without_unlike(segmentation: Segmentation, result: FillResult, request: FillRequest) -> tuple[Segmentation, str]:
    """Give voxels that look unlike their segment to a segment "ignore"; and a sentence on them."""
    from ACSegLib.fill.unlike import mark_unlike

    marked, count = mark_unlike(request.volume, segmentation, result.known)
    share = 100 * count / result.known.size
    return marked, (
        f"{count} voxels ({share:.2f} %) look unlike their segment on the labelled slices; they are the segment "
        "'ignore', so that trainings leave them out."
    )


def _same_image(before: Volume, after: Volume) -> bool:
    """Whether two volumes hold the same voxels at the same place."""
    if before is after:
        return True
    if before.shape != after.shape or before.geometry != after.geometry or before.array.dtype != after.array.dtype:
        return False
    one, other = (getattr(volume.array, "__array_interface__", None) for volume in (before, after))
    if one and other and (one["data"], one["strides"]) == (other["data"], other["strides"]):
        return True  # two views of one memory
    return np.array_equal(before.array, after.array, equal_nan=before.array.dtype.kind == "f")


def _check_result_segments(request: FillRequest, labels: Segmentation) -> None:
    """Refuse segments of the result that do not exist or contradict one another, before the work."""
    only, left_out = ([labels.segment(name) for name in names] for names in (request.only, request.leave_out))
    for segment in only:
        if segment in left_out:
            raise InputError(
                f"segment {segment.name!r} is named by --only and by --leave-out; name it once, or not at all."
            )
    marks = [labels.segment(name) for name in (request.background, request.ignore) if name]
    if left_out and all(segment in left_out or segment in marks for segment in labels.segments):
        names = ", ".join(segment.name for segment in left_out)
        raise InputError(f"--leave-out names all segments ({names}), so that nothing is left to fill; name fewer.")


def _cleaned(result: FillResult, request: FillRequest, progress: Progress) -> Segmentation:
    if not (request.islands or request.holes or request.smooth or request.only or request.leave_out):
        return result.segmentation
    from ACSegLib.postprocess.cleanup import clean

    return clean(
        result.segmentation,
        keep=result.known,
        only=request.only or None,
        ignore=request.leave_out or None,
        islands=request.islands,
        holes=request.holes,
        smooth=request.smooth,
        progress=progress,
    )


def _merged(
    segmentation: Segmentation, request: FillRequest, labels: Segmentation, protected: np.ndarray | None
) -> Segmentation:
    """Merge with labels as they are now; segments that the request gave no place in the result have none in it."""
    if request.box:
        from ACSegLib.fill.prompts.box import outside

        beyond = outside(request.box, segmentation.shape)
        protected = beyond if protected is None else protected | beyond
    kept = {s.id for s in segmentation.segments}
    ignored = {request.labels.segment(request.ignore).id} if request.ignore else set()
    asked = {s.id for s in request.labels.segments}
    return merge(segmentation, labels, protected, cleared=asked - kept - ignored, ignored=ignored - kept)
