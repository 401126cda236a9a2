"""How real the simulated tomograms look: statistics side by side, and whether a classifier tells patches apart.

    python Testing/Benchmarks/realism.py [--volumes 24] [--sheet FILE.png]

statistics   of every real and simulated volume, by one rule: glass, wall, share of the bore, medium, spread inside the
             cell, noise. Real volumes have the masks that come with them (threshold, or labelled planes); simulated
             ones their truth. Ranges over the simulated volumes are the 10th to the 90th percentile.
classifier   a random forest on 2D patches of 24 pixels (intensities in units of the patch's own spread, gradients and
             power spectrum), trained and scored by cross-validation over sources: no volume is on both sides. Balanced
             accuracy 0.5 means that real and simulated cannot be told apart, 1.0 that they always can.

Real: sxt_cell_in_capillary, sxt_mef_revolved, the Berkeley slice of sxt_mef_slices (binned 4 times), sxt_yeast_slices
(binned twice). They only score; nothing is trained on them here but the classifier.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
import numpy as np  # noqa: E402

from ACSegLib.noise import robust_deviation  # noqa: E402

FIRST_SEED = 95_001
PATCH = 24
PATCHES_A_SOURCE = 120
#: A voxel is glass from this part of the way from vacuum to cell, where it lies in a bright, thin ring.
GLASS_FROM = 1.5
STATISTICS = ("glass / cell", "wall, % of voxels", "cell, share of bore", "medium / cell", "spread / contrast", "noise")


@dataclass
class Source:
    """One tomogram or slice: its image, and where its cells are (1), are not (0), or nobody knows (2)."""

    name: str
    image: np.ndarray
    cells: np.ndarray
    real: bool


def binned(array: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks of `factor` pixels a side."""
    sizes = [n // factor * factor for n in array.shape]
    cut = array[tuple(slice(0, n) for n in sizes)].astype(np.float32)
    for axis in range(array.ndim):
        shape = [*cut.shape[:axis], cut.shape[axis] // factor, factor, *cut.shape[axis + 1 :]]
        cut = cut.reshape(shape).mean(axis + 1)
    return cut


def real_sources(data: Path) -> Iterator[Source]:
    """The real volumes and slices that the data folder has."""
    from ACSegLib.files import open_segmentation, open_volume

    folder = data / "sxt_cell_in_capillary"
    if folder.is_dir():
        labels = open_segmentation(folder / "cell.labels").labels
        yield Source("sxt_cell", open_volume(folder / "cell.rec").array, labels, True)
    for path in sorted((data / "sxt_mef_revolved").glob("*_image.nrrd")):
        cells = open_segmentation(path.with_name(path.name.replace("_image", "_cells"))).labels > 0
        yield Source("mef revolved", open_volume(path).array[::2, ::2, ::2], cells[::2, ::2, ::2], True)
    folder = data / "sxt_mef_slices"
    if folder.is_dir():
        import tifffile

        image = tifffile.imread(folder / "Berkeley_Berkely-4hpi_slice188.tif")
        mask = tifffile.imread(folder / "4hpi_cellmask_threshold.tif") > 0
        yield Source("mef slice / 4", binned(image, 4), binned(mask, 4) > 0.5, True)
    for path in sorted((data / "sxt_yeast_slices").glob("*.png")):
        from matplotlib.image import imread

        image = imread(path)
        image = binned(image if image.ndim == 2 else image[..., 0], 2)
        yield Source(path.stem[:11], image, np.full(image.shape, 2, np.uint8), True)


def simulated_sources(count: int, size: int) -> Iterator[Source]:
    """Packed cells in capillaries, which no training of the pretrained model used."""
    from ACSegLib.phantom import simulate, vary_packed

    for seed in range(FIRST_SEED, FIRST_SEED + count):
        recipe = vary_packed(seed, holder="capillary", missing_wedge=0.0)
        made = simulate(size, seed=seed, recipe=recipe)
        yield Source(f"simulated {seed}", made.volume.array, (made.truth.labels == 1).astype(np.uint8), False)


def statistics(source: Source) -> list[float]:
    """The figures of `STATISTICS`; NaN where the masks do not tell."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    image, cells = source.image.astype(np.float32), source.cells == 1
    if not cells.any():
        return [float("nan")] * len(STATISTICS)
    vacuum = float(np.percentile(image, 2))
    level = float(np.median(image[cells])) - vacuum
    glass = image - vacuum > GLASS_FROM * level
    glass &= ~binary_erosion(glass, iterations=4)
    outside = source.cells == 0
    between = (image - vacuum > 0.2 * level) & (image - vacuum < 0.75 * level) & outside & ~glass
    medium = float(np.median(image[between])) - vacuum if between.sum() > 50 else float("nan")
    contrast = level - medium
    unknown = source.cells == 2
    inner = binary_erosion(cells | unknown, iterations=2) & cells
    fine = image - gaussian_filter(image, 1.0)
    quiet = binary_erosion(between | unknown, iterations=2) & between
    known = source.cells != 2
    bright = float(np.percentile(image[glass], 90)) - vacuum if glass.any() else float("nan")
    return [
        bright / level,
        100 * float(glass.mean()),
        float(cells.sum() / max(1, (cells | between)[known].sum())),
        medium / level,
        float(image[inner].std()) / contrast if inner.any() else float("nan"),
        robust_deviation(fine[quiet]) / contrast if quiet.sum() > 50 else float("nan"),
    ]


def patches(source: Source, rng: np.random.Generator) -> np.ndarray:
    """Patches (n, PATCH, PATCH) that show some structure, from slices across any axis."""
    found: list[np.ndarray] = []
    image = source.image.astype(np.float32)
    floor = 0.1 * float(image.std())
    for _ in range(20 * PATCHES_A_SOURCE):
        plane = image
        if image.ndim == 3:
            plane = np.take(image, rng.integers(image.shape[(axis := int(rng.integers(3)))]), axis)
        if min(plane.shape) < PATCH:
            continue
        a, b = (int(rng.integers(n - PATCH + 1)) for n in plane.shape)
        patch = plane[a : a + PATCH, b : b + PATCH]
        if patch.std() > floor:
            found.append(np.rot90(patch, int(rng.integers(4))))
        if len(found) == PATCHES_A_SOURCE:
            break
    return np.array(found)


def features(found: np.ndarray) -> np.ndarray:
    """Histogram, gradients and power spectrum of each patch, whatever its grey scale."""
    scaled = found - np.median(found, axis=(1, 2), keepdims=True)
    scaled = scaled / (scaled.std(axis=(1, 2), keepdims=True) + 1e-9)
    flat = scaled.reshape(len(found), -1)
    steps = np.concatenate([np.abs(np.diff(scaled, axis=a)).reshape(len(found), -1) for a in (1, 2)], 1)
    quantiles = np.array([1, 5, 10, 25, 50, 75, 90, 95, 99])
    window = np.hanning(PATCH)[:, None] * np.hanning(PATCH)
    power = np.log(np.abs(np.fft.fft2(scaled * window)) ** 2 + 1e-6)
    frequency = np.fft.fftfreq(PATCH)
    radius = np.rint(np.hypot(frequency[:, None], frequency) * PATCH).astype(int)
    rings = [power[:, radius == r].mean(1) for r in range(1, PATCH // 2)]
    return np.column_stack([*np.percentile(flat, quantiles, 1), *np.percentile(steps, quantiles, 1), *rings])


def tell_apart(sources: Sequence[Source], seed: int = 0) -> tuple[float, dict[str, float]]:
    """Balanced accuracy of telling real from simulated, and for each real source the share called real."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GroupKFold

    rng = np.random.default_rng(seed)
    rows, real, group, names = [], [], [], []
    for source in sources:
        found = features(patches(source, rng))
        rows.append(found)
        real += [source.real] * len(found)
        kind = source.name.split()[0].split("_")[0] if source.real else source.name  # views of one specimen go together
        names.append(kind)
        group += [names.index(kind)] * len(found)
    x, y, groups = np.concatenate(rows), np.array(real), np.array(group)
    called = np.zeros(len(y), bool)
    for train, test in GroupKFold(min(8, len(set(group)))).split(x, y, groups):
        forest = RandomForestClassifier(300, class_weight="balanced_subsample", random_state=seed, n_jobs=1)
        called[test] = forest.fit(x[train], y[train]).predict(x[test])
    accuracy = float((called[y].mean() + (~called[~y]).mean()) / 2)
    by_source = {names[g]: float(called[groups == g].mean()) for g in sorted(set(groups[y]))}
    return accuracy, by_source


def contact_sheet(sources: Sequence[Source], path: Path) -> None:
    """Middle slices of real and simulated volumes, real ones first."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 8
    rows = -(-len(sources) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2 * columns, 2.2 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, source in zip(axes.flat, sources, strict=False):
        plane = source.image if source.image.ndim == 2 else source.image[:, source.image.shape[1] // 2]
        low, high = np.percentile(plane, [0.5, 99.7])
        axis.imshow(plane, cmap="gray", vmin=low, vmax=high)
        axis.set_title(source.name, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=24, help="simulated volumes")
    parser.add_argument("--size", type=int, default=64, help="voxels per side of the simulated volumes")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a contact sheet of all volumes")
    options = parser.parse_args()
    data = harness.data_folder(options.data)
    if data is None:
        print("data set not found: see --data", file=sys.stderr)
        return 1
    real, simulated = list(real_sources(data)), list(simulated_sources(options.volumes, options.size))
    found = np.array([statistics(source) for source in simulated])
    lines = [(s.name, *(f"{v:.3f}" if v == v else "-" for v in statistics(s))) for s in real]
    low, middle, high = np.nanpercentile(found, [10, 50, 90], axis=0)
    ranges = [f"{m:.3f} ({a:.3f} to {b:.3f})" for a, m, b in zip(low, middle, high, strict=True)]
    lines.append((f"simulated, {len(simulated)}", *ranges))
    print(harness.markdown_table(("volume", *STATISTICS), lines))
    accuracy, by_source = tell_apart([*real, *simulated])
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in by_source.items())
    print(f"\nA classifier tells real patches from simulated ones with balanced accuracy {accuracy:.3f}.")
    print(f"Patches called real: {told}.")
    if options.sheet:
        contact_sheet([*real, *simulated], options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
