"""Time, memory and quality of prediction.

    python Testing/Benchmarks/predict.py [--cases speed,memory,shipped,biomedisa,surface] [--json FILE]

speed      networks of base 16 at native resolution on a 472 x 472 x 491 volume, with OpenVINO, with PyTorch, and on a
           CUDA device where there is one; each in a process of its own, so that its peak memory is its own. Beside the
           usual network a light one (``acseg train --light``; ``train.py --only light`` has its Dice). Time does not
           depend on what the weights are, so they are random. Beside the time: how many voxels the network computed
           for each of the image (tiles overlap), how many operations that took, and which share that was of the
           operations of a large matrix product in the same time and number type: the most that the processor does.
memory     peak memory of predicting images of growing size that stay on the disk, with a limit that is smaller than the
           images (see ``predict_memory.py``).
shipped    the pretrained model on simulated cells that it was not trained on (five cell types, 128^3), and
           on the hand-drawn planes of the real cell in a capillary, where the data folder has it: as ``acseg predict``
           does it, and without the walk.
biomedisa  the two model files that Biomedisa wrote, against the labels and probabilities that Biomedisa gave.
surface    error of the surface-to-volume ratio on simulated cells: as predicted, after the refinement network, after
           the walk (see ``predict_surface.py``).

It ends with 1 if a target that could be measured was missed.
"""

from __future__ import annotations

import argparse
import json
import math
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

#: Backend, seconds and GiB that the volume of full size may take; no memory is asked for on a GPU.
ENGINES: dict[str, tuple[float, float | None]] = {"openvino": (90.0, 8.0), "pytorch": (240.0, 8.0), "cuda": (3.0, None)}
#: The same of a light network with OpenVINO, by number type.
LIGHT = {"float32": (40.0, 3.0), "bfloat16": (10.0, 3.0)}
NETWORKS = ("usual", "light")
#: Seeds of the simulated cells; the pretrained model is trained on others.
UNSEEN = range(90_001, 90_006)
FULL_SIZE = (491, 472, 472)
MARKS = {True: "ok", False: "MISSED", None: "not measured"}
CLOSE_PROBABILITIES = 1e-5
#: How the pretrained model is run: as `acseg predict` does by itself, and its network alone.
SHIPPED_WAYS = {"auto": "with the walk", "none": "network alone"}
MIN_OF_PRETRAINED = 0.95
#: Value of voxels that nobody labelled in the real cell's file.
NOT_LABELLED = 2
Line = tuple[str, str, str, str]


def speed(options: argparse.Namespace) -> list[Line]:
    """Time and memory of each engine on the volume of full size."""
    import torch

    return [
        _timed(engine, network, options)
        for engine in options.engines
        for network in options.networks
        if engine != "cuda" or torch.cuda.is_available() or network == "usual"
    ]


def _timed(engine: str, network: str, options: argparse.Namespace) -> Line:
    """Time and memory of one engine and network."""
    import torch

    most_seconds, most_memory = ENGINES[engine]
    case = f"{' x '.join(str(n) for n in options.size[::-1])} native, {network} network of base 16, {engine}"
    target = f"<= {most_seconds:.0f} s" + (f" and <= {most_memory:.0f} GiB" if most_memory else "")
    if engine == "cuda" and not torch.cuda.is_available():
        return (case, target, "no CUDA device", MARKS[None])
    size = ",".join(str(n) for n in options.size)
    with tempfile.TemporaryDirectory(prefix="acseg-bench-") as folder:
        command = [sys.executable, str(HERE / "predict.py"), "--child", engine, "--networks", network]
        command += ["--size", size, "--folder", folder]
        row = harness.run_process(command, Path(folder), {"PYTHONPATH": str(harness.ROOT)})
    harness.say(f"{case}: {row}")
    if "error" in row:
        return (case, target, row["error"], MARKS[None])
    if engine == "openvino" and network == "light":
        most_seconds, most_memory = LIGHT[row["precision"]]
        target = f"<= {most_seconds:.0f} s and <= {most_memory:.0f} GiB in {row['precision']}"
    took, memory = row["wall_s"][0], row["peak_bytes"] / 2**30
    met = took <= most_seconds and (most_memory is None or memory <= most_memory)
    measured = (
        f"{took:.1f} s, CPU {row['cpu_s'][0]:.0f} s, {memory:.2f} GiB, {row['precision']}, tile {row['tile']}, "
        f"{row['computed']:.2f} computed voxels each, {row['gflop']:.0f} GFLOP, {row['gflop'] / took:.0f} GFLOP/s, "
        f"{row['speed']:.0f} a second of {row['clock']}: {100 * row['speed'] / row['peak']:.0f} % of the "
        f"{row['peak']:.0f} of a matrix product"
    )
    return (case, target, measured, MARKS[met] if options.size == FULL_SIZE else MARKS[None])


