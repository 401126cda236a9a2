"""A server of its own, and a real Chromium that works on its page by mouse and keyboard."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

#: Where Chromium is on Debian, Fedora, macOS; or on the path.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--enable-unsafe-swiftshader"),
)
MARGIN = 16
#: Seconds that a test waits for what must come, at most: a first fill compiles its loops.
PATIENCE = 280


def chromium():
    """Path of Chromium or Chrome; empty if there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), "")


def missing():
    """Why no browser can be driven here; empty if one can."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "the package playwright is not installed"
    return "" if chromium() else "no Chromium is installed; as root, `make setup` installs it with apt"


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing() or "Chromium is there")


class Server:
    """``acseg app`` in a process of its own."""

    def __init__(self, *arguments, port=0):
        command = [sys.executable, "-m", "ACSegLib", "app", *map(str, arguments), "--no-browser", "--port", str(port)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if match := re.search(r"http://127\.0\.0\.1:(\d+)/\S*", line):
                self.address, self.port = match[0], int(match[1])
                return
        raise AssertionError("the server did not start:\n" + "".join(lines))

    def kill(self):
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


@contextmanager
def serving(*arguments, port=0):
    """A server that ends with the block."""
    server = Server(*arguments, port=port)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def browser(*flags):
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, *flags])
        try:
            yield running
        finally:
            running.close()


def wait_for(page, condition, what):
    """Look until a condition holds, and give what it gave; the page goes on meanwhile.

    Each look takes time of browser and server, which may be at work: so the longer it lasts, the rarer they are.
    """
    start = time.monotonic()
    while (waited := time.monotonic() - start) < PATIENCE:
        if result := condition():
            return result
        page.wait_for_timeout(min(max(20, 100 * waited), 200))
    raise AssertionError(f"waited {PATIENCE} seconds in vain for: {what}")


class Desk:
    """The page of a server, by mouse and keyboard.

    Parameters
    ----------
    page : playwright Page
    server : Server
    writes : bool
        Whether to wait for the right to change the labels: the page before this one may have just been closed.
    """

    def __init__(self, page, server, writes=True):
        self.page, self.server = page, server
        page.set_default_timeout(1000 * PATIENCE)
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(server.address)
        self.wait_until_drawn()
        if writes:
            other = page.locator(".banner", has_text="Another tab")
            wait_for(page, lambda: other.count() == 0, "the right to change the labels")

    def get(self, path):
        """The answer to a request with the page's cookie."""
        answer = self.page.request.get(f"http://127.0.0.1:{self.server.port}/api/{path}")
        assert answer.ok, answer.text()
        return answer

    def state(self):
        """The state of the server."""
        return self.get("state").json()

    def labels(self, axis, index):
        """A slice of the server's labels."""
        answer = self.get(f"labels/{axis}/{index}")
        shape = tuple(int(n) for n in answer.headers["x-slice-shape"].split(","))
        kind = "u1" if len(answer.body()) == np.prod(shape) else "<u2"
        return np.frombuffer(answer.body(), kind).reshape(shape)

    def wait_until_drawn(self):
        """Wait for a volume, and for the slice that is wanted."""
        wait_for(self.page, lambda: self.place() != "", "an open volume")
        self.settle()

    def settle(self):
        """Wait until the server has what the page has, and the page shows what it should."""
        wait_for(self.page, lambda: self.page.evaluate("document.body.dataset.settled") == "true", "a settled page")

    def place(self):
        """What the tool bar says of the slice, such as "z = 10 · labelled"."""
        return self.page.locator(".place").text_content() or ""

    def go_to(self, index, axis="z"):
        """Go to a slice by keyboard."""
        self.page.keyboard.press(axis)
        self.page.keyboard.press("Home")
        tens, ones = divmod(index, 10)
        for key, times in (("PageUp", tens), ("ArrowUp", ones)):
            for _ in range(times):
                self.page.keyboard.press(key)
        wait_for(self.page, lambda: self.place().startswith(f"{axis} = {index} "), f"slice {axis} = {index}")
        self.settle()

    def pixel(self, x, y, axis="z"):
        """Where a place in voxels of the shown slice is on the screen, of a slice that fits the canvas."""
        return self.pixels([(x, y)], axis)[0]

    def pixels(self, points, axis="z"):
        """Where places are, asked of server and page once."""
        volume = self.state()["volume"]
        nz, ny, nx = volume["shape"]
        sx, sy, sz = volume["spacing"]
        width, height, dx, dy = {"z": (nx, ny, sx, sy), "y": (nx, nz, sx, sz), "x": (ny, nz, sy, sz)}[axis]
        box = self.page.locator("canvas.slice").bounding_box()
        tall = height * dy / dx
        zoom = min((box["width"] - 2 * MARGIN) / width, (box["height"] - 2 * MARGIN) / tall, 64)
        left = box["x"] + (box["width"] - zoom * width) / 2
        top = box["y"] + (box["height"] - zoom * tall) / 2
        rows = [y if axis == "z" else height - y for _, y in points]
        return [(left + zoom * x, top + zoom * dy / dx * row) for (x, _), row in zip(points, rows, strict=True)]

    def stroke(self, points, axis="z"):
        """Press, move along points (in voxels), and release."""
        mouse = self.page.mouse
        pixels = self.pixels(points, axis)
        mouse.move(*pixels[0])
        mouse.down()
        for pixel in pixels[1:]:
            mouse.move(*pixel)
        mouse.up()
        self.settle()

    def start_job(self, step, name):
        """Open a step, and press its button."""
        self.open_step(step)
        self.page.locator(f"#panel-{step}").get_by_role("button", name=name, exact=True).click()

    def open_step(self, step):
        """Open a step of the work."""
        self.page.locator(f"#step-{step}").click()

    def job_done(self, kind):
        """Wait for the end of a job; gives what the server says of it."""

        def ended():
            job = self.state()["job"]
            return job if job and job["kind"] == kind and job["state"] != "running" else None

        job = wait_for(self.page, ended, f"the end of {kind}")
        assert job["state"] == "done", job["message"]
        self.settle()
        return job


def trace(shape, points, across, aspect=1.0):
    """Voxels whose centres are within the radius of a brush from the line between the voxels of some points.

    Returns
    -------
    ndarray of bool, `shape` (rows, columns)
    """
    y, x = np.indices(shape) + 0.5
    centres = [np.floor(point) + 0.5 for point in np.asarray(points, float)]
    hit = np.zeros(shape, bool)
    for (ax, ay), (bx, by) in zip(centres[:1] + centres[:-1], centres, strict=True):
        along = np.array([bx - ax, (by - ay) * aspect])
        length = along @ along
        t = np.clip(((x - ax) * along[0] + (y - ay) * aspect * along[1]) / length, 0, 1) if length else 0 * x
        hit |= np.hypot(x - ax - t * along[0], (y - ay) * aspect - t * along[1]) <= across / 2 + 1e-9
    return hit
