"""Tables that a report can hardly use: each gives a page, or one sentence that says what to do."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from openpyxl import load_workbook

from ACSegLib.commands.main import main
from ACSegLib.files.tables import write_table

ODD = ["a,b", "=1+1", '"quoted"', "emoji 🧫", "<b>x</b>", r"$\frac{1}$", "O'Brien", "two\nlines", "-5", "@sum"]


def cells(names, group="T", **more):
    """Rows of acseg measure."""
    rng = np.random.default_rng(len(names))
    head = {"segment": "cell", "kind": "segment", "unit": "um", "voxels": 9000, "touches_border": False}
    return [
        {**head, "volume_name": n, "group": group, "volume": rng.normal(300, 30), "sphericity": rng.uniform(0.7, 0.9)}
        | {"surface_to_volume": rng.normal(0.8, 0.1), **more}
        for n in names
    ]


def scores(names, **more):
    """Rows of acseg compare."""
    rng = np.random.default_rng(len(names))
    return [
        {"volume_name": n, "segment": "cell", "unit": "um", "dice": rng.uniform(0.8, 1), "truth_volume": 300.0}
        | {"result_volume": rng.normal(300, 30), "average_surface_distance": rng.gamma(2) / 20, **more}
        for n in names
    ]


@pytest.fixture
def report(tmp_path, capsys):
    """Write the report of tables; gives the page, or the sentence on standard error."""

    def run(*more, **tables):
        arguments = ["report", "-o", str(tmp_path / "r.html"), "--tables", str(tmp_path / "r.xlsx"), "--quiet"]
        for option, named in tables.items():
            arguments.append(f"--{option}")
            for n, (name, rows) in enumerate(named.items()):
                write_table(rows, tmp_path / f"{option}{n}.csv")
                arguments.append(f"{name}={tmp_path / f'{option}{n}.csv'}")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code = main([*arguments, *more])
        if code:
            assert not (tmp_path / "r.html").exists()
            return capsys.readouterr().err
        return (tmp_path / "r.html").read_text(encoding="utf-8")

    return run


def test_names_with_commas_formulas_quotes_and_emoji_stay_what_they_are(report, tmp_path):
    page = report(
        "--figures",
        str(tmp_path / "f"),
        cells={'"x", 🧫': cells(ODD), "$y": cells(ODD, "=2")},
        scores={"n": scores(ODD)},
    )
    assert "<b>x</b>" not in page
    for text in ("a,b", "=1+1", "&#34;quoted&#34;", "emoji 🧫", "&lt;b&gt;x&lt;/b&gt;", r"$\frac{1}$", "O&#39;Brien"):
        assert f'">{text}</td>' in page
    sheet = load_workbook(tmp_path / "r.xlsx")["scores"]
    names = [cell for cell in list(sheet.columns)[1][1:]]
    assert [cell.value for cell in names] == ODD
    assert {cell.data_type for cell in names} == {"s"}  # none is a formula
    assert len(list((tmp_path / "f").glob("*.pdf"))) > 3


def test_one_cell_and_groups_of_one_are_described_and_not_tested(report):
    page = report(cells={"a": cells(["one"])}, scores={"n": scores(["one"])})
    assert "<svg" not in page
    assert "described, not tested" in page
    page = report(cells={"A": cells(["a"]), "B": cells(["b"]), "C": cells(["c"])})
    assert "needs two groups of 4 volumes or more; group &#39;A&#39; has 1." in page
    assert "Hedges" not in page


def test_one_group_is_described(report):
    page = report(cells={"a": cells("abcdef")})
    assert page.count("<svg") == 3
    assert "Comparison of groups" not in page


def test_undefined_values_leave_a_page(report):
    empty = {"volume": float("nan"), "lac_mean": None}
    page = report(
        cells={"A": cells("abcde", **empty), "B": cells("fghij", **empty)}, scores={"n": scores("ab", dice=None)}
    )
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.S).lower()
    assert '<th class="">Dice' not in page


@pytest.mark.parametrize(("option", "words"), [("cells", "no column 'volume'"), ("scores", "no column 'dice'")])
def test_a_table_of_another_study_is_named(report, option, words):
    sentence = report(**{option: {"x": [{"patient": 1, "age": 3}]}})
    assert words in sentence
    assert f"{option}0.csv" in sentence
    assert sentence.count("\n") == 1


def test_a_table_of_another_study_is_no_learning_curve(report, tmp_path):
    write_table([{"patient": 1}], tmp_path / "other.csv")
    sentence = report("--learning-curve", str(tmp_path / "other.csv"))
    assert "other.csv: the table has no column 'volumes'; give a table of acseg learning-curve." in sentence


def test_a_file_whose_name_has_an_equals_sign_is_read(report, tmp_path):
    write_table(cells("abcd"), tmp_path / "day=1.csv")
    assert "day=1" in report("--cells", str(tmp_path / "day=1.csv"))


def test_a_page_of_thousands_of_cells_stays_small(report):
    names = [f"cell {n}" for n in range(1200)]
    page = report(cells={"A": cells(names), "B": cells(names, "B")})
    assert len(page.encode()) < 1e6
    assert page.count("<tr>") < 700
    assert "more rows are in the workbook" in page


def test_missing_numbers_of_other_programs_are_left_out(report):
    rows = cells([f"c{n}" for n in range(5)])
    rows[0] |= {"volume": "NaN", "surface_to_volume": "n/a"}
    assert "(1 undefined)" in report(cells={"a": rows})


def test_a_word_in_a_column_of_numbers_is_refused(report):
    rows = cells([f"c{n}" for n in range(5)])
    rows[0]["volume"] = "large"
    message = report(cells={"a": rows})
    assert "column 'volume' has 'large', which is no number" in message
