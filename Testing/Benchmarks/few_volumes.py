"""Which weights should a training on one to six volumes keep: the last averaged ones, or those of the best validation?

    python Testing/Benchmarks/few_volumes.py --out rows.jsonl        # phantoms and hippocampi; 1, 2, 3, 4, 6; 5 seeds
    python Testing/Benchmarks/few_volumes.py --out rows.jsonl --cases phantoms --counts 2 4 --seeds 2 --steps 80
    python Testing/Benchmarks/few_volumes.py --out rows.jsonl --labels sparse    # filled from labelled slices

Each row is one training, of as many steps on any machine. "last", "best" and "kept" are the mean Dice, over segments,
of the three candidates on volumes that no training saw. "loss" is what "kept" falls short of the better of the other
two; the aim is 0.01 at most, and 0.002 in the mean. "val" is the Dice that the training itself reports for "kept".
"final" is that of the model as it is delivered: calibrated, with all that a prediction does after the network.
"margins" in --out has what a calibration counts: other rules can be tried on it later.

Rows are appended to --out as they come. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import data_folder, machine, say

from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.train.data import Case, Prepared, prepare
from ACSegLib.network.train.offsets import count_margins
from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.network.train.validation import predict_logits
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows import PredictRequest
from ACSegLib.workflows import run as run_request

#: Seeds of the phantoms, and numbers of the hippocampi, that no training sees.
TEST_SEEDS, TEST_HIPPOCAMPI = (901, 902, 903), slice(0, None, 4)
#: Steps between two validations.
STEPS_PER_EPOCH = 10
#: What makes a row the same row.
KEY = ("case", "labels", "size", "steps", "volumes", "seed")
Pair = tuple[Volume, Segmentation]


def phantom(seed: int, size: int, labels: str) -> Pair:
    """A simulated tomogram with dense labels, or with a fill of every eighth slice's."""
    made = simulate(size, seed=seed)
    if labels == "dense":
        return made.volume, made.truth
    from ACSegLib.fill import fill

    kept = made.truth.labels.copy()
    kept[[k for k in range(size) if k % 8 != 4]] = 0
    return made.volume, fill(made.volume, made.truth.with_labels(kept)).segmentation


