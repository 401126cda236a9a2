"""The state of a session, as the page gets it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

from ACSegLib.app.contract import LabelsInfo, Overlays, State
from ACSegLib.app.session import Session
from ACSegLib.version import __version__


def describe(session: Session) -> State:
    """Everything that the page shows but the voxels."""
    from ACSegLib.files.registry import writable_endings

    with session.lock:
        work = session.work
        return State(
            version=__version__,
            revision=session.revision,
            root=session.folder.root.name,
            writer=session.writer,
            volume=session.info,
            labels=_labels_info(session),
            box=list(session.box),
            overlays=_overlays(session),
            fill=work.fill if work else None,
            job=session.job,
            undo=session.history.undo_kind,
            redo=session.history.redo_kind,
            table=session.table.version if session.table else 0,
            table_outdated=session.table is not None and session.measured != session.measurable,
            contacts=bool(session.contacts),
            autosave=replace(session.autosave, pending=session.log.pending or bool(session.autosave.error)),
            notices=list(session.notices.values()),
            can_train=importlib.util.find_spec("lightning") is not None,
            formats=sorted(writable_endings(), key=lambda ending: ending != ".seg.nrrd"),
        )


def _labels_info(session: Session) -> LabelsInfo | None:
    if session.work is None:
        return None
    labels = session.work.labels
    return LabelsInfo(
        version=session.log.version,
        changed_by=session.log.changed_by,
        bytes_per_voxel=labels.array.dtype.itemsize,
        segments=labels.infos(),
        labelled=labels.by_axis(),
        complete=labels.complete,
        edited=len(session.work.edited) if labels.complete else 0,
    )


def _overlays(session: Session) -> Overlays:
    version = session.overlay_version
    return Overlays(
        uncertainty=version if session.work and session.work.uncertainty is not None else 0,
        before=version if session.history.before else 0,
        reference=version if session.reference is not None else 0,
    )
