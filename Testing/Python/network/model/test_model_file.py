import json
import math
import os
import pickle
import struct

import pytest
import torch

from ACSegLib.errors import FileError, InputError
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.model_file import METADATA_KEY, Model, load_model, read_card, save_model, write_tensors
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.volume import Segment


@pytest.fixture
def model():
    spec = unet_spec(2, base=4)
    segments = [
        Segment("cytoplasm", 1, (0.5, 0.7, 0.5), terminology="T~Cytoplasm"),
        Segment("bead", 4, (1.0, 0.0, 0.0)),
    ]
    card = {"licence": "CC0", "validation": {"dice": {"bead": 0.5}}}
    return Model(
        spec,
        build_network(spec).state_dict(),
        segments,
        Preprocessing(patch_size=(16, 16, 16)),
        (30.0, 30.0, 60.0),
        "nm",
        card,
    )


def rewrite(path, change):
    """Write a file with the same tensors and a changed JSON header."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    own = json.loads(header["__metadata__"][METADATA_KEY])
    change(own)
    header["__metadata__"][METADATA_KEY] = json.dumps(own)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_round_trip(tmp_path, model):
    path = tmp_path / "m.acseg"
    save_model(model, path)
    assert os.listdir(tmp_path) == ["m.acseg"]
    found = load_model(path)
    assert (found.spec, found.segments, found.preprocessing) == (model.spec, model.segments, model.preprocessing)
    assert (found.spacing, found.unit, found.card) == ((30.0, 30.0, 60.0), "nm", model.card)
    image = torch.randn(1, 1, 16, 16, 16)
    again = build_network(model.spec).eval()
    again.load_state_dict(model.state_dict)
    assert torch.equal(found.network()(image), again(image))


def test_a_model_is_shown_without_its_weights(model):
    assert repr(model) == "<Model: unet, 2 segments (cytoplasm, bead), voxel size (60, 30, 30) nm>"


@pytest.mark.parametrize("arrays", [False, True])
def test_weights_come_in_one_order(tmp_path, model, arrays):
    save_model(model, tmp_path / "a.acseg")
    names = list(load_model(tmp_path / "a.acseg", arrays=arrays).state_dict)
    assert names == sorted(names)


def test_card_reads_the_header_alone(tmp_path, model):
    path = tmp_path / "m.acseg"
    save_model(model, path)
    assert read_card(path).card == model.card
    assert read_card(path).state_dict == {}
    for size in (path.stat().st_size - 1, path.stat().st_size // 2, path.stat().st_size + 1):
        os.truncate(path, size)
        for read in (read_card, load_model):
            with pytest.raises(FileError, match="is damaged"):
                read(path)
        os.unlink(path)
        save_model(model, path)


@pytest.mark.parametrize("kept", [0, 5, 8, 40, 2000])
def test_cut_file(tmp_path, model, kept):
    path = tmp_path / "m.acseg"
    save_model(model, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileError, match=r"m\.acseg"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(version=2), "update ACSeg"),
        (lambda h: h.update(format="other"), "not a model file"),
        (lambda h: h.update(segments=[{"name": "a", "value": -1, "colour": [0, 0, 0]}]), "damaged"),
        (lambda h: h.update(segments=[{"name": "a"}]), "damaged"),
        (lambda h: h.update(spacing=[1, 0, 1]), "spacing"),
        (lambda h: h.update(unit="parsec"), "parsec"),
        (lambda h: h.update(spec="os.system('true')"), "damaged"),
        (lambda h: h.pop("card"), "damaged"),
        (lambda h: h["segments"].pop(), "1 segments for 2 outputs"),
        (lambda h: h["spec"].pop("out_channels"), "damaged"),
        (lambda h: h["segments"][0].update(value=math.inf), "damaged"),
        (lambda h: h["segments"].__setitem__(0, None), "damaged"),
    ],
)
def test_bad_header(tmp_path, model, change, message):
    path = tmp_path / "m.acseg"
    save_model(model, path)
    rewrite(path, change)
    with pytest.raises(FileError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        (("preprocessing", "patch_size"), [64, -1, 64]),
        (("preprocessing", "patch_size"), [64, 64, 10**9]),
        (("preprocessing", "longest_side"), -3),
        (("preprocessing", "mean_side"), 1e308),
        (("preprocessing", "mean_side"), float("nan")),
        (("preprocessing", "mean_side"), "x"),
        (("preprocessing", "normalisation"), {"kind": "volume", "percentiles": [99, 1]}),
        (("preprocessing", "normalisation"), {"kind": "volume", "percentiles": [-1, 101]}),
        (("segments", 0, "value"), 1e308),
        (("segments", 0, "value"), 0),
        (("version",), -1),
    ],
)
def test_absurd_numbers_of_a_header_are_refused(tmp_path, model, entries, value):
    path = tmp_path / "m.acseg"
    save_model(model, path)

    def change(header):
        for entry in entries[:-1]:
            header = header[entry]
        header[entries[-1]] = value

    rewrite(path, change)
    with pytest.raises(FileError, match=r"m\.acseg"):
        load_model(path)


@pytest.mark.parametrize(
    "header",
    [
        "5",
        "null",
        '"x"',
        "[]",
        "{}",
        '{"__metadata__": {"acseg": "{}"}, "w": {"data_offsets": []}}',
        '{"__metadata__": {"acseg": "{}"}, "w": {"data_offsets": [0, Infinity]}}',
        "[" * 100_000,
    ],
)
def test_headers_that_are_json_but_no_header(tmp_path, header):
    path = tmp_path / "m.acseg"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(16))
    with pytest.raises(FileError, match=r"m\.acseg"):
        read_card(path)


def test_crafted_pickle_runs_no_code(tmp_path):
    marker = tmp_path / "ran"

    class Crafted:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    for name, write in (
        ("a.pt", lambda p: torch.save({"x": Crafted()}, p)),
        ("b.pkl", lambda p: p.write_bytes(pickle.dumps(Crafted()))),
    ):
        write(tmp_path / name)
        with pytest.raises(FileError, match="could run code"):
            load_model(tmp_path / name)
    assert not marker.exists()


def test_weights_must_fit_the_network(tmp_path, model):
    path = tmp_path / "m.acseg"
    save_model(model, path)
    rewrite(path, lambda h: h["spec"].update(filters=[4, 8, 16, 31]))
    with pytest.raises(InputError, match="do not fit"):
        load_model(path).network()


def test_foreign_and_missing_files(tmp_path):
    for name, content, message in (
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "model import"),
        ("a.txt", b"hello, this is no model at all", "not a model file"),
        ("huge", struct.pack("<Q", 2**62) + b"{}", "not a model file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=message):
            read_card(tmp_path / name)
    with pytest.raises(FileError, match="does not exist"):
        read_card(tmp_path / "none")
    with pytest.raises(FileError, match="folder"):
        read_card(tmp_path)


def test_missing_output_folder_leaves_nothing(tmp_path, model):
    with pytest.raises(FileError, match="does not exist"):
        save_model(model, tmp_path / "no" / "m.acseg")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_models_name_is_not_replaced(tmp_path, model):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "kept").touch()
    with pytest.raises(FileError, match="it is a folder; name a file in it"):
        save_model(model, tmp_path / "models")
    assert (tmp_path / "models" / "kept").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_others_may_read_a_model_as_they_may_any_new_file(tmp_path, model):
    save_model(model, tmp_path / "m.acseg")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "m.acseg").stat().st_mode == (tmp_path / "plain").stat().st_mode
    write_tensors({"weight": torch.zeros(3)}, "{}", tmp_path / "training.checkpoint")
    assert (tmp_path / "training.checkpoint").stat().st_mode == (tmp_path / "plain").stat().st_mode
