"""Arguments of wrong types and values end in one sentence that names them."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import ACSegLib as acseg
from ACSegLib import api
from ACSegLib.errors import FileError, InputError, MemoryLimitError

Z, Y, X = np.indices((9, 10, 11))
BALL = (Z - 4) ** 2 + (Y - 5) ** 2 + (X - 5) ** 2 < 16
SPARSE = BALL & (Z % 2 == 0)
DATA = {
    "compare": {"result": BALL, "reference": BALL},
    "correct": {"image": 1.0 * BALL, "segmentation": BALL & (X < 6), "corrected": BALL & ((X < 6) | (Z == 4))},
    "fill": {"image": 1.0 * BALL, "labels": SPARSE},
    "measure": {"labels": BALL},
    "open": {"path": "missing.nrrd"},
    "save": {"path": "missing/a.nrrd", "data": acseg.Volume(1.0 * BALL)},
    "split": {"labels": BALL},
}
VALUES = (None, "a", np.nan, np.inf, -1, 0, True, [], 10**30, b"x", {"a": "b"}, np.zeros(2), object())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name in DATA for p in inspect.signature(getattr(api, name)).parameters]
)
def test_any_value_of_any_parameter_gives_a_result_or_one_sentence(name, parameter):
    sentences = []
    for value in VALUES:
        try:
            getattr(api, name)(**{**DATA[name], parameter: value})
        except (InputError, FileError, MemoryLimitError) as error:
            sentences.append(str(error))
    assert [text for text in sentences if not text.endswith(".") or "\n" in text] == []


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: api.split(BALL, smallest="a"), "smallest must be a number or None, not 'a'."),
        (lambda: api.measure(BALL, min_volume="a"), "min_volume must be a number, not 'a'."),
        (lambda: api.measure(BALL, contact_gap=-1), "contact_gap -1 is out of range; it must be at least 0."),
        (lambda: api.measure(BALL, cells="no"), "cells must be True or False, not 'no'."),
        (lambda: api.measure(BALL, segments=[1]), "segments must be text or a list of texts, not [1]."),
        (lambda: api.measure(BALL, progress=print), "progress must be an acseg.Progress or None, not <built-in fu"),
        (
            lambda: api.measure(BALL, spacing=1, unit="nm", table_unit="a"),
            "table_unit 'a' is not one of: um, nm",
        ),
        (lambda: api.measure(BALL, thin_radius=np.inf), "thin_radius inf is out of range; it must be a finite number."),
        (lambda: api.compare(BALL, BALL, tolerance=np.nan), "tolerance nan is out of range; it must be at least 0."),
        (lambda: api.compare(BALL, BALL, slice=4), "slice must be text, not 4."),
        (lambda: api.correct(BALL, BALL, BALL, slices=4), "slices=4 is not a list of slice numbers"),
        (lambda: api.correct(BALL, BALL, BALL, slices={"z": 4}), "slices {'z': 4} does not give a list"),
        (lambda: api.correct(BALL, BALL, "a"), "label array 'corrected' must be a 3D array"),
        (lambda: api.split(BALL, seeds="a"), "label array 'seeds' must be a 3D array"),
        (lambda: api.refill(BALL, BALL), "previous must be the result of a fill, not ndarray."),
        (lambda: api.fill(BALL, SPARSE, gamma=0), "gamma=0 is out of range; it must be 0.001 to 100."),
        (lambda: api.fill(BALL, SPARSE, islands="a"), "islands must be a number or None, not 'a'."),
        (lambda: api.fill(BALL, SPARSE, spacing=True), "spacing must be one or three positive numbers"),
        (lambda: api.predict(BALL, tile=7), "tile must be a list of whole numbers, not 7."),
        (lambda: api.predict(BALL, stride=1.5), "stride must be a whole number, not 1.5."),
        (lambda: api.train([(BALL, BALL)], epochs="a"), "epochs must be a whole number or None, not 'a'."),
        (lambda: api.predict(BALL, refine="a"), "refine 'a' is not one of: auto, none, network, walk."),
        (lambda: api.predict(BALL, stride=0), "stride=0 is out of range; it must be at least 1."),
        (lambda: api.predict(BALL, memory=np.nan), "memory nan is out of range"),
        (lambda: api.predict(BALL, memory=np.inf), "memory inf is out of range; it must be a finite number."),
        (lambda: api.train([(BALL, BALL)], learning_rate=9.0), "learning_rate=9.0 is out of range"),
        (lambda: api.open(3), "path must be a path, not 3."),
    ],
)
def test_the_sentence_names_parameter_and_value(call, sentence):
    with pytest.raises(InputError) as raised:
        call()
    assert str(raised.value).startswith(sentence)


def test_numbers_and_texts_of_numpy_and_paths_are_taken():
    table = api.measure(BALL, segments=np.array(["Segment_1"]), min_volume=np.float32(1), connectivity=np.int64(6))
    assert table[0]["voxels"] == BALL.sum()
    with pytest.raises(FileError, match="missing"):
        api.open(Path("missing.nrrd"))
