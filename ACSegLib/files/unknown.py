"""What is said of a file or folder that no format recognises."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.formats import dicom, zarr_places
from ACSegLib.wording import listed

_LISTED = 8
#: Bytes in which the first tag of an XML file stands.
_XML = 400
_DRAW = "draw the outlines into a label stack in the program that wrote it"
_EXPORT = "export it as TIFF or OME-TIFF in the program that wrote it"
_SOURCE_OF_MESH = "open the image or the labels that it was made from"
_IN_FIJI = "open it in Fiji, and save it as TIFF"
_TO_NETCDF_4 = "convert it with nccopy -k netCDF-4"
_UNPACK = "unpack it, and open what lies in it"
#: What is said of films, which beamlines show reconstructions as: they are compressed, and have no voxel size.
_FRAMES = "open the reconstruction that it shows, or export its frames as a stack of TIFF files"
#: Where a film of QuickTime's kind says so.
_FILM, _FILM_PLACE = b"ftyp", slice(4, 8)
#: What files of other kinds begin with, what they are, and what to do.
_KINDS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of Zeiss (.txrm, .txm, .zvi), Olympus (.oib) or Office", _EXPORT),
    (b"ZISRAWFILE", "a CZI file of Zeiss", _EXPORT),
    (b"\x70\0\0\0", "a LIF file of Leica", _EXPORT),
    (b"\xda\xce\xbe\x0a", "an ND2 file of Nikon", _EXPORT),
    (b"# vtk DataFile", "a VTK file", "save it as .nrrd or .mha in Slicer or ParaView"),
    (b"solid ", "a surface mesh", _SOURCE_OF_MESH),
    (b"ply", "a surface mesh", _SOURCE_OF_MESH),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", "save it with -v7.3, or as TIFF"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself with git lfs pull"),
    (b"<MRML", "a scene of Slicer", "open the volume or the segmentation that lies beside it"),
    (b"Iout", "an outline of ImageJ (.roi)", _DRAW),
    (b"IMODV1", "a model of IMOD", f"{_DRAW}, with imodmop"),
    (b"\x1aE\xdf\xa3", "a film (Matroska, WebM)", _FRAMES),
    (b"CDF\1", "a file of netCDF 3", _TO_NETCDF_4),
    (b"CDF\2", "a file of netCDF 3", _TO_NETCDF_4),
    (b"CDF\5", "a file of netCDF 3", _TO_NETCDF_4),
    (b"SIMPLE  =", "a FITS file", _IN_FIJI),
    (b"ics_version", "an ICS file", _EXPORT),
    (b"OLYMPUSRAWFORMAT", "an OIR file of Olympus", _EXPORT),
    (b"# HyperSurface", "a surface mesh", _SOURCE_OF_MESH),
    (b"7z\xbc\xaf\x27\x1c", "an archive", _UNPACK),
    (b"Rar!", "an archive", _UNPACK),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
)
#: The same for files that only their names tell.
_NAMES = (
    ((".stl", ".obj", ".vrml", ".wrl"), "a surface mesh", _SOURCE_OF_MESH),
    ((".em", ".spi"), "a volume of TOM or SPIDER", "convert it to .mrc with EMAN2 (e2proc3d.py)"),
    ((".labeling", ".bson"), "a labelling of Labkit", "save it as .tif in Labkit"),
    ((".orsobject", ".orssession"), "a file of Dragonfly", "export the image and the labels as TIFF stacks there"),
    ((".vgi", ".vgl", ".xtekct"), "the header of a CT reconstruction", _EXPORT),
    ((".pkl", ".pickle"), "a pickle of Python", "save the array with numpy.save, as .npy"),
    ((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"), "an archive", _UNPACK),
    ((".raw", ".vol"), "voxels without a header", "import it in Fiji or Slicer, and save it as .nrrd"),
    ((".dm3", ".dm4"), "a file of DigitalMicrograph", _EXPORT),
    ((".mgz", ".mgh"), "a file of FreeSurfer", "convert it to .nii.gz with mri_convert"),
    ((".gipl", ".gipl.gz", ".mnc"), "an image of an older format", "save it as .nrrd or .nii.gz in ITK-SNAP or Slicer"),
    ((".companion.ome",), "the metadata of OME-TIFF files", "open the first of these"),
    ((".gz",), "packed with gzip", "unpack it, and open what comes out"),
    ((".bz2", ".xz", ".zst", ".lz4"), "a packed file", "unpack it, and open what comes out"),
)
#: Kinds of RIFF files, by what stands behind their length.
_RIFF, _RIFF_PLACE = {b"AVI ": ("a film (AVI)", _FRAMES), b"WEBP": ("a WebP picture", "save the slices as PNG")}, 8
#: Endings of headers that name a file of voxels, and bytes of one that are looked at.
_HEADERS, _HEADER = (".mhd", ".nhdr", ".mha", ".nrrd"), 1 << 16
#: Files that tell a folder of Zarr's relatives.
_FOLDERS = {"attributes.json": "N5", "info": "Neuroglancer's precomputed format"}


def unknown(path: Path, head: bytes, known: list[str]) -> FileError:
    """Give the error for a file of no known format: what it is, and what to do."""
    if path.name.lower().endswith((".img", ".img.gz")):
        return FileError(f"{path}: holds voxels alone; put the .hdr file of the same name into the same folder.")
    if path.is_file() and (header := _header_beside(path)):
        return FileError(f"{path}: holds the voxels of {header.name}; open {header.name}.")
    if path.name.lower().endswith(".acseg"):
        return network_error(path)
    if path.is_dir() and (below := dicom.folders_below(path)):
        more = f" and {len(below) - _LISTED} more" if len(below) > _LISTED else ""
        return FileError(
            f"{path}: holds DICOM files in folders below; give one of them: {', '.join(below[:_LISTED])}{more}."
        )
    for name, kind in _FOLDERS.items():
        if (path / name).is_file():
            return FileError(f"{path}: is in {kind}, which ACSeg cannot read; convert it to OME-Zarr.")
    if path.is_dir():
        folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if folders:
            return FileError(
                f"{path}: is a folder, but not of slices, DICOM files or Zarr; name a file in it, or one of its "
                f"folders: {listed(folders)}."
            )
        return FileError(f"{path}: is a folder, but not of slices, DICOM files or Zarr; name a file in it.")
    if zarr_places.is_zip(head):
        if path.suffix.lower() == ".npz":
            return FileError(f"{path}: is an archive of NumPy arrays; save the one you need with numpy.save, as .npy.")
        if _holds_outlines(path):
            return FileError(f"{path}: is a ROI set of ImageJ, which ACSeg cannot read; {_DRAW}.")
        return FileError(f"{path}: is an archive without a Zarr image; unpack it, and open what lies in it.")
    if head[_FILM_PLACE] == _FILM:
        return FileError(f"{path}: is a film (MP4, MOV), which ACSeg cannot read; {_FRAMES}.")
    if b"<VTKFile" in head[:_XML]:
        return FileError(f"{path}: is a VTK file, which ACSeg cannot read; save it as .nrrd in Slicer or ParaView.")
    named = [(kind, advice) for endings, kind, advice in _NAMES if path.name.lower().endswith(endings)]
    begun = [(kind, advice) for start, kind, advice in _KINDS if head.startswith(start)]
    riff = [_RIFF[head[_RIFF_PLACE:][:4]]] if head.startswith(b"RIFF") and head[_RIFF_PLACE:][:4] in _RIFF else []
    for kind, advice in [*riff, *begun, *named]:
        return FileError(f"{path}: is {kind}, which ACSeg cannot read; {advice}.")
    return FileError(
        f"{path}: is not in a format that ACSeg can read; save it in one of these, in the program that wrote it or in "
        f"Fiji: {', '.join(known)}."
    )


def _header_beside(path: Path) -> Path | None:
    """The header of MetaImage or NRRD that lies beside a file of voxels and names it; None where there is none."""
    for ending in _HEADERS:
        header = path.with_name(path.name.partition(".")[0] + ending)
        header = header if header.is_file() else path.with_suffix(ending)
        if header != path and header.is_file() and path.name.encode() in header.read_bytes()[:_HEADER]:
            return header
    return None


def _holds_outlines(path: Path) -> bool:
    """Whether an archive is a set of the ROI Manager."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def network_error(path: Path) -> FileError:
    """Why a model of ACSeg or Biomedisa is not opened."""
    return FileError(f"{path}: is a network, and no image; 'acseg model info' shows it, 'acseg predict' uses it.")
