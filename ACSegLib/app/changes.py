"""What changed in the labels since they were last saved, and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from ACSegLib.app.history import Work


@dataclass(frozen=True, eq=False)
class Changes:
    """What is to be saved: the work, the planes along z that changed, and whether a file of labels lacks them."""

    work: Work
    planes: set[int]
    unsaved: bool


class ChangeLog:
    """Counts the versions of the labels, and remembers which planes are to be saved automatically.

    Attributes
    ----------
    version : int
        Grows with each change of voxels.
    changed_by : str
        Id of the client that made this version by putting a slice; "" otherwise.
    saving : bool
        Whether changes were taken to be saved, and are not yet on the disk.
    """

    def __init__(self) -> None:
        self.version = 0
        self.changed_by = ""
        self.saving = self._waiting = False
        self._planes: set[int] = set()
        self._saved_version = 0

    @property
    def pending(self) -> bool:
        """Whether there are changes that are not on the disk yet."""
        return self._waiting or self.saving

    def begin(self, planes: set[int], unsaved: bool) -> None:
        """Other labels are there. With the first change, these planes are saved as well."""
        self.version += 1
        self.changed_by = ""
        self._planes, self._waiting = planes, False
        self._saved_version = -1 if unsaved else self.version

    def bump(self, client: str, planes: set[int]) -> None:
        """Voxels on these planes changed."""
        self.version += 1
        self.changed_by = client
        self.touch(planes)

    def touch(self, planes: set[int], unsaved: bool = False) -> None:
        """These planes are to be saved, and the segments."""
        self._planes |= planes
        self._waiting = True
        if unsaved:
            self._saved_version = -1

    def saved(self, version: int) -> None:
        """This version was saved as a file of labels."""
        self._saved_version = version
        self._waiting = True

    def take(self, work: Work) -> Changes | None:
        """What is to be saved, which counts as saved from now on; None for nothing."""
        if not self._waiting:
            return None
        changes = Changes(work, self._planes, self.version != self._saved_version)
        self._planes, self._waiting, self.saving = set(), False, True
        return changes

    def done(self, changes: Changes | None = None) -> None:
        """What was taken is on the disk, or (with `changes`) could not be saved and is due again."""
        self.saving = False
        if changes is not None:
            self.touch(changes.planes)
