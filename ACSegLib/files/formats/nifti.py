"""NIfTI-1 and NIfTI-2 (.nii, .nii.gz, .hdr/.img) through nibabel."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import label_tables, record
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import Content, Request, native, note_of_rest, read_exactly
from ACSegLib.files.units import unstated_unit
from ACSegLib.volume import Geometry

NAME = "NIfTI"
ENDINGS = (".nii.gz", ".nii")
LAYERS = False

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
_UNIT_OF_CODE = {1: "m", 2: "mm", 3: "um"}
#: Cosine of the angle between two axes up to which ITK takes them as perpendicular.
_MAX_SKEW = 1e-4
_COMMENT_EXTENSION, _CARET_EXTENSION = 6, 30
_GZIP = b"\x1f\x8b"
#: Sizes of the headers of NIfTI-1 and NIfTI-2, by which they begin, and where their `pixdim` stands.
_HEADER_SIZES, _PIXDIM_1, _PIXDIM_2 = (348, 540), 76, 104


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins like NIfTI-1 or NIfTI-2 (plain or gzip, either byte order), or is a pair's .img."""
    header = header_of_pair(path)
    if header is not None:
        with open(header, "rb") as stream:
            return recognises(header, stream.read(352))
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

    path = header_of_pair(path) or path
    with contextlib.ExitStack() as opened:
        opened.enter_context(nibabel.imageglobals.LoggingOutputSuppressor())  # what matters is raised
        nibabel.imageglobals.logger.addHandler(logging.NullHandler())  # with no handler, Python shows warnings itself
        image, stream, told, sized = _open(path, opened)
        array = _voxels(image, stream, path)
        while stream.read(1 << 20):  # at the end of a compressed stream, the checksum is compared
            continue
        told += _note_of_rest(image, stream)
    array, _ = arrange(array, list("ccctzyx"[-array.ndim :]), path)
    geometry, notes = _geometry(image.header, path)
    if not sized.all() and geometry.unit != "px":
        listed = " and ".join(letter for letter, known in zip("xyz", sized, strict=True) if not known)
        notes.append(f"states no voxel size along {listed} (pixdim); 1 {geometry.unit} is used, as in ITK.")
    geometry = replace(geometry, nifti_codes=_codes(image.header))
    meta = {"description": text_of_field(image.header["descrip"])}
    content = Content((array,), geometry, meta=meta, notes=[*told, *notes])
    texts = [_extension_text(extension) for extension in image.header.extensions]
    content.segments = next((rows for rows in map(label_tables.read_xml, texts) if rows), None)
    for text in texts:
        content = record.restore(content, text)
    return content


def _extension_text(extension: Any) -> str:
    text = getattr(extension, "content", None)  # nibabel since 5.3; get_content refuses codes that it does not know
    if not isinstance(text, (bytes, str)):
        text = extension.get_content()
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def header_of_pair(path: Path) -> Path | None:
    """Find the .hdr that lies beside a file of voxels; None where there is none."""
    name = path.name.lower()
    for ending, other in ((".img", ".hdr"), (".img.gz", ".hdr.gz"), (".img.gz", ".hdr")):
        if name.endswith(ending):
            for word in (other, other.upper()):
                header = path.with_name(path.name[: -len(ending)] + word)
                if header.is_file():
                    return header
    return None


def _voxels(image: Any, stream: IO[bytes], path: Path) -> np.ndarray:
    """Read the voxels in (k, j, i) order, unscaled ones straight into their array."""
    stored = image.dataobj
    if _is_pair(image) and not (voxels := Path(image.file_map["image"].filename)).is_file():
        raise FileError(f"{path}: its data file {voxels.name} is missing; put both in one folder.")
    if stored.is_proxy and not _is_pair(image) and stored.offset < image.header.single_vox_offset:
        stored = _behind_header(image, stream)
    if not stored.is_proxy or {stored.slope, 1.0} != {1.0} or stored.inter or _is_pair(image):
        return native(np.asanyarray(stored)).transpose()
    stream.seek(stored.offset)
    return native(read_exactly(stream, stored.shape[::-1], stored.dtype, path))


def _note_of_rest(image: Any, stream: IO[bytes]) -> list[str]:
    """The note on voxels that the header does not state; `stream` is at the end of the file that the user opened."""
    stored, held = image.dataobj, stream.tell()
    start = stored.offset if _is_pair(image) else max(stored.offset, image.header.single_vox_offset)
    if _is_pair(image):
        voxels = Path(image.file_map["image"].filename)
        held = start if voxels.name.lower().endswith(".gz") else voxels.stat().st_size
    return note_of_rest(held - start, math.prod(stored.shape) * stored.dtype.itemsize)


