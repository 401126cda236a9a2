"""Saves the labels: below the root folder, or as a file to download, in every format that ACSeg writes."""

from __future__ import annotations

from pathlib import Path

from ACSegLib.app.contract import SaveAnswer
from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.problems import BusyError
from ACSegLib.app.requests import SaveRequest
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError
from ACSegLib.files.names import SEGMENTATION_ENDING

#: Endings of meshes that hold all segments with their names in one file.
MESHES = (".glb", ".obj")


def save_labels(session: Session, request: SaveRequest) -> SaveAnswer:
    """Save the labels in the format that the ending names, completely or not at all.

    Raises
    ------
    BusyError
        If there is a file of that name, which may not be replaced.
    InputError, FileError
        If it is the image, the ending is unknown, or the disk refuses.
    """
    from ACSegLib.files import save_segmentation
    from ACSegLib.files.registry import format_for_ending

    path = session.folder.path(request.path)
    segmentation, version = session.segmentation(), session.log.version
    if session.path is not None and path == session.path:
        raise InputError(f"the file {request.path} is the image itself; save the labels under another name.")
    format_for_ending(path)
    if path.exists() and not request.overwrite:
        raise BusyError(f"there is a file {request.path} already; choose another name, or replace it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = save_segmentation(segmentation, path)
    session.saved(version)
    return SaveAnswer(session.folder.name(path), notes)


def plan_meshes(session: Session, folder: Path, ending: str) -> tuple[Plan, Path]:
    """Closed meshes of all segments in one file, and its path in a folder."""
    labels = save_copy(session, folder, ".seg.nrrd")
    output = folder / f"{labels.name.removesuffix('.seg.nrrd')}{ending}"
    message = {"command": "mesh", "options": {"labels": str(labels), "output": str(output)}}
    return Plan("command", message, {}, lambda reply: Outcome("")), output


def save_copy(session: Session, folder: Path, ending: str) -> Path:
    """Write the labels into a folder, to be downloaded, under a name that the image does not have."""
    from ACSegLib.files import save_segmentation

    segmentation = session.segmentation()
    suffix = "" if ending == SEGMENTATION_ENDING or not segmentation.name else "-labels"
    path = folder / f"{segmentation.name or 'labels'}{suffix}{ending}"
    if Path(ending).name != ending or not ending.startswith("."):
        raise InputError(f"the ending {ending!r} is not one of a file.")
    save_segmentation(segmentation, path)
    if path.is_dir():
        raise InputError(f"{ending} is a folder, which cannot be downloaded; save it in the root folder instead.")
    return path
