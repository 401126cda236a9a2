"""Train the refinement network of the model that ships with ACSeg, and put it into the model file.

    python Resources/Models/train_refinement.py CACHE [--minutes 30] [--data DATA] [--init MODEL] [-o MODEL]

The main network works on 80^3 voxels and misses what is thin. The refinement network looks at the surface on a finer
grid (`ACSegLib.network.refinement.finer_grid`). It learns from what the main network predicts, not from the truth:
simulated tomograms, and with --data parts of the two real cells that the main network learned from. CACHE keeps them
and their predictions between runs. --init goes on with the refinement network of another model.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ACSegLib.distances import within_distance
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import normalise
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.inference import predict
from ACSegLib.network.predict.settings import PredictionSettings
from ACSegLib.network.refinement.correction import FLOOR, SCALED_RANGE, opinion, scale_to_segment
from ACSegLib.network.refinement.finer_grid import FINE_REGION, FINENESS
from ACSegLib.network.refinement.network import (
    refinement_network,
    with_refinement_network,
    without_refinement_network,
)
from ACSegLib.network.refinement.regions import pad_region
from ACSegLib.network.train.data import IGNORE
from ACSegLib.network.train.losses import soft_dice_loss
from ACSegLib.phantom import KINDS, Recipe, simulate, vary, vary_packed
from ACSegLib.postprocess.thin_structures import thin_voxels
from ACSegLib.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from train_shipped_model import WORKING_SIDE
from training_volumes import RealVolumes, hard_recipe

FIRST_SEED, FIRST_REAL_SEED = 82_000, 61_000
#: Sides in voxels of the simulated volumes, from the smallest tomogram to the finest grid.
SIDES = (46, 161)
#: Places of each kind that are kept of a volume: thin, wrongly predicted, and surface voxels; how often each is drawn.
PLACES, SHARES = 8000, (0.3, 0.35, 0.35)
#: Channels of each level.
FILTERS = (16, 32, 64)
LEARNING_RATE, DECAY = 2e-3, 0.997
#: Noise that is added to some regions, as a share of the contrast of a cell, at most.
MAX_NOISE = 0.15
#: Weights of voxels in the cross entropy: near a surface, thin, and right beside what is thin, added to 1.
NEAR, THIN = 2, 3
#: Share of the Dice loss beside the cross entropy.
DICE_SHARE = 0.5
#: What the model is known to fail on, for its card.
FAILS_ON = (
    f"detail thinner than about two voxels of a grid of {FINENESS * WORKING_SIDE}^3 voxels over the field of view; "
    "flat holders are known from simulation alone; images of other methods"
)


@dataclass(frozen=True)
class Example:
    """One volume: scaled image, probabilities of the main network, truth, weights of voxels, and places to look at."""

    image: np.ndarray
    probabilities: np.ndarray
    truth: np.ndarray
    weights: np.ndarray
    places: list[np.ndarray]


def volumes(count: int, data: Path | None) -> Iterator[tuple[str, Volume, np.ndarray]]:
    """Name, image and classes of the simulated volumes, and of one part of a real cell for every five of them."""
    real = RealVolumes(data) if data else None
    for number in range(count):
        seed = FIRST_SEED + number
        rng = np.random.default_rng([seed, 77])
        side = int(rng.integers(*SIDES))
        shape, recipe = _specimen(seed, number % 4, side, rng)
        if recipe is None:
            made = simulate(side, seed=seed, kind=list(KINDS)[number // 4 % len(KINDS)])
        else:
            made = simulate(shape, seed=seed, recipe=recipe, reconstruct=bool(rng.random() < 0.75))
        yield f"simulated-{seed}", made.volume, made.truth.labels.astype(np.uint8)
        if real is not None and number % 5 == 0:
            image, labels = real.draw(FIRST_REAL_SEED + number // 5)
            yield f"real-{number // 5}", image, labels.labels.astype(np.uint8)


def _specimen(seed: int, kind: int, side: int, rng: np.random.Generator) -> tuple[tuple[int, int, int], Recipe | None]:
    """Shape and recipe of a varied loose cell, one of a type (no recipe), packed cells, or something hard."""
    shape = (side, side, side)
    if kind == 0:
        return shape, vary(seed, neighbour="cytoplasm" if rng.random() < 0.5 else "none")
    if kind == 1:
        return shape, None
    if kind == 2:
        aspect = np.exp(rng.uniform(np.log(0.6), np.log(2.5)))
        across = max(40, int(side * aspect ** (-1 / 3)))
        return (max(40, int(side * aspect ** (2 / 3))), across, across), vary_packed(seed)
    return shape, hard_recipe(seed)


def prepare(folder: Path, count: int, data: Path | None, model: Model) -> list[Example]:
    """Simulate, predict, and find where to look; from the cache where it has a volume."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = PredictionSettings(keep_probabilities=True)
    examples = []
    for name, volume, truth in volumes(count, data):
        file = folder / f"{name}.npy"
        if not file.exists():
            found = predict(volume, model, settings).probabilities
            assert found is not None
            np.save(file, found)
            print(f"{name} {volume.shape}", file=sys.stderr, flush=True)
        example = _example(volume, np.load(file), truth, model, len(examples))
        if example is not None:
            examples.append(example)
    return examples


