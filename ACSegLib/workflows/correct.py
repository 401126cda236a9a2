"""One correction, whoever asks for it: the request, what is done for it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.axes import read_slices, united_slices
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.labelled_slices import mark_slices
from ACSegLib.segment_estimates import volume_intervals
from ACSegLib.slice_tags import stored_slices, with_labelled_slices
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows.merging import changed_voxels, replaced_where
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

if TYPE_CHECKING:
    from ACSegLib.correction_report import CorrectionReport

_DATA = ("volume", "segmentation", "corrected", "probabilities", "decided", "renumbered")


@dataclass(frozen=True, kw_only=True, eq=False)
class CorrectRequest:
    """What to correct. The fields after the data are the options of ``acseg correct`` of the same names.

    Parameters
    ----------
    volume : Volume
        The image.
    segmentation, corrected : Segmentation
        Before and after the person corrected it. The first may know its labelled slices (`slice_tags`). Segments are
        matched by id, then by name, then by label value.
    probabilities : mapping
        Id or name of a segment -> probability of a network: an array of the shape (k, j, i) of the image, or a `Volume`
        that lies on its voxels. The request holds arrays.
    decided : ndarray of bool, shape (k, j, i), optional
        Voxels that were decided in an earlier correction; they stay as they are.
    renumbered : bool
        Whether another program may have given other label values to the segments of `corrected`, if it has neither
        names nor ids, as those of files and of arrays. Front ends that keep the ids themselves leave it out.
    slices : str, sequence of int, or mapping, optional
        Slices that were decided as a whole, counted from 0; see `ACSegLib.axes.read_slices`. Slices that were clearly
        redrawn are found.
    reach : float, optional
        Distance from a change, in voxels of the finest axis, within which anything may change. Found from the size of
        each change if None.
    resample : bool
        Whether segmentations on another grid are resampled to that of the image (nearest); otherwise they are refused.
    device : str
        "auto", "cpu" or "cuda".
    """

    volume: Volume
    segmentation: Segmentation
    corrected: Segmentation
    probabilities: Mapping[str, Any] = field(default_factory=dict)
    decided: np.ndarray | None = None
    renumbered: bool = False
    slices: str | Sequence[int | str] | Mapping[str, Sequence[int]] | None = None
    reach: float | None = None
    resample: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        from ACSegLib.workflows.given_probabilities import on_image

        object.__setattr__(self, "slices", read_slices(self.slices))
        object.__setattr__(self, "probabilities", on_image(self.probabilities, self.volume))

    @classmethod
    def from_options(
        cls,
        volume: Volume,
        segmentation: Segmentation,
        corrected: Segmentation,
        options: Any,
        probabilities: Mapping[str, Volume] | None = None,
    ) -> CorrectRequest:
        """Make the request from options of ``acseg correct`` (`ACSegLib.commands.correct.Options`)."""
        return cls(
            volume=volume,
            segmentation=segmentation,
            corrected=corrected,
            probabilities=probabilities or {},
            renumbered=True,
            **from_options(cls, options, _DATA),
        )

    def pack(self) -> tuple[Message, Arrays]:
        """Give the request as JSON values, and its arrays: "image", "before 0", ..., "after 0", ..., "decided"."""
        arrays: Arrays = {}
        message = {
            "settings": settings_of(self, _DATA),
            "volume": pack_volume(self.volume, "image", arrays),
            "segmentation": pack_segmentation(self.segmentation, "before", arrays),
            "corrected": pack_segmentation(self.corrected, "after", arrays),
            "probabilities": list(self.probabilities),
        }
        arrays |= {f"probability {name}": array for name, array in self.probabilities.items()}
        if self.decided is not None:
            arrays["decided"] = self.decided
        return message, arrays

    @classmethod
    def unpack(
        cls, message: Json, arrays: Mapping[str, np.ndarray], previous: CorrectOutcome | None = None
    ) -> CorrectRequest:
        """Give back what `pack` took. Without an array "image", the request is for the volume of `previous`."""
        return cls(
            volume=unpack_volume_or(message["volume"], arrays, previous.request.volume if previous else None),
            segmentation=unpack_segmentation(message["segmentation"], arrays),
            corrected=unpack_segmentation(message["corrected"], arrays),
            probabilities={name: arrays[f"probability {name}"] for name in message["probabilities"]},
            decided=arrays.get("decided"),
            **message["settings"],
        )


@dataclass(eq=False, repr=False)
class CorrectOutcome:
    """What a correction gave.

    Attributes
    ----------
    segmentation : Segmentation
        The corrected segmentation, and what follows from it around the changes.
    uncertainty : ndarray of uint8, shape (k, j, i)
        0 (certain, or not decided anew) to 255.
    decided : ndarray of bool, shape (k, j, i)
        Voxels that the person decided, now or earlier.
    report : CorrectionReport
    request : CorrectRequest
    """

    segmentation: Segmentation
    uncertainty: np.ndarray
    decided: np.ndarray
    report: CorrectionReport
    request: CorrectRequest

    def __repr__(self) -> str:
        return f"<CorrectOutcome: {self.segmentation!r}, {self.report.corrected_voxels} voxels corrected>"

    @property
    def drawn(self) -> Segmentation:
        """What the person drew, and the outcome began from."""
        return self.request.corrected

    @property
    def labels(self) -> np.ndarray:
        """The dense labels as an array, shape (k, j, i); an InputError if segments overlap."""
        return self.segmentation.labels

    def merged_with(self, labels: Segmentation, protected: np.ndarray | None = None) -> Segmentation:
        """The outcome with what a person changed since in `labels`, and with protected voxels as `labels` has them."""
        later = changed_voxels(self.request.corrected, labels)
        return replaced_where(self.segmentation, labels, later if protected is None else later | protected)

    def pack(self) -> tuple[Message, Arrays]:
        """Give the outcome as JSON values and its arrays; the request stays where it is."""
        arrays: Arrays = {"uncertainty": self.uncertainty, "decided": self.decided}
        message = {
            "segmentation": pack_segmentation(self.segmentation, "segmentation", arrays),
            "report": self.report.to_dict(),
        }
        return message, arrays

    @classmethod
    def unpack(cls, message: Json, arrays: Mapping[str, np.ndarray], request: CorrectRequest) -> CorrectOutcome:
        """Give back what `pack` took, for the request that was sent."""
        from ACSegLib.correction_report import CorrectionReport

        return cls(
            segmentation=unpack_segmentation(message["segmentation"], arrays),
            uncertainty=arrays["uncertainty"],
            decided=arrays["decided"],
            report=CorrectionReport(**message["report"]),
            request=request,
        )


def run_correct(
    request: CorrectRequest, protected: np.ndarray | None = None, progress: Progress | None = None
) -> CorrectOutcome:
    """Correct a segmentation around the places where a person changed it.

    Slices that the segmentation knows as labelled, or as decided in earlier corrections, stay as `corrected` has them.

    Parameters
    ----------
    request : CorrectRequest
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not change.
    progress : Progress, optional

    Raises
    ------
    InputError
        If the inputs do not fit one another, or nothing was corrected.
    MemoryLimitError, Cancelled
    """
    from ACSegLib.fill import correct
    from ACSegLib.fill.correcting.plain_labels import completed, identified
    from ACSegLib.placement import place_labels, unseen, with_geometry_of
    from ACSegLib.workflows.given_probabilities import by_corrected_id

    progress = progress or Progress()
    before, after = (
        place_labels(labels, request.volume, resample=request.resample, completed=labels is request.corrected)
        for labels in (request.segmentation, request.corrected)
    )
    volume = with_geometry_of(before, request.volume)
    before, after = (replace(labels, geometry=volume.geometry) for labels in (before, after))
    beyond = unseen(request.corrected, request.volume)
    after, found = identified(before, after, beyond) if request.renumbered else (after, [])
    if beyond is not None and any(layer[beyond].any() for layer in before.layers):
        after = completed(before, after, beyond)
        found.append(
            f"{after.name!r} covers a part of {request.volume.name!r} only; beyond it the segmentation stays as it is, "
            "also where segments were erased; save the corrections on the grid of the image if they reach farther."
        )
    request = replace(request, volume=volume, segmentation=before, corrected=after)
    kept, notes = stored_slices(before)
    notes += found
    if _as_written(after) and not _as_written(before):
        notes.append(
            f"{after.name!r}, given as the corrected segmentation, is as ACSeg wrote it, and {before.name!r} is not; "
            "if the two are exchanged, give the corrected one last."
        )
    decided = request.decided
    if kept:
        labelled = mark_slices(before.shape, kept)
        decided = labelled if decided is None else decided | labelled
    probabilities, told = by_corrected_id(request.probabilities, before, after)
    notes += told
    progress.check()
    result = correct(
        request.volume,
        before,
        after,
        slices=request.slices,  # type: ignore[arg-type]  # a mapping once the request is made
        decided=decided,
        protected=protected,
        probabilities=probabilities,
        reach=request.reach,
        device=request.device,
        progress=progress,
    )
    segmentation = with_labelled_slices(result.segmentation, united_slices(kept, result.report.slices))
    report = replace(result.report, kept=kept, warnings=[*result.report.warnings, *notes])
    return CorrectOutcome(segmentation, result.uncertainty, result.decided, report, request)


def _as_written(labels: Segmentation) -> bool:
    """Whether labels are those of a fill or a prediction, as far as their volume intervals tell; False without any."""
    known, changed = volume_intervals(labels)
    return bool(known) and not changed
