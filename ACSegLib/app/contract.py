"""What the server says to the page: the JSON bodies of its answers, one dataclass each.

`ACSegLib.app.requests` has those that the page sends. `Documentation/browser-app.md` lists the endpoints. Shapes are in
the order (z, y, x), spacings in (x, y, z). Axes are "x", "y" and "z". Slices count from 0. A time is in seconds since
1970 (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Names of the axes, in the order of array axes.
AXES = ("z", "y", "x")


@dataclass(frozen=True)
class VolumeInfo:
    """The open volume.

    Attributes
    ----------
    id : int
        Another number whenever another volume is opened or its voxel size is set: everything is to be fetched anew.
    name : str
    path : str
        Relative to the root folder; "" for a simulated tomogram.
    shape : tuple of int
        (z, y, x).
    spacing : tuple of float
        (x, y, z), in `unit`.
    unit : str
        "px" if the voxel size is not known.
    spacing_known : bool
        False: ask the user, and send ``POST api/spacing``.
    dtype : str
    megabytes : float
    lazy : bool
        The volume is read slice by slice from the disk, because it is large.
    range : tuple of float
        Smallest and largest intensity, in a sample of the voxels.
    window : tuple of float
        Intensities to show as black and as white, to begin with.
    intensity_unit : str
    notes : list of str
        Sentences for the user.
    """

    id: int
    name: str
    path: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    unit: str
    spacing_known: bool
    dtype: str
    megabytes: float
    lazy: bool
    range: tuple[float, float]
    window: tuple[float, float]
    intensity_unit: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SegmentInfo:
    """A segment: the value of its voxels, its name, and its colour as "#rrggbb"."""

    value: int
    name: str
    colour: str


@dataclass(frozen=True)
class LabelsInfo:
    """The labels of the open volume.

    Attributes
    ----------
    version : int
        Grows with each change of voxels. Fetch the slices again when it is another one.
    changed_by : str
        Id of the client whose ``PUT`` made this version; "" for anything else. A page need not fetch what it sent.
    bytes_per_voxel : int
        1 (uint8) or 2 (uint16, little-endian): the layout of label slices both ways.
    segments : list of SegmentInfo
    labelled : dict
        Axis -> sorted indices of the slices that the user labelled.
    complete : bool
        The labels between the labelled slices were filled, predicted or opened.
    edited : int
        Slices that were edited since the labels are complete. If there are some, a correction is possible.
    """

    version: int
    changed_by: str
    bytes_per_voxel: int
    segments: list[SegmentInfo]
    labelled: dict[str, list[int]]
    complete: bool
    edited: int = 0


@dataclass(frozen=True)
class JobInfo:
    """A job: running, or the last one.

    Attributes
    ----------
    id : int
    kind : str
        A key of `ACSegLib.app.requests.OPTIONS`, or "simulate".
    state : {"running", "done", "failed", "cancelled"}
    fraction : float
        0 to 1.
    message : str
        The current stage, the result in a sentence, or the error in a sentence.
    seconds : float
        Since the start; of a finished job, what it took.
    seconds_left : float or None
        An estimate.
    metrics : dict
        Latest numbers of a training (epoch, loss, Dice, ...).
    notes : list of str
        What the user should know of the result.
    """

    id: int
    kind: str
    state: str
    fraction: float
    message: str
    seconds: float
    seconds_left: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FillInfo:
    """What the last fill says of itself.

    Attributes
    ----------
    axis : str
        Axis that the suggestions lie along.
    dice : float or None
        Mean Dice of the cross-validation: how well hidden parts of labelled slices are filled. Where whole slices were
        hidden, the mean of the Dice to expect.
    segment_dice : dict
        How right each segment is expected to be where it was not labelled: value (as text) -> Dice. Empty where it is
        not known.
    suggestions : list of int
        Slices along `axis` that are worth labelling next, the best first.
    seconds : float
    mode : {"auto", "slices", "scribbles"}
        How the labels were read.
    background : str or None
        Name of the segment whose strokes mark background.
    """

    axis: str
    dice: float | None
    segment_dice: dict[str, float]
    suggestions: list[int]
    seconds: float
    mode: str = "auto"
    background: str | None = None


@dataclass(frozen=True)
class AutosaveInfo:
    """When the work was last saved automatically, and the sentence if it could not be.

    `pending` is whether changes wait to be saved; `restored` is the time of the work that was found again when the
    volume was opened.
    """

    saved_at: float | None = None
    pending: bool = False
    error: str = ""
    restored: float | None = None


@dataclass(frozen=True)
class Notice:
    """A sentence that stays until its cause is gone. `level` is "info", "warning" or "error"; `key` names the cause."""

    key: str
    level: str
    message: str


@dataclass(frozen=True)
class Overlays:
    """Versions of what can be shown over the slices; 0 where there is none.

    `uncertainty` of the last fill, `before` (the labels before the last job), and `reference` labels.
    """

    uncertainty: int = 0
    before: int = 0
    reference: int = 0


@dataclass(frozen=True)
class State:
    """Everything that the page shows but the voxels: the body of ``GET api/state`` and of the event "state".

    Attributes
    ----------
    version : str
        Of ACSeg.
    revision : int
        Grows with each change of anything; a page drops a state that is older than the one it has.
    root : str
        Name of the root folder.
    writer : str
        Id of the client (tab) that may change things; "" if none claims it.
    volume, fill, job : optional
        None where there is none.
    box : list of int
        The box around the object that strokes mark: x0 x1 y0 y1 z0 z1 in voxels, ends excluded; [] for none.
    undo, redo : str
        Kind of the job that would be undone or redone; "" for none.
    table : int
        Version of the table of measurements; 0 for none.
    table_outdated : bool
        Whether labels or voxel size have changed since they were measured.
    contacts : bool
        Whether a table of the pairs that touch belongs to the table.
    can_train : bool
        Whether the packages for training are installed.
    formats : list of str
        Endings in which labels can be saved, ".seg.nrrd" first.
    """

    version: str
    revision: int
    root: str
    writer: str
    volume: VolumeInfo | None
    labels: LabelsInfo | None
    box: list[int]
    overlays: Overlays
    fill: FillInfo | None
    job: JobInfo | None
    undo: str
    redo: str
    table: int
    table_outdated: bool
    contacts: bool
    autosave: AutosaveInfo
    notices: list[Notice]
    can_train: bool
    formats: list[str]


@dataclass(frozen=True)
class Strip:
    """A value for each slice along an axis: the body of ``GET api/strip/{axis}``.

    Attributes
    ----------
    axis : str
    labelled : list of int
        Indices of the labelled slices.
    occupied : list of int
        Indices of the slices with a voxel of any segment; of labels over 2 GiB, of the labelled slices alone.
    uncertainty : list of float
        Mean uncertainty of each slice, 0 to 1; empty if there is no fill.
    suggestions : list of int
    """

    axis: str
    labelled: list[int]
    occupied: list[int]
    uncertainty: list[float]
    suggestions: list[int]


@dataclass(frozen=True)
class FileEntry:
    """A file below the root folder: `kind` is "image", "labels" or "model"."""

    path: str
    kind: str
    megabytes: float


@dataclass(frozen=True)
class Table:
    """Measurements: the body of ``GET api/table``.

    `columns` are the names of the columns with their units. A cell is text, a number or null. `centres` are, for each
    row, the voxel (z, y, x) to show when the row is clicked; null where it is not known.
    """

    version: int
    columns: list[str]
    rows: list[list[Any]]
    centres: list[list[int] | None]


@dataclass(frozen=True)
class PutAnswer:
    """``PUT api/labels``: the version that the slice made, and all labelled slices."""

    version: int
    labelled: dict[str, list[int]]


@dataclass(frozen=True)
class SaveAnswer:
    """``POST api/save``: the path below the root folder, and a sentence for each thing that the format cannot hold."""

    path: str
    notes: list[str]
