"""What is open: a volume, its labels, which slices the user labelled, and what was done. One for each server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ACSegLib.app import images
from ACSegLib.app.changes import ChangeLog, Changes
from ACSegLib.app.contract import (
    AutosaveInfo,
    FillInfo,
    JobInfo,
    Notice,
    PutAnswer,
    Strip,
    Table,
    VolumeInfo,
)
from ACSegLib.app.folder import Folder
from ACSegLib.app.history import History, Work, carry_over
from ACSegLib.app.labels import MAX_IN_MEMORY, Labels, Place
from ACSegLib.app.opening import Opened, open_image, open_labels
from ACSegLib.app.problems import NotOpenError
from ACSegLib.app.requests import BoxRequest, OpenRequest, SpacingRequest
from ACSegLib.app.scratch import Scratch
from ACSegLib.commands.opening import with_voxel_size
from ACSegLib.errors import InputError
from ACSegLib.json_values import Row
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib.app.autosave import Saved


class Keeping(Protocol):
    """Keeps the work of a session on the disk; see `ACSegLib.app.keeping.Keeper`."""

    def begin(self, name: str, path: Path | None, shape: tuple[int, int, int], fresh: bool) -> Saved | None:
        """Begin to keep the work on an image, and give what was found of it."""
        ...

    def notices(self, saved: Saved | None) -> None:
        """Tell what was found."""
        ...


#: What can be shown over the slices, besides the labels.
OVERLAYS = ("uncertainty", "before", "reference")


class Session:
    """The work of one user. Its methods may be called from any thread.

    Parameters
    ----------
    folder : Folder

    Attributes
    ----------
    on_change : callable
        Called after each change of the state, from the thread that made it.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.on_change: Callable[[], None] = lambda: None
        self.lock = threading.RLock()
        self.volume: Volume | None = None
        self.path: Path | None = None
        self.info: VolumeInfo | None = None
        self.work: Work | None = None
        self.history = History()
        self.reference: np.ndarray | None = None
        self.table: Table | None = None
        self.rows: list[Row] = []
        self.contacts: list[Row] = []
        self.measured = (0, 0)  # what is `measurable` when it was measured
        self.spacing_set = False
        self.box: tuple[int, ...] = ()
        self.job: JobInfo | None = None
        self.autosave = AutosaveInfo()
        self.keeper: Keeping | None = None
        self.log = ChangeLog()
        self.scratch = Scratch()
        self.writer = ""
        self.revision = self.overlay_version = self._volume_id = self._tables = 0
        self._edited: set[Place] = set()  # since the running job began
        self._at_start: set[int] = set()  # values of the segments that there were then
        self.notices: dict[str, Notice] = {}

    # -- state --------------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Tell the page that the state is another one."""
        with self.lock:
            self.revision += 1
        self.on_change()

    def notice(self, key: str, message: str = "", level: str = "warning") -> None:
        """Show a sentence until its cause is gone: without a message it is taken away."""
        notice = Notice(key, level, message)
        if self.notices.get(key) == notice or (not message and key not in self.notices):
            return
        with self.lock:
            if message:
                self.notices[key] = notice
            else:
                del self.notices[key]
        self.changed()

    # -- opening ------------------------------------------------------------------------------------------------------

    def open(self, request: OpenRequest) -> None:
        """Open a file of the root folder, and labels for it.

        Raises
        ------
        FileError, InputError, MemoryLimitError
            As `ACSegLib.files.open_volume` does; what was open stays open.
        """
        path = self.folder.path(request.path)
        opened = open_image(path, request.dataset)
        labels = Labels.empty(opened.volume.shape)
        if request.labels:
            labels, notes = open_labels(self.folder.path(request.labels), opened)
            opened.notes.extend(notes)
        self.show(opened, labels, request.path, path, request.fresh)

    def show(self, opened: Opened, labels: Labels, name: str, path: Path | None = None, fresh: bool = False) -> None:
        """Make a volume and its labels the open ones, unless there is newer work on the volume.

        Parameters
        ----------
        opened : Opened
        labels : Labels
        name : str
            Under which the work is kept.
        path : Path, optional
            The volume's file.
        fresh : bool
            Whether work that was kept is set aside.
        """
        volume, saved, size = opened.volume, None, None
        if self.keeper is not None:
            saved = self.keeper.begin(name, path, volume.shape, fresh)
            size = saved.voxel_size if saved else None
            if saved is not None and not saved.unsaved and labels.segments and labels.array.any():
                saved = None  # everything was saved as a file, and labels are given
        if size is not None:
            volume = _with_size(volume, size)
            numbers = " x ".join(f"{value:g}" for value in size.spacing)
            opened.notes.append(f"The voxel size is the one that you gave: {numbers} {size.unit}.")
        with self.lock:
            work = saved.work if saved else Work(labels)
            self._volume_id += 1
            self.volume, self.path = volume, path
            self.info = VolumeInfo(
                id=self._volume_id,
                name=volume.name,
                path=self.folder.name(path) if path else "",
                shape=volume.shape,
                spacing=_three(volume.geometry.spacing),
                unit=volume.geometry.unit,
                spacing_known=volume.geometry.unit != "px",
                dtype=str(volume.array.dtype),
                megabytes=round(volume.array.nbytes / 1e6, 3),
                lazy=opened.lazy,
                range=opened.range,
                window=opened.window,
                intensity_unit=str(volume.meta.get("intensity_unit", "")),
                notes=opened.notes,
            )
            self.work, self.history = work, History()
            self.box = saved.box if saved else ()
            self.reference = self.table = None
            self.rows, self.contacts, self.spacing_set = [], [], size is not None
            self.notices.clear()
            self._edited.clear()
            self.overlay_version += 1
            self.log.begin(
                set() if saved or not labels.in_use else self._all_planes(), saved is not None and saved.unsaved
            )
        if self.keeper is not None:
            self.keeper.notices(saved)
        self.changed()

    def set_spacing(self, request: SpacingRequest) -> None:
        """Set the voxel size, for a file that states none or a wrong one; it is kept with the work."""
        with self.lock:
            volume, info = self.require_volume()
            if len(request.spacing) != 3:
                raise InputError(f"the voxel size must be three numbers (x, y, z), not {request.spacing}.")
            self.volume = _with_size(volume, request)
            geometry = self.volume.geometry
            self._volume_id += 1
            self.spacing_set = True
            self.log.touch(set())
            self.info = replace(
                info,
                id=self._volume_id,
                spacing=_three(geometry.spacing),
                unit=geometry.unit,
                spacing_known=geometry.unit != "px",
            )
        self.changed()

    def require_volume(self) -> tuple[Volume, VolumeInfo]:
        """The open volume; NotOpenError if there is none."""
        if self.volume is None or self.info is None:
            raise NotOpenError("no volume is open; open one first.")
        return self.volume, self.info

    def require_work(self) -> Work:
        """The work on the open volume; NotOpenError if there is none."""
        if self.work is None:
            raise NotOpenError("no volume is open; open one first.")
        return self.work

    def set_box(self, request: BoxRequest) -> None:
        """Set the box around the object that strokes mark, or take it away."""
        from ACSegLib.fill.prompts.box import box_slices

        with self.lock:
            volume, _info = self.require_volume()
            if request.box:
                box_slices(request.box, volume.shape)
            self.box = tuple(request.box)
            self.log.touch(set())
        self.changed()

    # -- labels -------------------------------------------------------------------------------------------------------

    def put(self, axis: str, index: int, body: bytes, labelled: bool, client: str) -> PutAnswer:
        """Replace a slice of labels."""
        with self.lock:
            work = self.require_work()
            planes = work.put((axis, index), body, labelled)
            self._edited.add((axis, index))
            self.history.edited((axis, index))
            self._bump(client, planes)
            answer = PutAnswer(self.log.version, work.labels.by_axis())
        self.changed()
        return answer

    def names(self) -> dict[int, str]:
        """Value -> name of all segments that there are, or that undo and redo may bring back.

        A value keeps its meaning: slices that were edited go from one state of the work into another as they are.
        """
        with self.lock:
            works = (*self.history.works, self.require_work())
            return {segment.value: segment.name for work in works for segment in work.labels.segments}

    @contextmanager
    def segments(self) -> Iterator[Labels]:
        """The labels, for a change of their segments."""
        with self.lock:
            labels = self.require_work().labels
            before = labels.array
            yield labels
            self.log.touch(set(), unsaved=True)
            if labels.array is not before:  # more segments need more bytes a voxel
                self._bump()
        self.changed()

    def delete_segment(self, value: int) -> None:
        """Remove a segment and its voxels; one step."""
        with self.lock:
            work = self.require_work()
            self._step("delete", work.without(value))
        self.changed()

    def begin_job(self) -> None:
        """A job starts from the labels as they are now; what is edited from now on is brought into its result."""
        with self.lock:
            self._edited = set()
            self._at_start = {segment.value for segment in self.require_work().labels.segments}

    def finish_job(
        self,
        kind: str,
        volume_id: int,
        segmentation: Segmentation,
        uncertainty: np.ndarray | None = None,
        fill: FillInfo | None = None,
        decided: np.ndarray | None = None,
        relabelled: bool = False,
        strokes: np.ndarray | None = None,
        background: int = 0,
    ) -> None:
        """Take the labels that a job made, with the labelled slices as they are now; one step.

        A job that `relabelled` the labelled slices too keeps only those that were edited since it began. `strokes` and
        `background` are what a fill started from, where it was strokes; see `Work`.

        Raises
        ------
        InputError
            If the volume that the job was for is no longer open.
        """
        labels = Labels.of(segmentation)
        labels.complete = True
        with self.lock:
            self._require(volume_id)
            before = self.require_work()
            labels.labelled = set(before.labels.labelled)
            known = {segment.value for segment in labels.segments} | self._at_start
            labels.segments += [segment for segment in before.labels.segments if segment.value not in known]
            work = Work(labels, uncertainty, fill, decided=decided, strokes=strokes, background=background)
            if strokes is not None:
                relabelled = True
            places = self._edited | (set() if relabelled else before.labels.labelled)
            if fill is not None:
                work.take_edits(before, places)
            else:
                carry_over(before.labels, labels, places if before.strokes is None else self._edited)
            self._step(kind, work)
        self.changed()

    @property
    def measurable(self) -> tuple[int, int]:
        """The volume (another one if its voxel size was set) and the version of the labels that are measured now."""
        return self._volume_id, self.log.version

    def set_table(self, rows: list[Row], contacts: list[Row], table: Table, measured: tuple[int, int]) -> None:
        """Take measurements, and the pairs that touch, of what was `measurable` when they began."""
        with self.lock:
            self._require(measured[0])
            self.measured = measured
            self._tables += 1
            self.rows, self.contacts, self.table = rows, contacts, replace(table, version=self._tables)
        self.changed()

    def _require(self, volume_id: int) -> None:
        if self.info is None or self.info.id != volume_id:
            raise InputError("another volume was opened meanwhile, so the result is not shown.")

    def undo(self) -> None:
        """Take the last job back; nothing is done where there is none."""
        with self.lock:
            self._take(self.history.undo(self.require_work()))
        self.changed()

    def redo(self) -> None:
        """Do again what was undone last."""
        with self.lock:
            self._take(self.history.redo(self.require_work()))
        self.changed()

    def set_reference(self, path: str) -> None:
        """Show reference labels; "" for none."""
        volume, info = self.require_volume()
        array = None
        if path:
            opened = Opened(volume, info.range, info.window, info.lazy, [])
            reference, _notes = open_labels(self.folder.path(path), opened)
            array = _values_by_name(reference, self.require_work().labels)
        with self.lock:
            self.reference = array
            self.overlay_version += 1
        self.changed()

    def overlay(self, name: str) -> np.ndarray:
        """An array to show over the slices: "labels", "uncertainty", "before" or "reference"."""
        work, before = self.require_work(), self.history.before
        array = {
            "labels": work.labels.array,
            "uncertainty": work.uncertainty,
            "before": before.labels.array if before else None,
            "reference": self.reference,
        }.get(name)
        if array is None:
            raise NotOpenError(f"there is no {name} to show.")
        return array

    def strip(self, axis: str) -> Strip:
        """What is on each slice along an axis."""
        work = self.require_work()
        others = tuple(n for n in range(3) if n != images.axis_number(axis))
        array, uncertainty, fill = work.labels.array, work.uncertainty, work.fill
        labelled = work.labels.by_axis()[axis]
        means = [] if uncertainty is None else (uncertainty.mean(axis=others, dtype=np.float64) / 255).round(5).tolist()
        return Strip(
            axis=axis,
            labelled=labelled,
            occupied=np.flatnonzero(array.any(axis=others)).tolist() if array.nbytes <= MAX_IN_MEMORY else labelled,
            uncertainty=means,
            suggestions=fill.suggestions if fill and fill.axis == axis else [],
        )

    def segmentation(self) -> Segmentation:
        """The labels, to be saved or measured."""
        with self.lock:
            volume, _info = self.require_volume()
            return self.require_work().labels.segmentation(volume.geometry, volume.name)

    def _step(self, kind: str, after: Work) -> None:
        before = self.require_work()
        self.history.push(kind, before)
        self._take(after)

    def _take(self, work: Work | None) -> None:
        if work is not None:
            self.work = work
            self._bump()

    # -- saving -------------------------------------------------------------------------------------------------------

    def saved(self, version: int) -> None:
        """The labels of this version were saved as a file."""
        with self.lock:
            self.log.saved(version)
        self.changed()

    def take_changes(self) -> Changes | None:
        """What changed since the last time; None for nothing."""
        with self.lock:
            return self.log.take(self.work) if self.work else None

    def changes_done(self, failed: Changes | None = None) -> None:
        """The changes that were taken are on the disk, or could not be saved and are due again."""
        with self.lock:
            self.log.done(failed)

    def _bump(self, client: str = "", planes: set[int] | None = None) -> None:
        """The labels changed, on these planes along z or (None) on all."""
        self.log.bump(client, planes if planes is not None else self._all_planes())
        if not client:
            self.overlay_version += 1

    def _all_planes(self) -> set[int]:
        return set(range(self.work.labels.shape[0])) if self.work else set()


def _with_size(volume: Volume, size: SpacingRequest) -> Volume:
    geometry = with_voxel_size(volume.geometry, _three(tuple(map(float, size.spacing))), size.unit)
    return replace(volume, geometry=geometry)


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


def _values_by_name(reference: Labels, labels: Labels) -> np.ndarray:
    """Reference labels with the values of the segments of the same names; others get values that nothing else has."""
    known = {s.name.casefold(): s.value for s in labels.segments}
    free = (v for v in range(1, 65536) if v not in known.values())
    table = np.zeros(np.iinfo(reference.array.dtype).max + 1, labels.array.dtype)
    for segment in reference.segments:
        table[segment.value] = known.get(segment.name.casefold()) or next(free)
    return table[reference.array]
