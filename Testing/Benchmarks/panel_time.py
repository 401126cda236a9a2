"""How much longer fill and measurement take from the panels than from a script.

``python Testing/Benchmarks/panel_time.py`` simulates a tomogram of 128 x 128 x 128 voxels (``--size``) and fills and
measures it in a script, and then by the buttons of the guided module on the tests' stand-in of Slicer's application,
whose event loop keeps Python's interpreter lock as Slicer's does. The work runs in the worker process. "First" has the
start of that process in it. Of the other runs the shortest of ``--repeats`` counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from harness import ROOT, machine, markdown_table

sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "Python"), str(ROOT / "Testing" / "Python" / "gui")]

#: Allowed: this factor, and seconds once for the start of the process.
MAX_FACTOR, START_SECONDS = 1.3, 1.0


def seconds_of(action: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_script(size: int, every: int, repeats: int) -> dict[str, float]:
    """Shortest seconds of a fill and of a measurement in this process, after one of each that compiles the loops."""
    from ACSegLib.phantom import label_slices, simulate
    from ACSegLib.workflows import FillRequest, MeasureRequest, run

    phantom = simulate(size, 0)
    labels = label_slices(phantom.truth, every)[0]
    fill = FillRequest(volume=phantom.volume, labels=labels, suggest=0)
    measure = MeasureRequest(labels=phantom.truth, volume=phantom.volume)
    for request in (fill, measure):
        run(request)
    return {
        name: min(seconds_of(lambda request=request: run(request)) for _ in range(repeats))  # type: ignore[misc]
        for name, request in (("fill", fill), ("measure", measure))
    }


def in_panels(size: int, every: int, repeats: int, folder: str) -> dict[str, list[float]]:
    """Seconds of fills and of measurements by their buttons; the first of each, and the shortest of the others."""
    import standin

    standin.install()
    from ACSegPanels import working
    from standin import application
    from standin.idle import idle, process_events
    from standin.scripted import open_module

    from ACSeg import ACSegWidget
    from ACSegLib.worker import Worker

    application.start_scene()
    worker = Worker([sys.executable, "-m", "ACSegLib.worker"], folder)
    working.setWorker(worker)
    module = open_module(ACSegWidget)

    def pressed(panel, button) -> float:
        def work() -> None:
            button.click()
            while panel.running:
                process_events()
                idle(0.005)

        seconds = seconds_of(work)
        message = getattr(panel.ui, f"{panel.name.lower()}Message").text
        if button is fill.ui.fillButton and module.parameters.fillOutput is None:
            raise SystemExit(f"the fill failed: {message}")
        return seconds

    try:
        from ACSegPanels.sampledata import simulatedCell

        volume, sparse = simulatedCell(size=size, every=every)
        worker.stop(10.0)  # so that the first fill starts the process
        module.parameters.sourceVolume, module.parameters.segmentation = volume, sparse
        fill, measure = module.panels["Fill"], module.panels["Measure"]
        rows = {"fill": [pressed(fill, fill.ui.fillButton) for _ in range(1 + repeats)]}
        module.parameters.measureVolume = volume
        rows["measure"] = [pressed(measure, measure.ui.measureButton) for _ in range(1 + repeats)]
        return {name: [first, min(others)] for name, (first, *others) in rows.items()}
    finally:
        module.cleanup()
        worker.stop(10.0)


def main() -> int:
    """Run the benchmark; 1 where a panel takes longer than allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="voxels per side")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the shortest counts")
    parser.add_argument("--every", type=int, default=20, help="distance of labelled slices")
    options = parser.parse_args()
    script = in_script(options.size, options.every, options.repeats)
    with TemporaryDirectory() as folder:
        panels = in_panels(options.size, options.every, options.repeats, folder)
    rows, slow = [], False
    for name, alone in script.items():
        first, second = panels[name]
        slow |= second > MAX_FACTOR * alone or first > MAX_FACTOR * alone + START_SECONDS
        rows.append([name, f"{alone:.2f}", f"{first:.2f}", f"{second:.2f}", f"{second / alone:.2f}"])
    facts = machine()
    print(f"{options.size}^3 voxels; {facts['processor']}, {facts['cores']} cores")
    print(markdown_table(("step", "script, s", "panel, first, s", "panel, s", "panel / script"), rows))
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
