"""Opens thousands of damaged files of every format: each must give one clear error, or what the file says.

Good files of all formats are damaged at random (bytes changed, numbers of the header replaced, parts cut, doubled,
zeroed, swapped) and opened in a process of their own, as an image and as labels. Counted as faults:

- a traceback: any error but FileError, InputError and MemoryLimitError, or one that does not name the file;
- a crash of the process, or a file that takes over 20 seconds;
- more memory than 256 MiB above what the process had, for files below 1 MiB;
- a file that was cut and opens with other voxels than the whole one.

    python Testing/Benchmarks/faults.py               # 12,000 files, a few minutes
    python Testing/Benchmarks/faults.py --files 500 --seed 7
"""

from __future__ import annotations

import argparse
import json
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

MAX_SECONDS = 20.0
MAX_MEMORY = 256 << 20
_SHAPE = (6, 20, 24)
_HEADER_BYTES = 1200
_WORDS = (b"0", b"-1", b"99999999999999999999", b"nan", b"1e308", b"65536", b"4294967295", b"", b"\xff\xfe", b"3 3")


@dataclass
class Tally:
    """What came of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0


def main() -> int:
    """Run the benchmark; the exit code is 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=12000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files with which something is wrong")
    parser.add_argument("--only", default="*", help="names of the good files to damage, such as '*.h5'")
    options = parser.parse_args()
    tally = run(options.files, options.seed, options.keep, options.only)
    print(f"{sum(tally.outcomes.values()):,} files in {tally.seconds:.0f} s, {tally.memory / 2**20:.0f} MiB at most")
    for outcome, count in sorted(tally.outcomes.items()):
        print(f"  {outcome:<28} {count:>7,}")
    for fault in tally.faults[:40]:
        print(f"FAULT {fault}")
    print(f"{len(tally.faults)} faults")
    return 1 if tally.faults else 0


def run(count: int, seed: int = 0, keep: Path | None = None, only: str = "*") -> Tally:
    """Damage and open `count` files, in turn those whose names fit `only`."""
    generator = random.Random(seed)
    tally, start = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="acseg-faults-") as folder:
        good = [path for path in make_good_files(Path(folder) / "good") if path.match(only)]
        with Opener() as opener:
            for n in range(count):
                _one(n, generator, good, Path(folder), opener, tally, keep)
    tally.seconds = time.monotonic() - start
    return tally


def _one(
    n: int, generator: random.Random, good: list[Path], folder: Path, opener: Opener, tally: Tally, keep: Path | None
) -> None:
    source = good[n % len(good)]
    place = folder / "damaged"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    target, kind = damage(source, place, generator)
    found = opener.open(target, source if kind.startswith("cut") else None)
    outcome = str(found["outcome"])
    tally.outcomes[outcome] += 1
    tally.memory = max(tally.memory, int(found.get("memory", 0)))
    if outcome in ("traceback", "crash", "hang", "cut but opened", "memory"):
        tally.faults.append(f"{outcome}: {source.name}, {kind}, file {n}: {found.get('detail', '')}")
        if keep is not None:
            destination = keep / f"{n}-{target.name}"
            keep.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if target.is_dir() else shutil.copy)(target, destination)


def damage(source: Path, place: Path, generator: random.Random) -> tuple[Path, str]:
    """Copy a file (or folder) and damage it, or one of the files in it; gives the copy and the kind of damage."""
    target = place / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        files = sorted(file for file in target.rglob("*") if file.is_file())
        victim = generator.choice(files)
    else:
        for file in source.parent.glob(f"{source.name.split('.')[0]}.*"):
            shutil.copy(file, place / file.name)
        victim = target
    data = bytearray(victim.read_bytes())
    kind = generator.choice(("bytes", "bytes", "number", "number", "cut", "zeros", "double", "swap", "word"))
    if source.is_dir() and kind == "cut" and generator.random() < 0.3:
        victim.unlink()
        return target, "file missing"
    victim.write_bytes(_DAMAGES[kind](data, generator))
    return target, "cut" if kind == "cut" else kind


def _bytes(data: bytearray, generator: random.Random) -> bytes:
    limit = len(data) if generator.random() < 0.3 else min(len(data), _HEADER_BYTES)
    for _ in range(generator.randint(1, 8)):
        data[generator.randrange(limit)] = generator.randrange(256)
    return bytes(data)


