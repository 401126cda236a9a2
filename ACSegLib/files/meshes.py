"""Writes triangle meshes: STL, PLY, Wavefront OBJ and binary glTF (.glb).

All have positions in LPS, as Slicer writes them. glTF 2.0 takes lengths as metres. The numbers are those of the unit
all the same, because viewers cannot show a cell of a hundred-thousandth of a metre.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Json

if TYPE_CHECKING:
    from ACSegLib.triangle_mesh import Mesh

#: Endings of files that hold one mesh, and of those that hold several with their names.
ONE, SEVERAL = (".stl", ".ply"), (".obj", ".glb")
ENDINGS = (*ONE, *SEVERAL)
_STL_NAME_BYTES = 80
_GLTF_FLOAT, _GLTF_UINT, _GLTF_VERTICES, _GLTF_INDICES = 5126, 5125, 34962, 34963
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"


def save_meshes(meshes: Sequence[Mesh], path: str | os.PathLike[str]) -> None:
    """Write meshes in the format that the ending of `path` names, whole or not at all.

    Parameters
    ----------
    meshes : sequence of Mesh
        One for .stl and .ply.

    Raises
    ------
    FileError
        If the ending is not known, the format cannot hold several meshes, or the disk refuses.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise FileError(f"cannot write {path}: the name of a mesh must end in one of: {', '.join(ENDINGS)}.")
    if ending in ONE and len(meshes) != 1:
        raise FileError(f"cannot write {path}: {ending} holds one mesh, not {len(meshes)}; choose .obj or .glb.")
    write = {".stl": _write_stl, ".ply": _write_ply, ".obj": _write_obj, ".glb": _write_glb}[ending]
    with atomic_output(path) as temporary, open(temporary, "wb") as stream:
        write(stream, meshes)


def _header(mesh: Mesh) -> str:
    return f"ACSeg; SPACE=LPS; UNIT={mesh.unit}"


def _write_stl(stream: IO[bytes], meshes: Sequence[Mesh]) -> None:
    mesh = meshes[0]
    corners = mesh.points.astype("<f4")[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    rows = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    rows["normal"], rows["corners"] = normals, corners
    stream.write(_header(mesh).encode("ascii", "replace").ljust(_STL_NAME_BYTES))
    stream.write(np.uint32(len(rows)).astype("<u4").tobytes())
    stream.write(rows.tobytes())


def _write_ply(stream: IO[bytes], meshes: Sequence[Mesh]) -> None:
    mesh = meshes[0]
    colours = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    stream.write(
        f"ply\nformat binary_little_endian 1.0\ncomment {_header(mesh)}\ncomment {_line(mesh.name)}\n"
        f"element vertex {len(mesh.points)}\nproperty float x\nproperty float y\nproperty float z\n{colours}"
        f"element face {len(mesh.triangles)}\nproperty list uchar int vertex_indices\nend_header\n".encode()
    )
    vertices = np.zeros(len(mesh.points), [("position", "<f4", 3), ("colour", "u1", 3)])
    vertices["position"], vertices["colour"] = mesh.points, np.round(255 * np.clip(mesh.colour, 0, 1))
    faces = np.zeros(len(mesh.triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.triangles
    stream.write(vertices.tobytes())
    stream.write(faces.tobytes())


def _write_obj(stream: IO[bytes], meshes: Sequence[Mesh]) -> None:
    """One object for each mesh; colours follow the positions of the vertices, as many programs read them."""
    stream.write(f"# {_header(meshes[0])}\n".encode())
    first = 1
    for mesh in meshes:
        colour = " ".join(f"{value:.4g}" for value in mesh.colour)
        stream.write(f"o {_line(mesh.name)}\n".encode())
        np.savetxt(stream, mesh.points, f"v %.9g %.9g %.9g {colour}")
        np.savetxt(stream, mesh.triangles + first, "f %d %d %d")
        first += len(mesh.points)


def _line(name: str) -> str:
    return " ".join(name.split()) or "segment"


def _write_glb(stream: IO[bytes], meshes: Sequence[Mesh]) -> None:
    """One node, mesh and material for each mesh; see the glTF 2.0 specification, section 4 (GLB)."""
    parts, views, accessors = list[bytes](), list[Json](), list[Json]()

    def add(array: np.ndarray, target: int, **accessor: Any) -> int:
        data = array.tobytes()
        views.append({"buffer": 0, "byteOffset": sum(map(len, parts)), "byteLength": len(data), "target": target})
        accessors.append({"bufferView": len(views) - 1, **accessor})
        parts.append(data)
        return len(accessors) - 1

    surfaces, materials = [], []
    for mesh in meshes:
        points = mesh.points.astype("<f4")
        low, high = ([float(v) for v in f(axis=0)] for f in (points.min, points.max))
        position = add(
            points, _GLTF_VERTICES, componentType=_GLTF_FLOAT, count=len(points), type="VEC3", min=low, max=high
        )
        corners = mesh.triangles.astype("<u4").ravel()
        indices = add(corners, _GLTF_INDICES, componentType=_GLTF_UINT, count=len(corners), type="SCALAR")
        linear = [round(float(v) ** 2.2, 4) for v in np.clip(mesh.colour, 0, 1)]
        materials.append(
            {"name": mesh.name, "pbrMetallicRoughness": {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0}}
        )
        primitive = {"attributes": {"POSITION": position}, "indices": indices, "material": len(materials) - 1}
        surfaces.append({"name": mesh.name, "primitives": [primitive]})
    content = {
        "asset": {"version": "2.0", "generator": "ACSeg", "extras": {"space": "LPS", "unit": meshes[0].unit}},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(meshes)))}],
        "nodes": [{"name": mesh.name, "mesh": n} for n, mesh in enumerate(meshes)],
        "meshes": surfaces,
        "materials": materials,
        "buffers": [{"byteLength": sum(map(len, parts))}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(parts)
    lengths = np.array([2, 12 + 8 + len(text) + 8 + len(binary)], "<u4")
    stream.write(b"glTF" + lengths.tobytes())
    for kind, chunk in ((_JSON_CHUNK, text), (_BINARY_CHUNK, binary)):
        stream.write(np.uint32(len(chunk)).astype("<u4").tobytes() + kind + chunk)
