"""Node.js for the tests of the page: whether it is there, and how to run it."""

import shutil
import subprocess

import pytest

from ACSegLib.app.server import STATIC

WEB = STATIC.parent / "web"
_INSTALL = "npm ci --prefix ACSegLib/app/web"


def missing():
    """Why the sources of the page cannot be built here; empty if they can."""
    if shutil.which("npm") is None:
        return "Node.js is not installed"
    if not (WEB / "node_modules" / ".package-lock.json").exists():
        return f"the packages of the page are not installed: {_INSTALL}"
    return ""


needs_node = pytest.mark.skipif(bool(missing()), reason=missing() or "Node.js is there")


def node(*command):
    """Run a program of the page's packages; gives what it printed, and fails with it if the program does."""
    program, *arguments = command
    done = subprocess.run(
        [shutil.which(program, path=WEB / "node_modules" / ".bin"), *arguments],
        cwd=WEB,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