def predict_once(engine: str, network: str, size: tuple[int, ...], folder: Path) -> None:
    """The measured process: one prediction, a first small one having loaded the engine's libraries."""
    from ACSegLib.network.model.architecture import build_network
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.model.spec import unet_spec
    from ACSegLib.network.predict.inference import PredictionSettings, predict
    from ACSegLib.volume import Segment, Volume

    spec = unet_spec(2, base=16, light=network == "light")
    segments = [Segment("cytoplasm", 1), Segment("bead", 2)]
    model = Model(spec, build_network(spec).state_dict(), segments)
    place, kind = ("cuda", "pytorch") if engine == "cuda" else ("cpu", engine)
    settings = PredictionSettings(device=place, backend=kind)
    image = np.random.default_rng(0).normal(0.3, 0.1, size).astype(np.float32)
    predict(Volume(image[:32, :32, :32]), model, settings)
    started = time.perf_counter(), time.process_time()
    report = predict(Volume(image), model, settings).report
    timing: dict[str, Any] = {
        "wall_s": [time.perf_counter() - started[0]],
        "cpu_s": [time.process_time() - started[1]],
        "peak_bytes": peak_memory(),
        "precision": report.precision,
        "tile": report.tile,
    }
    voxels = report.tiles * math.prod(report.tile)
    timing |= {"computed": voxels / math.prod(size), "gflop": voxels * operations_per_voxel(spec) / 1e9}
    clock = "the clock" if place == "cuda" else "the processor"  # which other programs may use as well
    seconds = timing["wall_s"][0] if place == "cuda" else timing["cpu_s"][0]
    timing |= {"clock": clock, "speed": timing["gflop"] / seconds, "peak": peak_gflops(report.precision, place)}
    (folder / "timing.json").write_text(json.dumps(timing, default=str))


def peak_gflops(precision: str, device: str) -> float:
    """Operations a second, in 1e9, of the fastest of ten products of two large matrices in numbers of this type.

    On a processor it is a second of one core's time, on a GPU one of the clock.
    """
    import torch

    now = time.perf_counter if device == "cuda" else time.process_time
    size = 8192 if device == "cuda" else 2048
    matrix = torch.rand((size, size), device=device).to(getattr(torch, precision))
    seconds = []
    for _ in range(10):
        started = now()
        float((matrix @ matrix)[0, 0])  # a value on the host: until then a GPU may still be computing
        seconds.append(now() - started)
    return 2 * size**3 / min(seconds) / 1e9