class Phantoms:
    """Simulated cells; each training has its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.tests = [phantom(seed, options.size, "dense") for seed in TEST_SEEDS]

    def pairs(self, count: int, seed: int) -> list[Pair]:
        """Training volumes."""
        return [phantom(100 * seed + n, self._options.size, self._options.labels) for n in range(count)]


class Hippocampi:
    """Crops of MR images, labelled by experts; each training draws from those that are no test volumes."""

    def __init__(self, options: argparse.Namespace) -> None:
        folder = data_folder(options.data)
        if folder is None:
            raise SystemExit("the hippocampi are not there; give --data, or --cases phantoms")
        images = sorted((folder / "hippocampus" / "images").iterdir())
        read = [(open_volume(p), open_segmentation(folder / "hippocampus" / "labels" / p.name)) for p in images]
        self.tests = read[TEST_HIPPOCAMPI]
        self._pool = [pair for n, pair in enumerate(read) if n not in range(len(read))[TEST_HIPPOCAMPI]]

    def pairs(self, count: int, seed: int) -> list[Pair]:
        """Training volumes."""
        order = np.random.default_rng([seed, count]).permutation(len(self._pool))
        return [self._pool[n] for n in order[:count]]


CASES = {"phantoms": Phantoms, "hippocampus": Hippocampi}


def dice(model: Model, cases: Sequence[Pair], delivered: bool = False) -> dict[str, float]:
    """Mean over volumes, by segment; of the network alone, or of all that a prediction does."""
    values: dict[str, list[float]] = {}
    for volume, truth in cases:
        if delivered:
            result = run_request(PredictRequest(volume=volume, model=model, device="cpu")).segmentation
        else:
            result = predict(volume, model, PredictionSettings(device="cpu")).segmentation
        for segment in truth.segments:
            mask, found = truth.mask(segment), result.mask(next(s for s in result.segments if s.name == segment.name))
            if mask.any():
                score = 2 * np.count_nonzero(mask & found) / (np.count_nonzero(mask) + np.count_nonzero(found))
                values.setdefault(segment.name, []).append(score)
    return {name: float(np.mean(scores)) for name, scores in values.items()}


def run(pairs: Sequence[Pair], tests: Sequence[Pair], seed: int, steps: int) -> dict[str, Any]:
    """One training, and the Dice of its three candidates; none is calibrated, which would hide the difference."""
    candidates: dict[str, Any] = {}
    validation: dict[str, Any] = {}
    blocks: list[Prepared] = []
    prefer = Trainer._prefer_last

    def watched(trainer: Trainer) -> None:
        candidates["best"] = trainer.best_weights()
        candidates["last"] = {k: v.detach().clone() for k, v in trainer.averaged.state_dict().items()}
        validation.update(best=dict(trainer.state.best), last=dict(trainer._latest))
        blocks.extend(trainer._validation)
        prefer(trainer)
        candidates["kept"] = trainer.best_weights()
        validation.update(kept=dict(trainer.state.best))

    settings = TrainingSettings(
        preset="quick", epochs=steps // STEPS_PER_EPOCH, steps_per_epoch=STEPS_PER_EPOCH, seed=seed, device="cpu",
        force=True,
    )  # fmt: skip
    Trainer._prefer_last = watched  # type: ignore[method-assign]
    started = time.monotonic()
    try:
        model = train(pairs, settings).model
    finally:
        Trainer._prefer_last = prefer  # type: ignore[method-assign]
    seconds = time.monotonic() - started
    plain = replace(model.preprocessing, thin_threshold=0.5, without_holes=())
    segments: dict[str, dict[str, float]] = {}
    for name, weights in candidates.items():
        same = [n for n in segments if all(bool((candidates[n][k] == v).all()) for k, v in weights.items())]
        segments[name] = segments[same[0]] if same else dice(replace_weights(model, weights, plain), tests)
    segments["final"] = dice(model, tests, delivered=True)
    scores = {name: float(np.mean(list(values.values()))) for name, values in segments.items()}
    return {
        **scores,
        "loss": max(scores["last"], scores["best"]) - scores["kept"],
        "val": validation["kept"].get("mean_dice"),
        "segments": segments,
        "validation": validation,
        "margins": margins(replace_weights(model, candidates["kept"], plain), pairs, blocks, tests),
        "calibration": model.card["calibration"],
        "thin_threshold": model.preprocessing.thin_threshold,
        "without_holes": list(model.preprocessing.without_holes),
        "notes": list(model.card["warnings"]),
        "seconds": round(seconds, 1),
    }


def margins(
    model: Model, pairs: Sequence[Pair], blocks: Sequence[Prepared], tests: Sequence[Pair]
) -> dict[str, list[Any]]:
    """What `count_margins` gives for each training volume, validation block and test volume."""
    network = model.network().eval()

    def whole(volumes: Sequence[Pair]) -> list[Prepared]:
        cases = [Case.of(*pair) for pair in volumes]
        return [prepare(case, model.segments, model.preprocessing, model.spacing, model.unit) for case in cases]

    def counts(case: Prepared) -> Any:
        logits = predict_logits(network, case.image, model.spec, model.preprocessing.patch, "cpu", Progress())
        if case.scored is not None:
            logits = logits[(slice(None), *case.scored)]
        return count_margins(logits, case.target, model.spec.overlapping).tolist()

    parts = {"training": whole(pairs), "blocks": blocks, "test": whole(tests)}
    return {name: [counts(case) for case in cases] for name, cases in parts.items()}


def replace_weights(model: Model, weights: Any, preprocessing: Any) -> Model:
    """The model with other weights, and without what the calibration measured."""
    return Model(model.spec, weights, model.segments, preprocessing, model.spacing, model.unit)


def designs(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The keys of all rows, one seed of everything after the other."""
    for seed in range(options.seeds):
        for count in options.counts:
            for case in options.cases:
                labels, size = (options.labels, options.size) if case == "phantoms" else ("dense", 0)
                yield dict(zip(KEY, (case, labels, size, options.steps, count, seed), strict=True))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of earlier runs; a line that was cut short is no row."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            say(f"left out an incomplete line of {path}")
    return rows


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A Markdown table: a line for each case and number of volumes, and one for all."""
    names = ("last", "best", "kept", "val", "final")
    lines = ["| case | volumes | n | " + " | ".join(names) + " | mean loss | largest loss |", "|---|" + "---:|" * 9]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: (r["case"], r["labels"], r["volumes"])):
        case = row["case"] if row["labels"] == "dense" else f"{row['case']}, filled"
        groups.setdefault((case, str(row["volumes"])), []).append(row)
    for (case, count), mine in [*groups.items(), (("all", ""), list(rows))]:
        means = " | ".join(f"{np.mean([r[name] for r in mine if r[name] is not None]):.3f}" for name in names)
        losses = [r["loss"] for r in mine]
        lines.append(f"| {case} | {count} | {len(mine)} | {means} | {np.mean(losses):.4f} | {max(losses):.3f} |")
    return lines


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON-lines file; rows that are in it are not run again"
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 3, 4, 6])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="of each training")
    parser.add_argument("--size", type=int, default=56, help="of phantoms, in voxels")
    parser.add_argument("--labels", choices=("dense", "sparse"), default="dense", help="of phantoms")
    parser.add_argument("--threads", type=int, help="processor threads; left out: all")
    parser.add_argument("--data", help="folder of real volumes")
    parser.add_argument("--table", action="store_true", help="print the table of the rows that are there, and end")
    options = parser.parse_args()
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=UserWarning)
    if options.threads:
        import numba
        import torch

        torch.set_num_threads(options.threads)
        numba.set_num_threads(options.threads)
    rows = read_rows(options.out)
    done = {tuple(row[name] for name in KEY) for row in rows}
    if not options.table:
        say(json.dumps(machine()))
        cases = {name: CASES[name](options) for name in options.cases}
        for key in designs(options):
            if tuple(key.values()) in done:
                continue
            case = cases[key["case"]]
            row = {**key, **run(case.pairs(key["volumes"], key["seed"]), case.tests, key["seed"], options.steps)}
            rows.append(row)
            with options.out.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            figures = "  ".join(
                f"{name} {row[name] or 0:.3f}" for name in ("last", "best", "kept", "loss", "val", "final")
            )
            say(f"{row['case']:12s} {row['volumes']} volumes, seed {row['seed']}: {figures}  ({row['seconds']:.0f} s)")
    say("\n".join(table(rows)))


if __name__ == "__main__":
    main()
