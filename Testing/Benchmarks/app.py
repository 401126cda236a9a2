"""How fast ``acseg app`` answers: a whole tomogram opened, scrolled and labelled, also while a fill runs.

``python Testing/Benchmarks/app.py`` writes a simulated image of 472 x 472 x 491 voxels (float32, ``--size Z Y X`` for
another one), starts the server as a user does, and talks to it as the page does, over one connection. It prints the
median and the longest time of each kind of request. The fill is cancelled as soon as enough slices were put beside it;
``--fill`` lets it go to its end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from harness import ROOT, machine, markdown_table

sys.path.insert(0, str(ROOT))

REPEATS = 20
EVERY = 20

#: What was measured, median and longest time in ms, and the bound of the issue in ms (0: none).
Row = tuple[str, float, float, float]


class Server:
    """A running ``acseg app``, and a connection to it."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "ACSegLib", "app", str(root), "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        address = urlsplit(self.process.stdout.readline().split()[-1])
        self._connection = http.client.HTTPConnection(address.netloc)
        self._headers = {"Origin": f"http://{address.netloc}", "X-ACSeg-Client": "benchmark-1"}
        answer = self._ask("GET", f"/?{address.query}")
        self._headers["Cookie"] = answer[1]["set-cookie"].partition(";")[0]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, Any]:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {content.decode()}")
        return content, answer.headers

    def __call__(self, method: str, path: str, body: bytes | None = None) -> bytes:
        return self._ask(method, f"/api/{path}", body)[0]

    def job(self) -> dict[str, Any]:
        """The last job."""
        return dict(json.loads(self("GET", "state"))["job"])

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def write_specimen(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Write a noisy image of a lumpy cell, and give its true labels."""
    from ACSegLib.files import save_volume
    from ACSegLib.volume import Geometry, Volume

    rng, size = np.random.default_rng(0), np.array(shape)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    truth = np.zeros(shape, np.uint8)
    for offset in (np.zeros(3), *rng.normal(0, 0.14, (6, 3))):
        centre = size * (0.5 + offset)
        radius = (0.15 if offset.any() else 0.3) * min(shape)
        truth |= ((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2).view(np.uint8)
    image = rng.standard_normal(shape, np.float32)
    image *= 0.1
    image += truth
    save_volume(Volume(image, Geometry((30, 30, 30), unit="nm"), "tomogram"), path)
    return truth


def timed(name: str, bound: float, actions: list[Callable[[], object]]) -> Row:
    """Time each of some actions."""
    times = []
    for action in actions:
        start = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - start))
    return name, median(times), max(times), bound


def measure(shape: tuple[int, int, int], to_the_end: bool = False) -> tuple[list[Row], dict[str, float]]:
    """Do what a user does, and time it; gives the rows, and the memory of server and worker in GiB."""
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        truth = write_specimen(Path(folder) / "tomogram.mha", shape)
        server = Server(Path(folder))
        try:
            rows += _drawing(server, truth)
            beside, memory = _beside_a_fill(server, truth, to_the_end)
            rows += beside
        finally:
            server.stop()
    return rows, memory


def _drawing(server: Server, truth: np.ndarray) -> list[Row]:
    def first_slice() -> None:
        server("POST", "open", b'{"path": "tomogram.mha"}')
        server("GET", f"slice/z/{truth.shape[0] // 2}")

    numbers = [int(n) for n in np.linspace(0, truth.shape[0] - 1, REPEATS)]
    rows = [timed("open, and first slice", 5000, [first_slice])]
    for number, axis in enumerate("zyx"):
        places = [int(n) for n in np.linspace(0, truth.shape[number] - 1, REPEATS)]
        rows.append(
            timed(
                f"scroll along {axis}: a slice and its labels",
                30,
                [lambda a=axis, n=n: _shown(server, a, n) for n in places],
            )
        )
    rows.append(timed("put a slice", 100, [lambda n=n: _put(server, truth, n) for n in numbers]))
    rows.append(timed("copy of the image for 3D", 15000, [lambda: server("GET", "preview.nii")]))
    rows.append(timed("copy of the labels for 3D", 0, [lambda: server("GET", "labels.nii")] * 3))
    rows.append(timed("strip of slices", 0, [lambda: server("GET", "strip/z")] * 3))
    return rows


def _shown(server: Server, axis: str, index: int) -> None:
    server("GET", f"slice/{axis}/{index}")
    server("GET", f"labels/{axis}/{index}")


def _put(server: Server, truth: np.ndarray, index: int) -> None:
    server("PUT", f"labels/z/{index}", truth[index].tobytes())


def _beside_a_fill(server: Server, truth: np.ndarray, to_the_end: bool) -> tuple[list[Row], dict[str, float]]:
    for k in range(EVERY // 2, truth.shape[0], EVERY):
        _put(server, truth, k)
    rows = [timed("start a fill", 0, [lambda: server("POST", "jobs/fill", b"{}")])]
    numbers = [int(n) for n in np.linspace(1, truth.shape[0] - 2, REPEATS)]

    def next_put(k: int) -> Callable[[], object]:
        def put() -> None:
            _put(server, truth, k)

        return put

    times = []
    for k in numbers:
        times.append(timed("", 0, [next_put(k)])[1])
        time.sleep(0.3)  # a user draws on: the fill hands over its arrays, and computes
    rows.append(("put a slice while a fill runs", median(times), max(times), 100))
    process = psutil.Process(server.process.pid)
    worker = sum(child.memory_info().rss for child in process.children(recursive=True))
    memory = {"server": process.memory_info().rss / 2**30, "worker": worker / 2**30}
    if to_the_end:
        while (job := server.job())["state"] == "running":
            time.sleep(0.01)
        rows.append(("fill, as the worker says", 1000 * job["seconds"], 1000 * job["seconds"], 0))
        rows.append(timed("labels after the fill", 1000, [lambda: _shown(server, "z", truth.shape[0] // 2)]))
        rows.append(timed("undo of the fill", 1000, [lambda: server("POST", "undo", b"{}")]))
    else:
        rows.append(timed("cancel the fill", 1000, [lambda: _cancel(server)]))
    return rows, memory


def _cancel(server: Server) -> None:
    server("POST", "cancel", b"{}")
    while server.job()["state"] == "running":
        time.sleep(0.005)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(491, 472, 472), metavar=("Z", "Y", "X"))
    parser.add_argument("--fill", action="store_true", help="let the fill go to its end")
    options = parser.parse_args()
    rows, memory = measure(tuple(options.size), options.fill)
    print(machine())
    shown = [
        [name, f"{mid:.1f}", f"{longest:.1f}", f"{bound:.0f}" if bound else ""] for name, mid, longest, bound in rows
    ]
    print(markdown_table(["request", "median, ms", "longest, ms", "bound, ms"], shown))
    print(", ".join(f"{name}: {size:.2f} GiB" for name, size in memory.items()))


if __name__ == "__main__":
    main()
