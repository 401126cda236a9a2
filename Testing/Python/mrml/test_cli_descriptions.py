"""The CLI modules' descriptions, read by CTK's own reader: another one than ours."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ACSegLib.commands.cli_modules import CLI_MODULES, parameters

FOLDER = Path(__file__).parents[3] / "ACSeg" / "CLI"


@pytest.fixture
def read(caplog):
    """Read a module's description; a warning of the reader fails the test."""
    module = pytest.importorskip("ctk_cli.module", reason="ctk-cli is not installed")

    def read(name):
        with caplog.at_level(logging.DEBUG, "ctk_cli.module"):
            description = module.CLIModule(str(FOLDER / name / f"{name}.xml"))
        # Slicer knows the coordinate system of a region, ctk-cli 1.5 only that of a point
        unknown = "attribute of 'region' ignored: coordinateSystem='lps'"
        assert {record.getMessage() for record in caplog.records} - {unknown} == set()
        return description

    return read


@pytest.mark.parametrize("name", CLI_MODULES)
def test_ctk_reads_every_parameter_without_a_warning(read, name):
    described = {p.name: p for group in read(name) for p in group}
    known = {p.name: p for p in parameters(CLI_MODULES[name])}
    assert described.keys() == known.keys()
    for identifier, parameter in described.items():
        ours = known[identifier]
        assert parameter.label
        assert parameter.description == ours.description
        assert parameter.channel in (None, *([ours.file.channel] if ours.file else []))
        if parameter.constraints is not None:
            for limit in ("minimum", "maximum"):
                told, meant = getattr(parameter.constraints, limit), ours.info.metadata[limit]
                assert (told is None) == (meant is None)
                assert told is None or float(told) == pytest.approx(meant)
            assert float(parameter.constraints.step) > 0
        if parameter.default is not None and parameter.typ in ("integer", "double"):
            assert float(parameter.default) == pytest.approx(float(ours.default))


def test_an_roi_can_be_chosen_and_left_out(read):
    (region,) = [p for group in read("ACSegFill") for p in group if p.typ == "region"]
    assert region.longflag == "--region"
    assert region.default is None
    assert region.parseValue("1,-2,3,4,5,6") == [1, -2, 3, 4, 5, 6]


def test_labels_are_words_for_people_and_every_one_is_used():
    """No option's bare name, no two alike in a panel, and none left over from an option that is gone."""
    from ACSegLib.commands.cli_xml import LABELS, label_text

    used = set()
    for module in CLI_MODULES.values():
        known = parameters(module)
        used |= {p.flag if p.inverted else p.info.name for p in known}
        labels = [label_text(p) for p in known]
        assert len(set(labels)) == len(labels)
        assert not [label for label in labels if label.startswith("No ") or label in ("Tta", "Roi", "Init", "Val")]
    assert set(LABELS) <= used, set(LABELS) - used