def operations_per_voxel(spec: Any) -> float:
    """Multiplications and additions of a network's convolutions for one voxel of its input."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ACSegLib.network.model.architecture import build_network

    image = torch.zeros((1, spec.in_channels, 32, 32, 32), device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        build_network(spec).eval().to("meta")(image)
    return counter.get_total_flops() / image.numel()


def memory(options: argparse.Namespace) -> list[Line]:
    """Peak memory against the size of the image."""
    from predict_memory import measure_memory

    lines = []
    limit = options.memory_limit
    for row in measure_memory(options.memory_sizes, limit):
        case = f"image of {row['image_bytes'] / 2**30:.2f} GiB ({row['size']}^3 voxels), --memory {limit:g}"
        target = f"peak <= {limit:g} GiB and what importing takes"
        if "error" in row:
            lines.append((case, target, row["error"], MARKS[False]))
            continue
        grown = (row["peak_bytes"] - row["start_bytes"]) / 2**30
        start = row["start_bytes"] / 2**30
        measured = f"{grown:.2f} GiB above {start:.2f} GiB, image {row['place']}, {row['seconds']:.0f} s"
        lines.append((case, target, measured, MARKS[grown <= limit]))
    return lines


def shipped(options: argparse.Namespace) -> list[Line]:
    """Dice of the pretrained model on unseen simulated cells, and on the planes of the real one."""
    from ACSegLib.errors import FileError
    from ACSegLib.network.model.pretrained import open_model
    from ACSegLib.phantom import KINDS, simulate

    try:
        model = open_model()
    except FileError as error:
        return [("pretrained model", "cytoplasm >= 0.95", str(error), MARKS[None])]
    lines: list[Line] = []
    cells: dict[str, list[float]] = {refine: [] for refine in SHIPPED_WAYS}
    for seed, kind in zip(UNSEEN, KINDS, strict=False):
        made = simulate(128, seed=seed, kind=kind)
        told = []
        for refine, way in SHIPPED_WAYS.items():
            dice = _dice(made.volume, made.truth.labels, np.ones(made.truth.shape, bool), model, refine)
            cells[refine].append(dice["cytoplasm"])
            told.append(way + " " + ", ".join(f"{name} {value:.3f}" for name, value in dice.items()))
        harness.say(f"pretrained model, {kind}: {'; '.join(told)}")
        lines.append((f"pretrained model, simulated {kind}, seed {seed}", "", "; ".join(told), ""))
    for refine, way in SHIPPED_WAYS.items():
        mean = fmean(cells[refine])
        met = MARKS[mean >= MIN_OF_PRETRAINED] if refine == "auto" else ""
        lines.append((f"pretrained model, mean, {way}", f"cytoplasm >= {MIN_OF_PRETRAINED}", f"{mean:.4f}", met))
    return [*lines, _real_cell(options, model)]


def _real_cell(options: argparse.Namespace, model: Any) -> Line:
    from ACSegLib.files import open_segmentation, open_volume

    case = "pretrained model, sxt_cell_in_capillary"
    data = harness.data_folder(options.data)
    if data is None or not (data / "sxt_cell_in_capillary").is_dir():
        return (case, "as measured", "data set not found: see --data", MARKS[None])
    folder = data / "sxt_cell_in_capillary"
    labels = open_segmentation(folder / "cell.labels").labels
    volume, truth, known = open_volume(folder / "cell.rec"), np.where(labels == 1, 1, 0), labels != NOT_LABELLED
    told = [
        f"{way} cytoplasm {_dice(volume, truth, known, model, r)['cytoplasm']:.4f}" for r, way in SHIPPED_WAYS.items()
    ]
    return (case, "as measured", "; ".join(told), "")


def _dice(volume: Any, truth: np.ndarray, scored: np.ndarray, model: Any, refine: str) -> dict[str, float]:
    from ACSegLib.workflows import PredictRequest, run

    found = run(PredictRequest(volume=volume, model=model, refine=refine)).segmentation.labels
    dice = {}
    for name, value in (("cytoplasm", 1), ("bead", 2)):
        a, b = (truth == value) & scored, (found == value) & scored
        total = np.count_nonzero(a) + np.count_nonzero(b)
        if a.any():
            dice[name] = 2 * np.count_nonzero(a & b) / total
    return dice


def biomedisa(options: argparse.Namespace) -> list[Line]:
    """Voxels and probabilities that differ from what Biomedisa itself gave with its own files."""
    from ACSegLib.jobs import Progress
    from ACSegLib.network.biomedisa.model_import import import_biomedisa
    from ACSegLib.network.biomedisa.prediction import predict_biomedisa
    from ACSegLib.network.predict.inference import PredictionSettings
    from ACSegLib.volume import Volume

    target = f"0 voxels differ, probabilities within {CLOSE_PROBABILITIES:g}"
    data = harness.data_folder(options.data)
    if data is None or not (data / "biomedisa_models").is_dir():
        return [("Biomedisa's models", target, "data set not found: see --data", MARKS[None])]
    expected = np.load(data / "biomedisa_models" / "expected.npz")
    lines = []
    for path in sorted((data / "biomedisa_models").glob("*.h5")):
        name = path.name.split("_")[0]
        settings = PredictionSettings(device="cpu", keep_probabilities=True)
        found = predict_biomedisa(Volume(expected["image"]), import_biomedisa(path), settings, 32, Progress())
        wrong = int(np.count_nonzero(found.segmentation.labels != expected[f"labels_{name}"]))
        assert found.probabilities is not None
        apart = float(np.abs(np.moveaxis(found.probabilities, 0, -1) - expected[f"probs_{name}"]).max())
        measured = f"{wrong} of {found.segmentation.labels.size} voxels, probabilities within {apart:.1e}"
        lines.append((f"Biomedisa, {path.name}", target, measured, MARKS[not wrong and apart <= CLOSE_PROBABILITIES]))
    return lines


def surface(options: argparse.Namespace) -> list[Line]:
    """Error of the surface-to-volume ratio with each refinement."""
    from predict_surface import REFINEMENTS, measure_refinements

    found = measure_refinements(options.surface_size, options.minutes, options.coarse, options.first)
    plain = found["none"]["size"]
    lines = []
    for refine, row in found.items():
        measured = f"{row['error']:+.2f} % (mean size {row['size']:.2f} %), cytoplasm Dice {row['dice']:.4f}"
        met = MARKS[row["size"] < plain] if refine != "none" else ""
        target = "smaller error than as predicted" if refine != "none" else "reported"
        lines.append((f"surface / volume, {REFINEMENTS[refine]}", target, measured, met))
    return lines


CASES = {"speed": speed, "memory": memory, "shipped": shipped, "biomedisa": biomedisa, "surface": surface}


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in text.split(","))
    if len(sizes) != 3 or min(sizes) < 32:
        raise argparse.ArgumentTypeError(f"three numbers (k,j,i) of 32 or more, not {text}")
    return sizes


def main() -> int:
    """Run the cases asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)} (default: all)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="for speed")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="for speed")
    parser.add_argument("--size", type=_sizes, default=FULL_SIZE, help="voxels k,j,i (default: 491,472,472)")
    parser.add_argument("--memory-limit", type=float, default=1.0, metavar="GIB", help="for memory (default: 1)")
    parser.add_argument(
        "--memory-sizes", type=int, nargs="+", default=(384, 640), metavar="N", help="voxels per side for memory"
    )
    parser.add_argument("--first", type=Path, metavar="MODEL", help="main network for surface; else trained here")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the first training for surface")
    parser.add_argument("--coarse", type=float, default=472 / 256, help="scaling-down of that training, the paper's")
    parser.add_argument("--surface-size", type=int, default=96, help="voxels per side of the cells for surface")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and lines")
    parser.add_argument("--child", choices=list(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        predict_once(options.child, options.networks[0], options.size, options.folder)
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
    return int(any(line[3] == MARKS[False] for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
