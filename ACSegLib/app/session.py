"""What is open: a volume, its labels, which slices the user labelled, and what was done. One for each server."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ACSegLib.app import images
from ACSegLib.app.contract import (
    AutosaveInfo,
    FillInfo,
    JobInfo,
    LabelsInfo,
    Notice,
    OpenRequest,
    Overlays,
    PutAnswer,
    SpacingRequest,
    State,
    Strip,
    Table,
    VolumeInfo,
)
from ACSegLib.app.folder import Folder
from ACSegLib.app.history import History, Work, carry_over
from ACSegLib.app.labels import Labels, Place
from ACSegLib.app.opening import Opened, open_image, open_labels
from ACSegLib.errors import InputError
from ACSegLib.version import __version__
from ACSegLib.volume import Segmentation, Volume


class NotOpenError(InputError):
    """There is no volume, or not what was asked for of it."""


class Session:
    """The work of one user. Its methods may be called from any thread.

    Parameters
    ----------
    folder : Folder
    on_change : callable
        Called after each change of the state, from the thread that made it.
    """

    def __init__(self, folder: Folder, on_change: Callable[[], None] = lambda: None) -> None:
        self.folder, self.on_change = folder, on_change
        self.lock = threading.RLock()
        self.volume: Volume | None = None
        self.path: Path | None = None
        self.info: VolumeInfo | None = None
        self.work: Work | None = None
        self.history = History()
        self.reference: np.ndarray | None = None
        self.table: Table | None = None
        self.job: JobInfo | None = None
        self.autosave = AutosaveInfo()
        self.writer = ""
        self.version = 0
        self._revision = self._volume_id = self._overlay_version = 0
        self._changed_by = ""
        self._edited: set[Place] = set()
        self._notices: dict[str, Notice] = {}

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that the page shows but the voxels."""
        from ACSegLib.files.registry import writable_endings

        with self.lock:
            work = self.work
            return State(
                version=__version__,
                revision=self._revision,
                root=self.folder.root.name,
                writer=self.writer,
                volume=self.info,
                labels=self._labels_info(),
                overlays=self._overlays(),
                fill=work.fill if work else None,
                job=self.job,
                undo=self.history.undo_kind,
                redo=self.history.redo_kind,
                table=self.table.version if self.table else 0,
                autosave=self.autosave,
                notices=list(self._notices.values()),
                can_train=importlib.util.find_spec("lightning") is not None,
                formats=sorted(writable_endings(), key=lambda ending: ending != ".seg.nrrd"),
            )

    def _labels_info(self) -> LabelsInfo | None:
        if self.work is None:
            return None
        labels = self.work.labels
        return LabelsInfo(
            version=self.version,
            changed_by=self._changed_by,
            bytes_per_voxel=labels.array.dtype.itemsize,
            segments=labels.infos(),
            labelled=labels.by_axis(),
            complete=labels.complete,
        )

    def _overlays(self) -> Overlays:
        version = self._overlay_version
        return Overlays(
            uncertainty=version if self.work and self.work.uncertainty is not None else 0,
            before=version if self.history.before else 0,
            reference=version if self.reference is not None else 0,
        )

    def changed(self) -> None:
        """Tell the page that the state is another one."""
        with self.lock:
            self._revision += 1
        self.on_change()

    def notice(self, key: str, message: str = "", level: str = "warning") -> None:
        """Show a sentence until its cause is gone: without a message it is taken away."""
        notice = Notice(key, level, message)
        if self._notices.get(key) == notice or (not message and key not in self._notices):
            return
        with self.lock:
            if message:
                self._notices[key] = notice
            else:
                del self._notices[key]
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
            labels = open_labels(self.folder.path(request.labels), opened)
        self.show(opened, labels, path)

    def show(self, opened: Opened, labels: Labels, path: Path | None = None) -> None:
        """Make a volume and its labels the open ones."""
        volume = opened.volume
        with self.lock:
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
            self.work, self.history = Work(labels), History()
            self.reference = self.table = None
            self._notices.clear()
            self._edited.clear()
            self._bump()
        self.changed()

    def set_spacing(self, request: SpacingRequest) -> None:
        """Set the voxel size, for a file that states none or a wrong one."""
        with self.lock:
            volume, info = self.require_volume()
            geometry = replace(
                volume.geometry, spacing=tuple(request.spacing), unit=request.unit, origin=(0.0, 0.0, 0.0)
            )
            self.volume = replace(volume, geometry=geometry)
            self._volume_id += 1
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

    # -- labels -------------------------------------------------------------------------------------------------------

    def put(self, axis: str, index: int, body: bytes, labelled: bool, client: str) -> PutAnswer:
        """Replace a slice of labels."""
        with self.lock:
            work = self.require_work()
            work.labels.put(axis, index, body, labelled)
            self._edited.add((axis, index))
            self.history.edited((axis, index))
            self._bump(client)
            answer = PutAnswer(self.version, work.labels.by_axis())
        self.changed()
        return answer

    @contextmanager
    def segments(self) -> Iterator[Labels]:
        """The labels, for a change of their segments."""
        with self.lock:
            labels = self.require_work().labels
            before = labels.array
            yield labels
            if labels.array is not before:  # more segments need more bytes a voxel
                self._bump()
        self.changed()

    def delete_segment(self, value: int) -> None:
        """Remove a segment and its voxels; one step."""
        with self.lock:
            work = self.require_work()
            self._step("delete", replace(work, labels=work.labels.without(value)))
        self.changed()

    def begin_job(self) -> None:
        """A job starts from the labels as they are now; what is edited from now on is brought into its result."""
        with self.lock:
            self._edited = set()

    def finish_job(
        self, kind: str, segmentation: Segmentation, uncertainty: np.ndarray | None, fill: FillInfo | None
    ) -> None:
        """Take the labels that a job made, with what was edited meanwhile; one step."""
        labels = Labels.of(segmentation)
        labels.complete = True
        with self.lock:
            before = self.require_work()
            labels.labelled = set(before.labels.labelled)
            carry_over(before.labels, labels, self._edited)
            self._step(kind, Work(labels, uncertainty, fill))
        self.changed()

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
            reference = open_labels(self.folder.path(path), opened)
            array = _values_by_name(reference, self.require_work().labels)
        with self.lock:
            self.reference = array
            self._overlay_version += 1
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
        means = [] if uncertainty is None else (uncertainty.mean(axis=others, dtype=np.float64) / 255).round(5).tolist()
        return Strip(
            axis=axis,
            labelled=work.labels.by_axis()[axis],
            occupied=np.flatnonzero(array.any(axis=others)).tolist(),
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

    def _bump(self, client: str = "") -> None:
        self.version += 1
        self._changed_by = client
        if not client:
            self._overlay_version += 1


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