def _example(volume: Volume, found: np.ndarray, truth: np.ndarray, model: Model, number: int) -> Example | None:
    """None if nothing is wrong or there is no surface."""
    labels = found.argmax(axis=0).astype(np.uint8)
    image = normalise(volume.array, model.preprocessing.normalisation).astype(np.float32)
    thin, cell = thin_voxels(truth == 1), truth == 1
    near = np.zeros(truth.shape, bool)
    for classes in (truth, labels):
        for value in range(1, len(model.segments) + 1):
            mask = classes == value
            if mask.any() and not mask.all():
                near |= within_distance(mask, (1, 1, 1), 3) & within_distance(~mask, (1, 1, 1), 3)
    beside = within_distance(thin, (1, 1, 1), 2) & ~cell if thin.any() else thin
    rng = np.random.default_rng(number)
    places = [np.argwhere(mask) for mask in (thin, truth != labels, _edges(truth))]
    places = [rows[rng.permutation(len(rows))[:PLACES]].astype(np.int16) for rows in places]
    if not all(len(rows) for rows in places[1:]):
        return None
    weights = (1 + NEAR * near + THIN * thin + THIN * beside).astype(np.uint8)
    return Example(
        np.clip(scale_to_segment(image, [labels]), *SCALED_RANGE).astype(np.float16), found, truth, weights, places
    )


def _edges(truth: np.ndarray) -> np.ndarray:
    edges = np.zeros(truth.shape, bool)
    for axis in range(3):
        inner = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        edges[inner] |= np.diff(truth, axis=axis) != 0
    return edges


