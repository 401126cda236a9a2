"""Keeps the work safe while the server runs: saves it automatically, finds it again, and watches the image's file."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from ACSegLib.app.autosave import Autosave, Saved
from ACSegLib.app.contract import AutosaveInfo
from ACSegLib.app.session import Session
from ACSegLib.errors import explain
from ACSegLib.json_values import Json
from ACSegLib.worker.events import capitalized

#: Seconds from a change to its saving, and to the next try after a failure.
_DELAY, _RETRY = 1.0, 5.0


class Keeper:
    """Saves the work of a session.

    Parameters
    ----------
    session : Session
        It asks this keeper for the work on an image that it opens.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._autosave: Autosave | None = None
        self._name = ""
        self._image: Json = {}
        self._next = 0.0
        self._saving = threading.Lock()
        session.keeper = self

    def begin(self, name: str, path: Path | None, shape: tuple[int, int, int], fresh: bool) -> Saved | None:
        """Begin to keep the work on an image, and give what was found of it.

        Parameters
        ----------
        name : str
            Of the image, below the root folder.
        path : Path or None
            Its file.
        shape : tuple of int
        fresh : bool
            Whether what is found is set aside.

        Raises
        ------
        BusyError
            If another server has the image open; what was kept is kept on.
        """
        with self._saving:
            again = self._autosave is not None and name == self._name
            if again:
                self._save()
            autosave = self._autosave if again and self._autosave else Autosave(self._session.folder.root, name)
            if not again:
                self._save()
                if self._autosave is not None:
                    self._autosave.close()
            self._autosave, self._name, self._image = autosave, name, _identity(path)
            self._session.autosave = AutosaveInfo()
            if fresh:
                autosave.set_aside()
            saved = autosave.find(shape)
            if saved is not None and saved.image != self._image:  # another file may state its voxel size
                saved = replace(saved, voxel_size=None)
            return saved

    def notices(self, saved: Saved | None) -> None:
        """Tell what was found."""
        if saved is None:
            return
        self._session.autosave = AutosaveInfo(saved.saved_at, restored=saved.saved_at)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(saved.saved_at))
        self._session.notice("restored", f"Your work of {when} on this image was found and is shown.", "info")
        if saved.image and self._image and saved.image != self._image:
            self._session.notice(
                "other image", "The image's file is another one than when you worked on it; check that the labels fit."
            )

    def tick(self) -> None:
        """Save if something changed a while ago, and look at the image's file; call it about twice a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _DELAY
        self._watch_file()
        with self._saving:
            self._save()

    def close(self) -> None:
        """Save what is left, and let another server have the image."""
        with self._saving:
            self._save()
            if self._autosave is not None:
                self._autosave.close()
                self._autosave = None

    def _save(self) -> None:
        session = self._session
        changes = session.take_changes() if self._autosave is not None else None
        if changes is None or self._autosave is None:
            return
        try:
            more = {"unsaved": changes.unsaved, "image": self._image, "box": list(session.box)}
            if session.spacing_set and session.volume is not None:
                geometry = session.volume.geometry
                more["voxel_size"] = {"spacing": list(geometry.spacing), "unit": geometry.unit}
            self._autosave.save(changes.work, sorted(changes.planes), more)
        except (OSError, MemoryError) as error:
            session.changes_done(changes)
            sentence = capitalized(explain(error) or str(error))
            sentence = sentence.replace(str(session.folder.root), session.folder.root.name)
            self._next = time.monotonic() + _RETRY
            session.autosave = replace(session.autosave, error=sentence)
            session.notice("autosave", f"Your work is not saved automatically: {sentence}", "error")
            session.changed()
            return
        session.changes_done()
        session.autosave = replace(session.autosave, saved_at=time.time(), error="")
        session.notice("autosave")
        session.changed()

    def _watch_file(self) -> None:
        path = self._session.path
        if path is None or not self._image:
            return
        now = _identity(path)
        if now == self._image:
            self._session.notice("file changed")
        else:
            what = "changed on the disk" if now else "is no longer there"
            self._session.notice(
                "file changed", f"{path.name} {what} since it was opened; open it again to see what it is now."
            )


def _identity(path: Path | None) -> Json:
    """Size and time of a file; empty where there is none (a folder has no size of its own)."""
    if path is None:
        return {}
    try:
        status = os.stat(path)
    except OSError:
        return {}
    return {"size": status.st_size, "mtime": status.st_mtime_ns}