def _behind_header(image: Any, stream: IO[bytes]) -> Any:
    """Place the voxels of a single file behind its header where that says that they begin inside of it (often at 0)."""
    import nibabel

    stored = image.dataobj
    start = image.header.single_vox_offset
    return nibabel.arrayproxy.ArrayProxy(
        stream, (stored.shape, stored.dtype, start, stored.slope, stored.inter), mmap=False
    )


def _is_pair(image: Any) -> bool:
    return len(image.files_types) > 1


def _open(path: Path, opened: contextlib.ExitStack) -> tuple[Any, IO[bytes], list[str], np.ndarray]:
    """Open the header.

    Returns
    -------
    image : nibabel image
    stream : binary stream
        Which its voxels will come from.
    notes : list of str
        On the scaling of the values.
    sized : ndarray of bool, shape (3,)
        Whether the header has a voxel size along x, y and z; nibabel makes it 1 where it is 0.
    """
    import nibabel

    stream: Any = opened.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
    if stream.read(2) == _GZIP:
        stream = opened.enter_context(gzip.open(path))  # noqa: SIM115
    stream.seek(0)
    head = stream.read(352)
    stream.seek(0)
    notes: list[str] = []
    second = 540 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    if b"ni1\0" in head[344:348] or b"ni2\0" in head[4:8]:
        pair = nibabel.Nifti2Pair if second else nibabel.Nifti1Pair
        return _forgiving(pair, notes).from_filename(path, mmap=False), stream, notes, _sized(head, second)
    single = _forgiving(nibabel.Nifti2Image if second else nibabel.Nifti1Image, notes)
    image = single.from_file_map({"image": nibabel.FileHolder(fileobj=stream)}, mmap=False)
    return image, stream, notes, _sized(head, second)


def _sized(head: bytes, second: bool) -> np.ndarray:
    """Whether the bytes of a header (of NIfTI-2, if `second`) have a voxel size along x, y and z."""
    order = "<" if int.from_bytes(head[:4], "little") in _HEADER_SIZES else ">"
    start, kind = (_PIXDIM_2, "f8") if second else (_PIXDIM_1, "f4")
    sizes = np.frombuffer(head, order + kind, 4, start)[1:].astype(float)
    return np.isfinite(sizes) & (sizes != 0)


def _forgiving(kind: Any, notes: list[str]) -> Any:
    """A class of images that reads as the NIfTI library of ITK and FSL does where nibabel refuses.

    An intercept that is no number is 0, and a quaternion that rounding made longer than 1 is shortened.
    """
    from nibabel.quaternions import fillpositive
    from nibabel.spatialimages import HeaderDataError

    class Header(kind.header_class):  # type: ignore[misc]
        def get_slope_inter(self) -> tuple[float, float]:
            try:
                return super().get_slope_inter()  # type: ignore[no-any-return]
            except HeaderDataError:
                slope, intercept = float(self["scl_slope"]), float(self["scl_inter"])
                notes[:] = [f"states the intercept {intercept:g} (scl_inter); it was taken as 0, as in ITK and Slicer."]
                return slope, 0.0

        def get_qform_quaternion(self) -> np.ndarray:
            turn = np.array([float(self[f"quatern_{letter}"]) for letter in "bcd"])
            return np.asarray(fillpositive(turn / max(1.0, float(np.linalg.norm(turn)))))

    return type(kind.__name__, (kind,), {"header_class": Header})


def text_of_field(value: Any) -> str:
    """A field of characters as text."""
    return bytes(value.item()).decode("ascii", "replace").strip("\0 ")


def _codes(header: Any) -> tuple[int, int]:
    """The codes of qform and sform, which say what the two places mean; 0 is no place."""
    return int(header["qform_code"]), int(header["sform_code"])


def _geometry(header: Any, path: Path) -> tuple[Geometry, list[str]]:
    """Place the voxels as ITK and Slicer do, which the labels that people draw there follow.

    Order of trust: the voxel size is pixdim. The directions are those of the sform if its code is 1 or the qform has
    none, else those of the qform; the other one is taken where the first is sheared. Without codes the axes are
    ITK's own, from 0. What contradicts this in the header is told.
    """
    _require_one_place(header, path)
    spacing, notes = np.abs(np.asarray(header["pixdim"][1:4], float)), []
    spacing = np.where(np.isfinite(spacing) & (spacing > 0), spacing, 1.0)
    matrices = {name: matrix for name, matrix in _matrices(header).items() if _is_straight(matrix)}
    if not any(_codes(header)):
        matrix, used = np.diag([-1.0, -1.0, 1.0, 1.0]), ""
        notes.append(
            "has no place (the codes of qform and sform are 0); it was placed at 0 with unrotated axes, as ITK and "
            "Slicer do."
        )
    elif not matrices:
        raise FileError(
            f"{path}: the axes of its {' and '.join(_matrices(header))} are not at right angles; resample it to a "
            "straight grid first, as no program that uses ITK can place it."
        )
    else:
        used = next(iter(matrices))
        matrix = matrices[used]
        notes += _contradictions(header, used, matrix, spacing)
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    place = _LPS_FROM_RAS @ matrix
    code = int(header["xyzt_units"]) & 7
    unit = _UNIT_OF_CODE.get(code) or unstated_unit(spacing, "mm")
    if code not in (0, *_UNIT_OF_CODE):
        notes.append(f"has the unknown unit code {code}; millimetres are assumed.")
    return Geometry(tuple(spacing), tuple(place[:3, 3]), tuple((place[:3, :3] / lengths).ravel()), unit), notes