def _number(data: bytearray, generator: random.Random) -> bytes:
    """Replace a number of a text header; in a binary one, four bytes by an extreme number."""
    found = [m for m in re.finditer(rb"[-+]?\d+(?:\.\d+)?", bytes(data[:_HEADER_BYTES]))]
    if found and generator.random() < 0.7:
        match = generator.choice(found)
        return bytes(data[: match.start()]) + generator.choice(_WORDS) + bytes(data[match.end() :])
    at = generator.randrange(max(1, min(len(data), _HEADER_BYTES) - 4))
    data[at : at + 4] = generator.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\x40"))
    return bytes(data)


def _cut(data: bytearray, generator: random.Random) -> bytes:
    return bytes(data[: int(len(data) * generator.random())])


def _zeros(data: bytearray, generator: random.Random) -> bytes:
    at = generator.randrange(len(data))
    data[at : at + 64] = bytes(len(data[at : at + 64]))
    return bytes(data)


def _double(data: bytearray, generator: random.Random) -> bytes:
    at = generator.randrange(min(len(data), _HEADER_BYTES))
    return bytes(data[:at]) + bytes(data[at : at + 80]) * generator.randint(2, 50) + bytes(data[at:])


def _swap(data: bytearray, generator: random.Random) -> bytes:
    one, other = (generator.randrange(min(len(data), _HEADER_BYTES)) for _ in range(2))
    data[one : one + 8], data[other : other + 8] = data[other : other + 8], data[one : one + 8]
    return bytes(data)


def _word(data: bytearray, generator: random.Random) -> bytes:
    at = generator.randrange(min(len(data), _HEADER_BYTES))
    return bytes(data[:at]) + generator.choice(_WORDS) + bytes(data[at:])


_DAMAGES = {
    "bytes": _bytes, "number": _number, "cut": _cut, "zeros": _zeros, "double": _double, "swap": _swap, "word": _word,
}  # fmt: skip


def make_good_files(folder: Path) -> list[Path]:
    """Write an undamaged file (or folder) of every format that ACSeg reads."""
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

    folder.mkdir()
    rng = np.random.default_rng(0)
    place = Geometry((24.0, 30.0, 51.0), (1.0, -200.0, 7.25), unit="nm")
    volume = Volume(rng.normal(100, 20, _SHAPE).astype(np.float32), place, "cell")
    array = np.zeros(_SHAPE, np.uint8)
    array[1:4, 4:12, 5:14], array[4, 2:9, 2:9] = 1, 3
    labels = Segmentation((array,), [Segment("cell", 1), Segment("core", 3)], place)
    endings = (".nrrd", ".nii", ".nii.gz", ".mha", ".tif", ".ome.tif", ".mrc", ".h5", ".ome.zarr")
    for n, ending in enumerate(endings):
        save_volume(volume, folder / f"image{n}{ending}")
    for n, ending in enumerate((".seg.nrrd", ".nii.gz", ".tif", ".h5", ".ome.zarr", ".mha")):
        save_segmentation(labels, folder / f"labels{n}{ending}")
    _write_others(folder, array, volume.array)
    return sorted(path for path in folder.iterdir() if not path.name.endswith((".label", ".ctbl", ".raw", ".img")))


def _write_others(folder: Path, labels: np.ndarray, image: np.ndarray) -> None:
    """Formats that ACSeg reads alone: Amira, detached headers, pairs, pages, slices, DICOM."""
    import zlib

    import nibabel
    import SimpleITK
    import tifffile

    head = (
        "# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice 24 20 6\nParameters {\n    Materials {\n        Exterior "
        '{ Id 0 }\n        Cell { Id 1, Color "0.6 0 0.8" }\n    }\n    BoundingBox 0 23 0 19 0 5,\n    CoordType '
        '"uniform"\n}\nLattice { byte Labels } @1'
    )
    packed = zlib.compress(labels.tobytes())
    (folder / "packed.am").write_bytes(f"{head}(HxZip,{len(packed)})\n\n@1\n".encode() + packed)
    (folder / "plain.am").write_bytes(f"{head}\n\n@1\n".encode() + labels.tobytes())
    text = (
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 2\nencoding: raw\ndata file: parted.raw\n"
    )
    (folder / "parted.nhdr").write_text(text)
    (folder / "parted.raw").write_bytes(labels.tobytes())
    itk = SimpleITK.GetImageFromArray(image)
    itk.SetSpacing((0.5, 0.5, 2.0))
    SimpleITK.WriteImage(itk, str(folder / "detached.mhd"))
    nibabel.Nifti1Pair(image.transpose(), np.diag([0.3, 0.3, 0.5, 1])).to_filename(folder / "pair.hdr")
    with tifffile.TiffWriter(folder / "pages.tif") as writer:
        for plane in labels:
            writer.write(plane, contiguous=False, metadata=None, compression="zlib")
    (folder / "slices").mkdir()
    for k, plane in enumerate(labels):
        tifffile.imwrite(folder / "slices" / f"s{k:03d}.tif", plane)
    SimpleITK.WriteImage(SimpleITK.Cast(itk, SimpleITK.sitkUInt16), str(folder / "frames.dcm"), imageIO="GDCMImageIO")
    _write_spread_and_packed(folder, labels, image)


