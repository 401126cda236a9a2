"""Measure the splitting of touching cells: panoptic quality against the watershed of the distance transform.

The cells of each case are merged to one foreground, which is split with the image. The truth has one label per cell.
The watershed is that of scikit-image: its markers are the peaks of the distance to the background, at least as far
apart as the mean radius of the peaks. `with truth` starts a watershed of the image from markers in the true cells: what
is possible with the image alone. `--large` splits a volume of thousands of cells, and prints its time and memory.

Run ``python Testing/Benchmarks/split.py``; ``--data`` names the folder of the real volumes.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterable

import numpy as np
from harness import data_folder, machine, markdown_table, say
from scipy import ndimage
from split_cases import Case, real, simulated

from ACSegLib.cells.splitting import SplitSettings, split_mask
from ACSegLib.measure.instances import match_instances


def watershed_of_distance(mask: np.ndarray) -> np.ndarray:
    """The cells that scikit-image's watershed finds in a mask."""
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(mask) if not mask.all() else np.zeros(mask.shape)
    smooth = ndimage.gaussian_filter(depth, 1.0)
    components = ndimage.label(mask)[0]
    peaks = peak_local_max(smooth, min_distance=2, labels=components, exclude_border=False)
    apart = max(2, round(float(np.mean(depth[tuple(peaks.T)])))) if len(peaks) else 2
    peaks = peak_local_max(smooth, min_distance=apart, labels=components, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-smooth, markers, mask=mask)


def watershed_from_truth(case: Case) -> np.ndarray:
    """A watershed of the image from markers in the true cells."""
    from skimage.segmentation import watershed

    around = ndimage.generate_binary_structure(3, 1)
    edge = ndimage.grey_erosion(case.cells, footprint=around) != ndimage.grey_dilation(case.cells, footprint=around)
    markers = np.where(ndimage.distance_transform_edt(~edge) >= 2, case.cells, 0).astype(np.int32)
    image = ndimage.gaussian_filter(case.image.astype(np.float32), 1.0)
    return watershed(image if case.group in ("root_cells", "membranes") else -image, markers, mask=case.cells > 0)


def scores(case: Case) -> tuple[float, float, float, float, int, int]:
    """Panoptic quality of the split, of the split with the number of cells given, and of both watersheds; counts."""
    mask, truth = case.cells > 0, case.cells
    found = split_mask(mask, case.image)
    given = split_mask(mask, case.image, settings=SplitSettings(count=int(truth.max())))
    results = [found.labels, given.labels, watershed_of_distance(mask), watershed_from_truth(case)]
    quality = [match_instances(r.astype(np.uint16), truth).panoptic_quality for r in results]
    return quality[0], quality[1], quality[2], quality[3], len(found.sizes), int(truth.max())


def table(cases: Iterable[Case]) -> str:
    """A row for each group of cases, means over its cases."""
    groups: dict[str, list[tuple[float, ...]]] = {}
    for case in cases:
        row = scores(case)
        groups.setdefault(case.group, []).append(row)
        say(f"{case.name}: split {row[0]:.3f}, count given {row[1]:.3f}, watershed {row[2]:.3f}, {row[4]} of {row[5]}")
    lines = []
    for group, rows in groups.items():
        mean = np.mean(rows, axis=0)
        lines.append([group, len(rows), *(f"{value:.3f}" for value in mean[:4]), f"{mean[4]:.1f} of {mean[5]:.1f}"])
    header = ("cells", "volumes", "acseg split", "count given", "watershed of distance", "with truth", "found")
    return markdown_table(header, lines)


def large(shape: tuple[int, int, int]) -> str:
    """Time and memory of a volume of balls on a grid that touch."""
    pitch, radius = 24, 12.4
    axes = [((np.arange(n) + 0.5) % pitch - pitch / 2).astype(np.float32) ** 2 for n in shape]
    mask = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :] < radius**2
    image = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    wanted = int(np.prod([-(-n // pitch) for n in shape]))
    split_mask(mask[:30, :30, :30], image[:30, :30, :30])  # compiles
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = split_mask(mask, image)
    seconds = time.perf_counter() - started
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    return f"{' x '.join(map(str, shape))}: {len(found.sizes)} of {wanted} cells, {seconds:.1f} s, {more:.2f} GiB more"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the real volumes")
    parser.add_argument("--side", type=int, default=80, help="side of the phantoms in voxels")
    parser.add_argument("--large", type=int, nargs=3, metavar=("K", "J", "I"), help="shape of a large volume")
    options = parser.parse_args()
    print(machine())
    if options.large:
        print(large(tuple(options.large)))
        return
    folder = data_folder(options.data)
    cases = [*(real(folder) if folder else ()), *simulated(options.side)]
    print(table(cases))


if __name__ == "__main__":
    main()