def _matrices(header: Any) -> dict[str, np.ndarray]:
    """The matrices (to RAS) of the forms whose codes are not 0, the one that ITK prefers first."""
    qform, sform = _codes(header)
    found = {}
    if sform:
        found["sform"] = np.asarray(header.get_sform(), float)
    if qform:
        found["qform"] = np.asarray(header.get_qform(), float)
    return dict(reversed(found.items())) if qform and sform and sform != 1 else found


def _require_one_place(header: Any, path: Path) -> None:
    """Refuse forms with the same axes and position of which some axes run backwards.

    ITK compares the axes of the two without their signs (by a singular value decomposition), so that rounding decides
    which of them it takes.

    Raises
    ------
    FileError
        If a sform that is no scanner's has some axes of the qform reversed, and the same position.
    """
    qform, sform = _codes(header)
    if not qform or sform in (0, 1):
        return
    first, second = (np.asarray(matrix, float) for matrix in (header.get_sform(), header.get_qform()))
    if not (_is_straight(first) and _is_straight(second)) or not np.allclose(first[:3, 3], second[:3, 3], atol=1e-4):
        return
    cosines = np.diag(_axes_of(first).T @ _axes_of(second))
    if np.allclose(np.abs(cosines), 1, atol=1e-4) and np.any(cosines < 0):
        raise FileError(
            f"{path}: its qform and sform have the same position but opposite axes, so that its place is not known; "
            "set the code of one of them to 0."
        )


def _is_straight(matrix: np.ndarray) -> bool:
    """Whether the axes of a matrix are at right angles (and none is of length 0)."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.all(np.isfinite(matrix)) or not np.all(lengths > 0):
        return False
    axes = matrix[:3, :3] / lengths
    return bool(np.allclose(axes.T @ axes, np.eye(3), atol=_MAX_SKEW))


def _axes_of(matrix: np.ndarray) -> np.ndarray:
    """The directions of a matrix, each of length 1 (0 where it has none)."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    return matrix[:3, :3] / np.where(lengths > 0, lengths, 1)


def _contradictions(header: Any, used: str, matrix: np.ndarray, spacing: np.ndarray) -> list[str]:
    """Notes on a form of another voxel size than pixdim, and on two forms that place the image differently."""
    notes = []
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.allclose(lengths, spacing, rtol=1e-3):
        stated, taken = (" x ".join(f"{v:.6g}" for v in sizes) for sizes in (lengths, spacing))
        notes.append(f"its {used} states voxels of {stated}, its pixdim {taken}; pixdim is used, as in ITK.")
    for other, second in _matrices(header).items():
        turn = np.abs(_axes_of(second) - _axes_of(matrix)).max()
        shift = np.abs(second[:3, 3] - matrix[:3, 3]).max()
        if other != used and (turn > 1e-3 or shift > 1e-2 * spacing.min() + 1e-5 * np.abs(matrix[:3, 3]).max()):
            notes.append(f"its qform and sform place the image differently; the {used} is used, as in ITK.")
    return notes


def _write_place(header: Any, geometry: Geometry) -> None:
    """Write pixdim, qform and sform with the codes of the image that the content came from, or else 1 (as ITK does).

    Codes of 0 are kept only where the place is the one that ITK gives to files without codes.
    """
    qform, sform = geometry.nifti_codes or (1, 1)
    plain = geometry.origin == (0.0, 0.0, 0.0) and np.allclose(geometry.direction, np.eye(3).ravel(), atol=1e-6)
    if not (qform or sform) and not plain:
        qform = sform = 1
    affine = _LPS_FROM_RAS @ geometry.ijk_to_lps
    header.set_qform(affine, code=qform) if qform else header.set_qform(None)
    header.set_sform(affine, code=sform) if sform else header.set_sform(None)
    header["pixdim"][1:4] = geometry.spacing


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
    image = kind(array.transpose(), None, dtype=array.dtype)
    _write_place(image.header, geometry)
    names = {unit: name for name, unit in _UNITS.items()}
    image.header.set_xyzt_units(names.get(geometry.unit, "unknown"))
    image.header.extensions.append(
        nibabel.nifti1.Nifti1Extension(_COMMENT_EXTENSION, record.dumps(content).encode("utf-8"))
    )
    if content.segments:
        text = label_tables.to_xml(content.segments).encode("utf-8")
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_CARET_EXTENSION, text))
    image.to_filename(path)
    return lost
