"""NIfTI-1 and NIfTI-2 (.nii, .nii.gz, .hdr/.img) through nibabel."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import record
from ACSegLib.files.content import Content, Request, as_3d, native, read_exactly
from ACSegLib.volume import Geometry

NAME = "NIfTI"
ENDINGS = (".nii.gz", ".nii")
LAYERS = False

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
_COMMENT_EXTENSION = 6
_GZIP = b"\x1f\x8b"


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether the file begins like NIfTI-1 or NIfTI-2 (plain or gzip, either byte order)."""
    if head[:2] == _GZIP:
        try:
            with gzip.open(path) as stream:
                head = stream.read(352)
        except (OSError, EOFError, zlib.error):
            return path.name.lower().endswith(".nii.gz")
    return head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2")


def read(path: Path, request: Request) -> Content:
    """Read the volume; intensities are scaled only where the header's slope and intercept ask for it."""
    import nibabel

    with contextlib.ExitStack() as opened:
        opened.enter_context(nibabel.imageglobals.LoggingOutputSuppressor())  # what matters is raised
        image, stream = _open(path, opened)
        array = _voxels(image, stream, path)
        while stream.read(1 << 20):  # at the end of a compressed stream, the checksum is compared
            continue
    array = as_3d(array, path, axes="TZYX"[4 - array.ndim :] if array.ndim <= 4 else None)
    geometry = _geometry(image, path)
    content = Content((array,), geometry, meta={"description": _text(image.header["descrip"])})
    for extension in image.header.extensions:
        if extension.get_code() == _COMMENT_EXTENSION:
            text = extension.get_content()
            content = record.restore(content, text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
    return content


def _voxels(image: Any, stream: IO[bytes], path: Path) -> np.ndarray:
    """Read the voxels in (k, j, i) order, unscaled ones straight into their array."""
    stored = image.dataobj
    if not stored.is_proxy or {stored.slope, 1.0} != {1.0} or stored.inter or _is_pair(image):
        return native(np.asanyarray(stored)).transpose()
    stream.seek(stored.offset)
    return native(read_exactly(stream, stored.shape[::-1], stored.dtype, path))


def _is_pair(image: Any) -> bool:
    return len(image.files_types) > 1


def _open(path: Path, opened: contextlib.ExitStack) -> tuple[Any, IO[bytes]]:
    """Open the header; gives the image, and the stream that its voxels will come from."""
    import nibabel

    stream: Any = opened.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
    if stream.read(2) == _GZIP:
        stream = opened.enter_context(gzip.open(path))  # noqa: SIM115
    stream.seek(0)
    head = stream.read(352)
    stream.seek(0)
    second = 540 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    if b"ni1\0" in head[344:348] or b"ni2\0" in head[4:8]:
        pair = nibabel.Nifti2Pair if second else nibabel.Nifti1Pair
        return pair.from_filename(path, mmap=False), stream
    single = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    return single.from_file_map({"image": nibabel.FileHolder(fileobj=stream)}, mmap=False), stream


def _text(value: Any) -> str:
    return bytes(value.item()).decode("ascii", "replace").strip("\0 ")


def _geometry(image: Any, path: Path) -> Geometry:
    matrix = _LPS_FROM_RAS @ np.asarray(image.affine, float)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.all(spacing > 0):
        raise FileError(f"{path}: the header gives a voxel size of {tuple(spacing)}; repair its pixdim or affine.")
    unit = _UNITS.get(image.header.get_xyzt_units()[0], "")
    if not unit:
        unit = "px" if np.all(spacing == 1) else "mm"
    return Geometry(tuple(spacing), tuple(matrix[:3, 3]), tuple((matrix[:3, :3] / spacing).ravel()), unit)


def write(content: Content, path: Path) -> list[str]:
    """Write NIfTI-1 (NIfTI-2 for axes over 32767), the segment table in a comment extension."""
    import nibabel

    lost, array, geometry = [], content.array, content.geometry
    if array.dtype == np.float16:
        lost.append("NIfTI has no 16-bit floating point; the values were written as 32-bit.")
        array = array.astype(np.float32)
    if geometry.unit not in ("px", *_UNITS.values()):
        geometry = geometry.in_unit("mm" if geometry.unit == "cm" else "um")
    kind = nibabel.Nifti2Image if max(array.shape) > 32767 else nibabel.Nifti1Image
    image = kind(array.transpose(), _LPS_FROM_RAS @ geometry.ijk_to_lps, dtype=array.dtype)
    names = {unit: name for name, unit in _UNITS.items()}
    image.header.set_xyzt_units(names.get(geometry.unit, "unknown"))
    image.header.extensions.append(
        nibabel.nifti1.Nifti1Extension(_COMMENT_EXTENSION, record.dumps(content).encode("utf-8"))
    )
    image.to_filename(path)
    return lost
