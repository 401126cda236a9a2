import warnings

import numpy as np
import pytest
from tifffile import imwrite

from ACSegLib.commands import load
from ACSegLib.commands.inputs import find_images, is_folder_of_images, is_one_image
from ACSegLib.commands.pairs import find_pairs
from ACSegLib.errors import FileError
from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.volume import Segmentation, Volume

IMAGE = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for name in ("slices", "volumes", "pictures"):
        (tmp_path / name).mkdir()
    for k, plane in enumerate(IMAGE):
        imwrite(tmp_path / "slices" / f"s{k}.tif", plane)
    (tmp_path / "volumes" / "a_broken.tif").write_bytes(b"nothing")
    save_volume(Volume(IMAGE, name="b"), tmp_path / "volumes" / "b.tif")
    return tmp_path


def test_a_folder_of_slices_is_one_image_and_a_folder_of_volumes_is_not(folder):
    assert find_images([str(folder / "slices")]) == [str(folder / "slices")]
    assert is_one_image(str(folder / "slices"))
    assert is_folder_of_images(str(folder / "volumes"))
    names = [path.rpartition("/")[2] for path in find_images([str(folder / "volumes")])]
    assert names == ["a_broken.tif", "b.tif"]
    with pytest.raises(FileError, match="holds no image"):
        find_images([str(folder / "pictures")])


def test_images_in_sub_folders_are_not_searched_and_that_is_told(tmp_path):
    (tmp_path / "cell1").mkdir()
    save_volume(Volume(np.arange(8, dtype=np.uint8).reshape(2, 2, 2)), tmp_path / "cell1" / "image.nrrd")
    with pytest.raises(FileError, match="holds no image, and its sub-folders are not searched; name one of them"):
        find_images([str(tmp_path)])


def test_zarr_is_one_image(folder):
    save_volume(Volume(IMAGE, name="c"), folder / "c.ome.zarr")
    assert find_images([str(folder / "c.ome.zarr")]) == [str(folder / "c.ome.zarr")]


def test_images_and_segmentations_of_one_folder_are_paired(folder):
    save_volume(Volume(IMAGE, name="b"), folder / "volumes" / "c.nrrd")
    (folder / "volumes" / "a_broken.tif").unlink()
    for name in "bc":
        labels = Segmentation.from_labels((IMAGE > 0.5).astype(np.uint8), Volume(IMAGE).geometry)
        save_segmentation(labels, folder / "volumes" / f"{name}.seg.nrrd")
    both = [str(folder / "volumes")]
    assert [(p.image[-6:], p.labels[-10:]) for p in find_pairs(both, both)] == [
        ("/b.tif", "b.seg.nrrd"),
        ("c.nrrd", "c.seg.nrrd"),
    ]


def test_a_folder_of_slices_has_its_labels(folder):
    labels = folder / "cell.seg.nrrd"
    save_segmentation(Segmentation.from_labels((IMAGE > 0.5).astype(np.uint8), Volume(IMAGE).geometry), labels)
    (pair,) = find_pairs([str(folder / "slices")], [str(labels)])
    assert pair.openers(load("train").Options("m.acseg"))[0]().shape == IMAGE.shape


def test_looking_for_slices_says_nothing_of_what_the_files_state(tmp_path):
    movie = np.zeros((3, 4, 5), np.uint8)
    imwrite(tmp_path / "movie.tif", movie, imagej=True, metadata={"axes": "TYX"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_folder_of_images(str(tmp_path))
