"""How volumes and segmentations show themselves: a thumbnail and a table of their geometry, as HTML for notebooks."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

#: Longest side of a thumbnail, in pixels.
MAX_THUMBNAIL = 160
#: Percentiles between which the intensities of a thumbnail are shown; outliers would make it black.
_CONTRAST = (0.5, 99.5)


def shrink(plane: np.ndarray) -> np.ndarray:
    """Every n-th row and column of a plane, so that neither side exceeds `MAX_THUMBNAIL`."""
    step = max(1, -(-max(plane.shape) // MAX_THUMBNAIL))
    return np.asarray(plane[::step, ::step])


def grey_thumbnail(plane: np.ndarray) -> np.ndarray:
    """Intensities of a plane as grey levels, uint8 (rows, columns, 3); values that are not finite are black."""
    plane = shrink(plane).astype(np.float32)
    finite = np.isfinite(plane)
    if not finite.any():
        return np.zeros((*plane.shape, 3), np.uint8)
    low, high = np.percentile(plane[finite], _CONTRAST)
    scaled = (np.where(finite, plane, low) - low) / (high - low) if high > low else np.full(plane.shape, 0.5)
    grey = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    grey[~finite] = 0
    return np.repeat(grey[..., None], 3, axis=2)


def label_thumbnail(planes: Iterable[np.ndarray], colours: Sequence[Mapping[int, Sequence[float]]]) -> np.ndarray:
    """Labels of a plane in the colours of their segments, uint8 (rows, columns, 3); later layers lie on top.

    Parameters
    ----------
    planes : iterable of ndarray, each (rows, columns)
        One for each layer.
    colours : sequence of mapping
        For each layer: value -> sRGB colour, 0 to 1.
    """
    picture: np.ndarray | None = None
    for plane, table in zip(planes, colours, strict=True):
        plane = shrink(plane)
        if picture is None:
            picture = np.zeros((*plane.shape, 3), np.uint8)
        for value, colour in table.items():
            picture[plane == value] = np.round(np.asarray(colour) * 255).astype(np.uint8)
    if picture is None:
        raise ValueError("a segmentation has at least one layer")
    return picture


def png(picture: np.ndarray) -> bytes:
    """Encode an RGB picture, uint8 (rows, columns, 3), as PNG (ISO/IEC 15948)."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = picture.reshape(rows, -1)
    header = struct.pack(">2I5B", columns, rows, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def card(title: str, rows: Iterable[tuple[str, str]], picture: np.ndarray, caption: str) -> str:
    """A thumbnail beside a table, as HTML; all text is escaped.

    Parameters
    ----------
    title : str
    rows : iterable of (name, value)
    picture : ndarray of uint8, (rows, columns, 3)
    caption : str
        What the picture shows.
    """
    left = ' style="text-align:left"'
    cells = "".join(
        f"<tr><th{left}>{html.escape(name)}</th><td{left}>{html.escape(value)}</td></tr>" for name, value in rows
    )
    data = base64.b64encode(png(picture)).decode("ascii")
    text = html.escape(caption, quote=True)
    return (
        '<div style="display:flex;gap:1em;align-items:flex-start">'
        f'<figure style="margin:0"><img alt="{text}" src="data:image/png;base64,{data}" '
        f'style="max-width:{MAX_THUMBNAIL}px;image-rendering:pixelated"/>'
        f'<figcaption style="font-size:smaller">{text}</figcaption></figure>'
        f"<div><strong>{html.escape(title)}</strong><table>{cells}</table></div></div>"
    )
