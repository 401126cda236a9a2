"""A worker process in a fresh Slicer: the packages that it lacks cannot be imported before they were installed.

``python freshworker.py FILE``: `FILE` exists once they were.
"""

import sys
from pathlib import Path

#: What Slicer does not have by itself.
LACKING = {
    *("numba", "llvmlite", "psutil", "nrrd", "torch", "monai", "lightning", "sklearn", "skimage", "matplotlib", "h5py"),
    *("mrcfile", "tifffile", "nibabel", "zarr", "openvino", "safetensors", "openpyxl", "cv2", "rich"),
}


class Fresh:
    """Finds none of the lacking packages."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        sys.meta_path.insert(0, Fresh())
    from ACSegLib.worker import __main__ as worker

    sys.exit(worker.main())
