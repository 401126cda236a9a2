"""Time, memory and quality of prediction.

    python Testing/Benchmarks/predict.py [--cases speed,shipped] [--size 491,472,472] [--json FILE]

speed    a network of base 16 at native resolution on a 472 x 472 x 491 volume, with every engine that is installed;
         each in a process of its own, so that its peak memory is its own. Time does not depend on what the weights
         are, so they are random.
shipped  the model that ships with ACSeg on simulated cells that it was not trained on (five cell types, 128^3), and on
         the hand-drawn planes of the real cell in a capillary, where the data folder has it.

It ends with 1 if a target that could be measured was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
import numpy as np  # noqa: E402
from fill_methods import peak_memory  # noqa: E402

#: Engine, seconds and GiB that the volume of full size may take.
ENGINES = {"openvino": (90.0, 8.0), "pytorch": (240.0, 8.0)}
#: Seeds of the simulated cells; the shipped model is trained on others.
UNSEEN = range(90_001, 90_006)
FULL_SIZE = (491, 472, 472)
Line = tuple[str, str, str, str]


def speed(options: argparse.Namespace) -> list[Line]:
    """Time and memory of each engine on the volume of full size."""
    lines = []
    size = ",".join(str(n) for n in options.size)
    case = f"{' x '.join(str(n) for n in options.size[::-1])}, base 16"
    for engine, (most_seconds, most_memory) in ENGINES.items():
        with tempfile.TemporaryDirectory(prefix="acseg-bench-") as folder:
            command = [sys.executable, str(HERE / "predict.py"), "--child", engine, "--size", size, "--folder", folder]
            row = harness.run_process(command, Path(folder), {"PYTHONPATH": str(harness.ROOT)})
        harness.say(f"{case}, {engine}: {row}")
        target = f"<= {most_seconds:.0f} s and <= {most_memory:.0f} GiB"
        if "error" in row:
            lines.append((f"{case}, {engine}", target, row["error"], "not measured"))
            continue
        took, memory = row["wall_s"][0], row["peak_bytes"] / 2**30
        met = "yes" if took <= most_seconds and memory <= most_memory else "NO"
        measured = f"{took:.1f} s, {memory:.2f} GiB, {row['precision']}, tile {row['tile']}"
        lines.append((f"{case}, {engine}", target, measured, met if options.size == FULL_SIZE else ""))
    return lines


def predict_once(engine: str, size: tuple[int, ...], folder: Path) -> None:
    """The measured process: one prediction, a first small one having loaded the engine's libraries."""
    from ACSegLib.network.architecture import build_network, unet_spec
    from ACSegLib.network.inference import PredictionSettings, predict
    from ACSegLib.network.model_file import Model
    from ACSegLib.volume import Segment, Volume

    spec = unet_spec(2, base=16)
    segments = [Segment("cytoplasm", 1), Segment("bead", 2)]
    model = Model(spec, build_network(spec).state_dict(), segments)
    settings = PredictionSettings(device="cpu", engine=engine)
    image = np.random.default_rng(0).normal(0.3, 0.1, size).astype(np.float32)
    predict(Volume(image[:32, :32, :32]), model, settings)
    started = time.perf_counter(), time.process_time()
    report = predict(Volume(image), model, settings).report
    timing = {
        "wall_s": [time.perf_counter() - started[0]],
        "cpu_s": [time.process_time() - started[1]],
        "peak_bytes": peak_memory(),
        "precision": report.get("precision"),
        "tile": report.get("tile"),
    }
    (folder / "timing.json").write_text(json.dumps(timing, default=str))


def shipped(options: argparse.Namespace) -> list[Line]:
    """Dice of the shipped model on unseen simulated cells, and on the planes of the real one."""
    from ACSegLib.errors import FileError
    from ACSegLib.network.shipped import open_model
    from ACSegLib.phantom import KINDS, simulate

    try:
        model = open_model()
    except FileError as error:
        return [("shipped model", "cytoplasm >= 0.95", str(error), "not measured")]
    lines, cells = [], []
    for seed, kind in zip(UNSEEN, KINDS, strict=False):
        made = simulate(128, seed=seed, kind=kind)
        dice = _dice(made.volume, made.truth.labels, np.ones(made.truth.shape, bool), model)
        cells.append(dice["cytoplasm"])
        measured = ", ".join(f"{name} {value:.4f}" for name, value in dice.items())
        harness.say(f"shipped model, {kind}: {measured}")
        lines.append((f"shipped model, simulated {kind}, seed {seed}", "", measured, ""))
    met = fmean(cells) >= 0.95
    lines.append(("shipped model, mean", "cytoplasm >= 0.95", f"{fmean(cells):.4f}", "yes" if met else "NO"))
    return [*lines, _real_cell(options, model)]


def _real_cell(options: argparse.Namespace, model: Any) -> Line:
    from ACSegLib.files import open_segmentation, open_volume

    case = "shipped model, sxt_cell_in_capillary"
    data = harness.data_folder(options.data)
    if data is None or not (data / "sxt_cell_in_capillary").is_dir():
        return (case, "as measured", "data set not found: see --data", "not measured")
    folder = data / "sxt_cell_in_capillary"
    labels = open_segmentation(folder / "cell.labels").labels
    # 2 means "not labelled" in this file.
    dice = _dice(open_volume(folder / "cell.rec"), np.where(labels == 1, 1, 0), labels != 2, model)
    return (case, "as measured", f"cytoplasm {dice['cytoplasm']:.4f}", "")


def _dice(volume: Any, truth: np.ndarray, scored: np.ndarray, model: Any) -> dict[str, float]:
    from ACSegLib.network.inference import predict

    found = predict(volume, model).segmentation.labels
    dice = {}
    for name, value in (("cytoplasm", 1), ("bead", 2)):
        a, b = (truth == value) & scored, (found == value) & scored
        total = np.count_nonzero(a) + np.count_nonzero(b)
        if a.any():
            dice[name] = 2 * np.count_nonzero(a & b) / total
    return dice


CASES = {"speed": speed, "shipped": shipped}


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in text.split(","))
    if len(sizes) != 3 or min(sizes) < 32:
        raise argparse.ArgumentTypeError(f"three numbers (k,j,i) of 32 or more, not {text}")
    return sizes


def main() -> int:
    """Run the cases asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="some of speed, shipped (default: both)")
    parser.add_argument("--size", type=_sizes, default=FULL_SIZE, help="voxels k,j,i (default: 491,472,472)")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and lines")
    parser.add_argument("--child", choices=list(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        predict_once(options.child, options.size, options.folder)
        return 0
    unknown = set(options.cases.split(",")) - set(CASES)
    if unknown:
        parser.error(f"--cases: {', '.join(sorted(unknown))} is not one of {', '.join(CASES)}")
    facts = harness.machine()
    lines = [line for name in options.cases.split(",") for line in CASES[name](options)]
    print(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_GiB']} GiB; {facts['versions']}\n")
    print(harness.markdown_table(("case", "target", "measured", "met"), lines))
    if options.json:
        options.json.write_text(json.dumps({"machine": facts, "lines": lines}, indent=1))
    return int(any(line[3] == "NO" for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