def draw(examples: Sequence[Example], rng: np.random.Generator, spec: NetworkSpec) -> tuple[torch.Tensor, ...]:
    """A region: the network's input, logits of the main network, target and weights; turned over, disturbed."""
    one = examples[int(rng.integers(len(examples)))]
    kind = int(rng.choice(3, p=SHARES))
    rows = one.places[kind if len(one.places[kind]) > 20 else 2]
    place = (
        rows[rng.integers(len(rows))] if rng.random() < 0.92 else np.array([rng.integers(n) for n in one.truth.shape])
    )
    place = place + rng.integers(-FINE_REGION // 4, FINE_REGION // 4 + 1, 3)
    last = [max(0, n - FINE_REGION) for n in one.truth.shape]
    start = [int(np.clip(p - FINE_REGION // 2, 0, n)) for p, n in zip(place, last, strict=True)]
    box = tuple(slice(s, s + FINE_REGION) for s in start)
    size, order = (FINE_REGION,) * 3, rng.permutation(3)
    axes = tuple(axis for axis in (1, 2, 3) if rng.random() < 0.5)

    def cut(array: np.ndarray, fill: int | None = None) -> np.ndarray:
        part = pad_region(array[(slice(None), *box)], size, fill)
        return np.ascontiguousarray(np.flip(part.transpose(0, *(1 + order)), axes))

    image, before = cut(one.image[None]).astype(np.float32), cut(one.probabilities).astype(np.float32)
    image = image * rng.uniform(0.85, 1.18) + rng.normal(0, 0.07)
    if rng.random() < 0.3:
        image = image + rng.normal(0, rng.uniform(0, MAX_NOISE), image.shape)
    joined = np.concatenate([image.astype(np.float32), opinion(before, spec)])
    target, weights = cut(one.truth[None], IGNORE), cut(one.weights[None], 0).astype(np.float32)
    return tuple(torch.from_numpy(a)[None] for a in (joined, np.log(before + np.float32(FLOOR)), target, weights))


def loss_of(logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted cross entropy and soft Dice."""
    valid = target != IGNORE
    classes = torch.where(valid, target, 0).long()
    log_probabilities, weights = logits.log_softmax(1), weights * valid
    entropy = (-log_probabilities.gather(1, classes) * weights).sum() / weights.sum().clamp_min(1)
    truth = torch.zeros_like(logits).scatter_(1, classes, 1.0)
    return entropy + DICE_SHARE * soft_dice_loss((log_probabilities.exp() * valid)[:, 1:], (truth * valid)[:, 1:])


def optimise(
    examples: Sequence[Example], spec: NetworkSpec, network: torch.nn.Module, minutes: float
) -> torch.nn.Module:
    """Train for some minutes; gives the averaged weights."""
    averaged = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    start, step, losses = time.monotonic(), 0, [0.0]
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        inputs, before, target, weights = draw(examples, np.random.default_rng([5, step]), spec)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * done))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            change = network(inputs)
        loss = loss_of(before + change.float(), target, weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        step += 1
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for kept, value in zip(averaged.parameters(), network.parameters(), strict=True):
                kept.lerp_(value, 1 - min(DECAY, step / (step + 10)))
        if step % 100 == 0:
            print(f"{100 * done:5.1f} % step {step}, loss {np.mean(losses[-100:]):.4f}", file=sys.stderr, flush=True)
    return averaged


def fresh_network(spec: NetworkSpec) -> torch.nn.Module:
    """A network whose output is zero: it changes nothing."""
    network = build_seeded(spec, 0)
    with torch.no_grad():
        for head in network.heads:  # type: ignore[union-attr]
            head.conv.conv.weight.zero_()
            head.conv.conv.bias.zero_()
    return network


def complete(model: Model, spec: NetworkSpec, trained: torch.nn.Module, options: argparse.Namespace) -> Model:
    """Both networks in one model, whose card tells of the second one."""
    result = with_refinement_network(model, spec, trained.state_dict())
    result.preprocessing = replace(result.preprocessing, thin_threshold=options.thin, without_thin=("bead",))
    real = f" and {-(-options.volumes // 5)} parts of two real cells" if options.data else ""
    result.card["surface"] = {
        "trained_on": f"{options.volumes} simulated tomograms (seeds from {FIRST_SEED}){real}",
        "command": f"train_refinement.py CACHE --volumes {options.volumes} --minutes {options.minutes:g}"
        + (" --data DATA" if options.data else "")
        + (f" --init {options.init.name}" if options.init else ""),
        "grid": f"up to {FINENESS} times the voxels a side of the main network",
    }
    result.card["fails_on"] = FAILS_ON
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    shipped = Path(__file__).with_name("cytoplasm.acseg")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder for the predictions of the main network")
    parser.add_argument("--volumes", type=int, default=120, help="simulated volumes")
    parser.add_argument("--data", type=Path, help="folder of the real tomograms (sxt_mef_slices, hl60_odt)")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--model", type=Path, default=shipped, help="model whose main network is kept")
    parser.add_argument("--init", type=Path, help="model with a refinement network to start from")
    parser.add_argument("--thin", type=float, default=0.3, help="probability that suffices in thin structures")
    parser.add_argument("-o", "--output", type=Path, default=shipped)
    options = parser.parse_args(arguments)
    model = without_refinement_network(load_model(options.model))
    spec = NetworkSpec(
        1 + len(model.segments), model.spec.out_channels, FILTERS, kernels=((3, 3, 3),) * len(FILTERS), additive=True
    )
    network, earlier = fresh_network(spec), refinement_network(load_model(options.init)) if options.init else None
    if earlier is not None:
        network.load_state_dict(earlier.state_dict)
    examples = prepare(options.cache, options.volumes, options.data, model)
    trained = optimise(examples, spec, network, options.minutes)
    save_model(complete(model, spec, trained, options), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
