"""Errors that the server answers with a code of their own; each carries one sentence for a person."""

from __future__ import annotations

from ACSegLib.errors import InputError


class ForbiddenError(InputError):
    """A path leads out of the root folder."""


class NotOpenError(InputError):
    """There is no volume, or not what was asked for of it."""


class BusyError(InputError):
    """Another page or server has the right to change things, a job is running, or a file would be replaced."""


class TooLargeError(InputError):
    """An upload is larger than the limit."""