def _write_spread_and_packed(folder: Path, labels: np.ndarray, image: np.ndarray) -> None:
    """Voxels in several files and in archives: NRRD lists, Analyze, BigDataViewer, zipped Zarr, TIFF page by page."""
    import h5py
    import nibabel
    import tifffile

    head = "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 2\nencoding: "
    (folder / "hex.nrrd").write_text(f"{head}hex\n\n{labels.tobytes().hex()}")
    names = [f"listed.{k}.raw" for k in range(len(labels))]
    (folder / "listed.nhdr").write_text(f"{head}raw\ndata file: LIST\n" + "\n".join(names))
    for name, plane in zip(names, labels, strict=True):
        (folder / name).write_bytes(plane.tobytes())
    nibabel.AnalyzeImage(image.transpose(), np.diag([0.3, 0.3, 0.5, 1])).to_filename(str(folder / "analyze.hdr"))
    np.save(folder / "order.npy", np.asfortranarray(image))
    with h5py.File(folder / "view.h5", "w") as file:
        file["t00000/s00/0/cells"] = labels.astype(np.int16)
        file["s00/resolutions"] = np.ones((1, 3))
    (folder / "view.xml").write_text(
        "<SpimData><SequenceDescription><ImageLoader><hdf5>view.h5</hdf5></ImageLoader><ViewSetups><ViewSetup><id>0</id>"
        "<voxelSize><unit>nm</unit><size>20 20 30</size></voxelSize></ViewSetup></ViewSetups></SequenceDescription>"
        "</SpimData>"
    )
    shutil.make_archive(str(folder / "packed.zarr"), "zip", folder / "image8.ome.zarr")
    with tifffile.TiffWriter(folder / "loop.tif") as writer:
        for k, plane in enumerate(labels):
            writer.write(plane, contiguous=False, compression="zlib" if k % 2 else None)


class Opener:
    """A process that opens files, started anew where it crashes or hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def open(self, path: Path, whole: Path | None) -> dict[str, object]:
        """Open a file; `whole` is the undamaged one where the file was cut."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, __file__, "--opener"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"path": str(path), "whole": str(whole) if whole else None}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = _line(self._process.stdout, MAX_SECONDS + 20)
        if line is None:
            self._stop()
            return {"outcome": "hang", "detail": "killed"}
        if not line:
            return {"outcome": "crash", "detail": f"exit code {self._process.wait()}"}
        return dict(json.loads(line))

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _line(stream: IO[bytes], seconds: float) -> bytes | None:
    """The next line; None if none comes in time."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline() if ready else None


def serve() -> None:
    """Open the files that are named on standard input, one answer a line (the opener's process)."""
    import warnings

    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_opened(Path(request["path"]), request["whole"])), file=out, flush=True)


def _opened(path: Path, whole: str | None) -> dict[str, object]:
    from ACSegLib.errors import FileError, InputError, MemoryLimitError
    from ACSegLib.files import open_segmentation, open_volume

    before, start = _reset_peak(), time.monotonic()
    outcome, detail = "refused", ""
    for kind in (open_volume, open_segmentation):
        try:
            found = kind(path)
        except (FileError, InputError, MemoryLimitError) as error:
            if path.name not in str(error) or "\n" in str(error):
                return {"outcome": "traceback", "detail": f"names no file: {error}"[:300]}
        except BaseException as error:
            return {"outcome": "traceback", "detail": f"{type(error).__name__}: {error}"[:300]}
        else:
            outcome = "opened"
            array = found.array if kind is open_volume else found.layers[0]
            if whole and kind is open_volume and not np.array_equal(array, open_volume(whole).array):
                return {"outcome": "cut but opened", "detail": f"shape {array.shape}"}
    seconds, memory = time.monotonic() - start, _peak() - before
    if seconds > MAX_SECONDS:
        outcome, detail = "hang", f"{seconds:.0f} s"
    elif memory > MAX_MEMORY:
        outcome, detail = "memory", f"{memory / 2**20:.0f} MiB"
    return {"outcome": outcome, "detail": detail, "seconds": seconds, "memory": memory}


def _reset_peak() -> int:
    """Forget the highest memory use so far (Linux); gives the present one in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _peak()


def _peak() -> int:
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    if sys.argv[1:] == ["--opener"]:
        serve()
    else:
        sys.exit(main())
