"""acseg measure: one file, folders in parallel, resumed runs, failures listed, absorption and beads."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
from interrupted import run_interrupted
from PIL import Image
from processes import has_ended, wait_until

from ACSegLib.commands import batch, measure
from ACSegLib.commands.batch import LISTED
from ACSegLib.commands.main import main
from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.files.tables import read_table
from ACSegLib.jobs import Progress
from ACSegLib.measure.table_checks import notes_on_missing_values
from ACSegLib.segment_estimates import Interval, SegmentEstimate, coverage_text, with_volume_intervals
from ACSegLib.study.numbers import with_interval
from ACSegLib.volume import Geometry, Segmentation, Volume

NM = Geometry((100.0, 100.0, 100.0), unit="nm")


def labels(radius=6.0, shift=0):
    k, j, i = np.indices((24, 24, 24)) - 11.5
    found = np.zeros((24, 24, 24), np.uint8)
    found[k * k + j * j + (i - shift) ** 2 <= radius**2] = 1
    found[2:6, 2:6, 2:6] = 2
    return Segmentation.from_labels(found, NM, {1: "cytoplasm", 2: "bead"})


def write_folder(folder, count):
    folder.mkdir()
    for n in range(count):
        save_segmentation(labels(4 + 0.25 * n), folder / f"cell{n:03d}.seg.nrrd")
    return folder


def test_contacts_of_many_segments_are_in_a_table_of_pairs_beside_the_other(tmp_path, capsys):
    blocks = np.kron(np.arange(64).reshape(4, 4, 4), np.ones((3, 3, 3), int)).astype(np.uint8)
    few = np.where(blocks < 4, blocks, 0)
    for name, array in (("many", blocks), ("few", few)):
        save_segmentation(Segmentation.from_labels(array, NM), tmp_path / f"{name}.nrrd")
    out = tmp_path / "cells.csv"
    options = ["-o", str(out), "--no-thin-parts", "--quiet", "--workers", "1"]
    assert main(["measure", str(tmp_path / "few.nrrd"), *options]) == 0
    assert not (tmp_path / "cells-contacts.csv").exists()
    assert "contact: Segment_2" in read_table(out)[0]
    assert main(["measure", *(str(tmp_path / f"{name}.nrrd") for name in ("few", "many")), *options]) == 0
    assert f"pairs that touch -> {tmp_path / 'cells-contacts.csv'}" in capsys.readouterr().out
    pairs = read_table(tmp_path / "cells-contacts.csv")
    assert list(pairs[0])[2:] == ["segment", "other", "contact_area", "unit"]
    pairs = [pair for pair in pairs if pair["volume_name"] == "many"]
    of_many = {(pair["segment"], pair["other"]): pair["contact_area"] for pair in pairs}
    place = {f"Segment_{n}": np.array(np.unravel_index(n, (4, 4, 4))) for n in range(1, 64)}
    expected = {(a, b) for a in place for b in place if a < b and abs(place[a] - place[b]).max() == 1}
    assert {tuple(sorted(pair)) for pair in of_many} == expected
    assert len(of_many) == len(expected)
    rows = [row for row in read_table(out) if row["volume_name"] == "many" and row["kind"] == "segment"]
    assert sum(row["contact: other segments"] for row in rows) == pytest.approx(2 * sum(of_many.values()))
    assert not any(row.get("contact: Segment_2") for row in rows)
    # no table of pairs stays beside a measurement that it is not of
    assert main(["measure", str(tmp_path / "few.nrrd"), *options]) == 0
    pairs = read_table(tmp_path / "cells-contacts.csv")
    assert {(pair["segment"], pair["other"]) for pair in pairs} == {
        ("Segment_1", "Segment_2"),
        ("Segment_2", "Segment_3"),
    }
    lone = Segmentation.from_labels(np.where(blocks == 1, 1, 0).astype(np.uint8), NM)
    save_segmentation(lone, tmp_path / "few.nrrd")
    assert main(["measure", str(tmp_path / "few.nrrd"), *options]) == 0
    assert not (tmp_path / "cells-contacts.csv").read_text(encoding="utf-8-sig").strip()


def test_one_file_is_measured_in_micrometres(tmp_path, capsys):
    path = tmp_path / "cell.seg.nrrd"
    save_segmentation(labels(), path)
    assert main(["measure", str(path), "-o", str(tmp_path / "cell.csv"), "--quiet"]) == 0
    rows = read_table(tmp_path / "cell.csv")
    cell = rows[0]
    assert (cell["volume_name"], cell["segment"], cell["kind"], cell["unit"]) == ("cell", "cytoplasm", "segment", "um")
    assert cell["volume"] == pytest.approx(np.count_nonzero(labels().labels == 1) * 1e-3)
    assert cell["surface_to_volume"] == pytest.approx(3 / 0.6, rel=0.06)
    assert "cytoplasm" in capsys.readouterr().out
    assert not list(tmp_path.glob(".*journal*"))


def test_an_image_on_another_grid_is_resampled_and_shapes_stay_as_they_are(tmp_path, capsys):
    """The labels at half the resolution: brought to the grid of the image, steps would add a fifth to the surface."""
    save_segmentation(labels(), tmp_path / "cell.seg.nrrd")
    values = np.where(labels().labels == 1, 3.0, 1.0).repeat(2, 0).repeat(2, 1).repeat(2, 2)[8:]
    fine = Geometry((50.0, 50.0, 50.0), (-25.0, -25.0, 375.0), unit="nm")
    save_volume(Volume(values, fine), tmp_path / "cell.nrrd")
    arguments = ["measure", str(tmp_path / "cell.seg.nrrd"), "--quiet", "-o"]
    assert main([*arguments, str(tmp_path / "alone.csv")]) == 0
    assert main([*arguments, str(tmp_path / "both.csv"), "--image", str(tmp_path / "cell.nrrd"), "--resample"]) == 0
    (alone, *_), (both, *_, bead) = (read_table(tmp_path / f"{name}.csv") for name in ("alone", "both"))
    assert (both["volume"], both["surface_area"]) == (alone["volume"], alone["surface_area"])
    assert both["lac_mean"] == 3.0
    assert bead["voxels"] == 32  # its lower half lies beyond the image
    told = capsys.readouterr().out
    assert "was resampled to the grid" in told
    assert "32 labelled voxels lie outside" in told


def test_the_summary_lists_a_limited_number_of_segments(tmp_path, capsys):
    found = np.zeros((6, 6, 60), np.uint8)
    found[2:4, 2:4] = np.repeat(np.arange(1, 31), 2)
    save_segmentation(Segmentation.from_labels(found, NM), tmp_path / "many.seg.nrrd")
    options = ["measure", str(tmp_path / "many.seg.nrrd"), "-o", str(tmp_path / "t.csv"), "--no-thin-parts"]
    assert main([*options, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n") == 3 + LISTED
    assert "30 connected cells of 30 segments are specks" in text
    assert len(read_table(tmp_path / "t.csv")) == 60


def test_a_file_without_labels_is_listed_as_failed(tmp_path, capsys):
    folder = write_folder(tmp_path / "results", 1)
    save_segmentation(Segmentation.from_labels(np.zeros((24, 24, 24), np.uint8), NM), folder / "none.nii.gz")
    assert main(["measure", str(folder), "-o", str(tmp_path / "t.csv"), "--quiet", "--workers", "1"]) == 2
    assert "no voxel is labelled" in capsys.readouterr().out


def test_a_cell_of_one_voxel_is_measured(tmp_path):
    found = np.zeros((9, 9, 9), np.uint8)
    found[4, 4, 4] = 1
    save_segmentation(Segmentation.from_labels(found, NM, {1: "cytoplasm"}), tmp_path / "cell.seg.nrrd")
    assert main(["measure", str(tmp_path / "cell.seg.nrrd"), "-o", str(tmp_path / "t.csv"), "--quiet"]) == 0
    cell = read_table(tmp_path / "t.csv")[1]
    assert cell["volume"] == pytest.approx(1e-3)
    assert 0 < cell["surface_area"] < 6e-2
    assert (cell["thin_parts"], cell["touches_border"]) == (0, False)


def test_absorption_is_scaled_to_the_bead_reference(tmp_path):
    segmentation = labels()
    image = np.full(segmentation.shape, 0.25, np.float32)
    image[segmentation.labels == 2] = 0.5
    image[12, 12, 12] = np.nan
    save_segmentation(segmentation, tmp_path / "cell.seg.nrrd")
    save_volume(Volume(image, NM), tmp_path / "cell.nrrd")
    options = measure.Options(
        [str(tmp_path / "cell.seg.nrrd")],
        str(tmp_path / "t.json"),
        image=str(tmp_path / "cell.nrrd"),
        bead_reference=1.0,
    )
    measure.run(options, Progress())
    cell = json.loads((tmp_path / "t.json").read_text())[0]
    assert cell["lac_mean"] == pytest.approx(0.5)
    assert cell["bead_lac"] == pytest.approx(0.5)
    assert cell["lac_factor"] == pytest.approx(2.0)
    assert cell["lac_invalid_voxels"] == 1
    assert cell["intensity_unit"] == "1/um"
    options.bead_reference = 0.0
    for unit in ("", "counts"):  # values that are not scaled by beads have the unit that the person states
        options.intensity_unit = unit
        measure.run(options, Progress())
        assert json.loads((tmp_path / "t.json").read_text())[0]["intensity_unit"] == unit
    del options.image
    with pytest.raises(InputError, match="--bead-reference needs the tomogram"):
        measure.run(
            measure.Options([str(tmp_path / "cell.seg.nrrd")], str(tmp_path / "u.csv"), bead_reference=1.0), Progress()
        )


def test_beads_without_absorption_prevent_normalisation_only(tmp_path):
    save_segmentation(labels(), tmp_path / "cell.seg.nrrd")
    image = np.where(labels().labels == 2, 0, 0.25).astype(np.float32)
    save_volume(Volume(image, NM), tmp_path / "cell.nrrd")
    options = measure.Options([str(tmp_path)], str(tmp_path / "t.csv"), image=str(tmp_path), thin_parts=False)
    measure.run(options, Progress())
    cell = read_table(tmp_path / "t.csv")[0]
    assert cell["lac_mean"] == pytest.approx(0.25)
    assert cell.get("bead_lac") is None
    options.bead_reference = 1.0
    with pytest.raises(InputError, match="have LAC 0; normalisation needs a positive value"):
        measure.run(options, Progress())


def test_absent_segments_and_missing_inputs_are_listed_and_the_rest_measured(tmp_path, capsys):
    folder = write_folder(tmp_path / "results", 1)
    k = np.indices((24, 24, 24))[0]
    bare = Segmentation.from_labels((k < 12).astype(np.uint8), NM, {1: "cytoplasm"})
    save_segmentation(bare, folder / "bare.seg.nrrd")
    arguments = ["measure", str(folder), str(tmp_path / "typo"), "-o", str(tmp_path / "t.csv"), "--quiet"]
    assert main([*arguments, "--workers", "1", "--no-cells", "--segments", "cytoplasm", "bead"]) == 2
    rows = [(row["volume_name"], row["segment"]) for row in read_table(tmp_path / "t.csv")]
    assert rows == [("bare", "cytoplasm"), ("cell000", "cytoplasm"), ("cell000", "bead")]
    said = capsys.readouterr().out
    assert "1 failed:" in said
    assert "there is no such file or folder" in said


def test_volumes_with_deviating_beads_are_named_in_a_warning(tmp_path, capsys):
    folder, images = write_folder(tmp_path / "results", 4), tmp_path / "images"
    images.mkdir()
    for n, lac in enumerate((0.5, 0.52, 0.25, 0.48)):  # in the third a piece of the cell was labelled bead
        image = np.full((24, 24, 24), 0.25, np.float32)
        image[labels(4 + 0.25 * n).labels == 2] = lac
        save_volume(Volume(image, NM), images / f"cell{n:03d}.nrrd")
    arguments = ["measure", str(folder), "--image", str(images), "-o", str(tmp_path / "t.csv"), "--quiet"]
    assert main([*arguments, "--workers", "1", "--bead-reference", "1"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "note:" in line]
    assert notes == [
        "  note: cell002: its beads read 51 % of the median of all volumes; check what is labelled bead there."
    ]


def test_folder_in_parallel_gives_the_same_table_as_one_by_one(tmp_path):
    folder = write_folder(tmp_path / "results", 6)
    tables = []
    for workers in (1, 2):
        output = tmp_path / f"w{workers}.csv"
        measure.run(measure.Options([str(folder)], str(output), workers=workers), Progress())
        tables.append(output.read_text())
    assert tables[0] == tables[1]
    assert len(read_table(tmp_path / "w1.csv")) == 6 * 4


def test_notes_on_files_come_from_worker_processes_too(tmp_path):
    folder = write_folder(tmp_path / "results", 2)
    drawn = open_segmentation(folder / "cell001.seg.nrrd")
    rows = [replace(drawn.segments[0], name="ignore"), *drawn.segments[1:]]
    save_segmentation(replace(drawn, segments=rows), folder / "cell001.seg.nrrd")
    reports = []
    for workers in (1, 2):
        arguments = ["measure", str(folder), "-o", str(tmp_path / "t.csv"), "--workers", str(workers), "--quiet"]
        assert main([*arguments, "--json", str(tmp_path / "r.json")]) == 0
        reports.append(json.loads((tmp_path / "r.json").read_text())["results"]["file_notes"])
    assert reports[0] == reports[1]
    assert any("'ignore' marks voxels to leave out" in note for note in reports[0])


def test_voxels_of_absurd_proportions_are_refused(tmp_path, capsys):
    block = Segmentation.from_labels(np.ones((4, 4, 4), np.uint8), Geometry((1e6, 1.0, 1.0), unit="nm"))
    save_segmentation(block, tmp_path / "a.seg.nrrd")
    assert main(["measure", str(tmp_path / "a.seg.nrrd"), "-o", str(tmp_path / "t.csv"), "--quiet"]) == 2
    assert "check the unit of each axis" in capsys.readouterr().err


def test_unreadable_and_unmatched_files_are_listed_and_the_others_done(tmp_path, capsys):
    folder = write_folder(tmp_path / "results", 3)
    (folder / "cell001.seg.nrrd").write_bytes(b"NRRD0004\nthis is no header\n\n")
    images = tmp_path / "images"
    images.mkdir()
    for n in (0, 1):
        save_volume(Volume(np.ones((24, 24, 24), np.float32), NM), images / f"cell{n:03d}.nrrd")
    arguments = ["measure", str(folder), "--image", str(images), "-o", str(tmp_path / "t.csv"), "--quiet"]
    assert main([*arguments, "--workers", "1"]) == 2
    out = capsys.readouterr().out
    assert "2 failed:" in out
    assert "cell001" in out
    assert "there is no image of this name" in out
    assert {r["volume_name"] for r in read_table(tmp_path / "t.csv")} == {"cell000"}


def count_calls(item, settings, progress):
    """Work that leaves a mark for each call."""
    with open(settings["marks"], "a") as stream:
        stream.write(item.name + "\n")
    return [{"name": item.name, "value": 0.1 + 0.2, "undefined": float("nan")}]


def test_finished_items_are_not_redone_and_changed_files_are(tmp_path):
    files = []
    for n in range(4):
        files.append(tmp_path / f"f{n}")
        files[-1].write_text("x")
    items = [batch.Item(f.name, {"file": str(f)}) for f in files]
    settings, journal = {"marks": str(tmp_path / "marks")}, tmp_path / "journal"
    batch.run_batch(items[:2], count_calls, settings, journal=journal, workers=1)
    with open(journal, "a") as stream:
        stream.write('{"name": "f3", "finger')  # a kill while a line was written
    outcomes = batch.run_batch(items, count_calls, settings, journal=journal, workers=1)
    assert (tmp_path / "marks").read_text().split() == ["f0", "f1", "f2", "f3"]
    assert [o.rows[0]["value"] for o in outcomes] == [0.1 + 0.2] * 4
    assert math.isnan(outcomes[0].rows[0]["undefined"])
    files[0].write_text("changed")
    batch.run_batch(items, count_calls, settings, journal=journal, workers=1)
    assert (tmp_path / "marks").read_text().split()[4:] == ["f0"]
    batch.run_batch(items, count_calls, {**settings, "other": 1}, journal=journal, workers=1)
    assert len((tmp_path / "marks").read_text().split()) == 9


def test_a_full_disk_leaves_no_journal(tmp_path, monkeypatch):
    class Full(io.TextIOWrapper):
        def flush(self):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(batch, "open", lambda path, *_, **__: Full(io.FileIO(path, "w")), raising=False)
    with pytest.raises(FileError, match="No space left"):
        batch.run_batch([], count_calls, {}, journal=tmp_path / "journal", workers=1)
    assert not list(tmp_path.iterdir())


def test_a_killed_run_goes_on_and_gives_the_same_table(tmp_path):
    folder = write_folder(tmp_path / "results", 8)
    output, journal = tmp_path / "t.csv", batch.journal_path(tmp_path / "t.csv")
    killed = run_interrupted(tmp_path, signal.SIGKILL, "^3 of 8", "measure", folder, "-o", output, "--workers", 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists()
    assert journal.read_text().count('"name"') == 3
    measured = []
    original = measure.measure_item

    def counted(item, options, progress):
        measured.append(item.name)
        return original(item, options, progress)

    options = measure.Options([str(folder)], str(output), workers=1)
    items, _ = measure._items(options)
    batch.run_batch(items, counted, options, journal=journal, workers=1)
    assert len(measured) == 8 - 3
    measure.run(options, Progress())
    fresh = tmp_path / "fresh.csv"
    measure.run(measure.Options([str(folder)], str(fresh), workers=1), Progress())
    assert output.read_text() == fresh.read_text()


#: Measures, and stands still once the first of many files is done.
STANDS_STILL = """
import sys, time
from ACSegLib.commands.main import main
from ACSegLib.jobs import Progress
report = Progress.__call__

def report_and_stand_still(self, fraction, message=""):
    report(self, fraction, message)
    if message.startswith("1 of "):
        print("standing still", file=sys.__stdout__, flush=True)  # a shown progress takes stdout
        time.sleep(600)

Progress.__call__ = report_and_stand_still
main(sys.argv[1:])
"""


def test_workers_end_after_their_parent_was_killed(tmp_path):
    folder = write_folder(tmp_path / "results", 8)
    words = ["measure", str(folder), "-o", str(tmp_path / "t.csv"), "--workers", "2"]
    command = [sys.executable, "-c", STANDS_STILL, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline()
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(workers) >= 2
    wait_until(lambda: all(map(has_ended, workers)))


def test_cancel_stops_the_workers_and_keeps_what_is_done(tmp_path):
    folder = write_folder(tmp_path / "results", 8)
    seen = []
    progress = Progress(lambda fraction, message: seen.append(message), lambda: any(" of 8: " in text for text in seen))
    options = measure.Options([str(folder)], str(tmp_path / "t.csv"), workers=2)
    with pytest.raises(Cancelled, match=r"what is finished \([1-7]\) is noted in .*journal"):
        measure.run(options, progress)
    assert not (tmp_path / "t.csv").exists()
    assert batch.journal_path(tmp_path / "t.csv").exists()


def test_cancel_before_anything_is_done_leaves_no_file(tmp_path):
    folder = write_folder(tmp_path / "results", 2)
    with pytest.raises(Cancelled, match=r"^cancelled$"):
        measure.run(
            measure.Options([str(folder)], str(tmp_path / "t.csv"), workers=1), Progress(cancelled=lambda: True)
        )
    assert list(tmp_path.iterdir()) == [folder]


def test_labels_and_images_may_lie_in_one_folder(tmp_path):
    for n in range(2):
        save_segmentation(labels(5 + n), tmp_path / f"cell{n}.seg.nrrd")
        save_volume(Volume(np.full((24, 24, 24), 1.0 + n, np.float32), NM), tmp_path / f"cell{n}.nrrd")
    inputs = [str(path) for path in sorted(tmp_path.glob("*.seg.nrrd"))]
    options = measure.Options(inputs, str(tmp_path / "t.csv"), image=str(tmp_path), workers=1, thin_parts=False)
    assert "exit_code" not in measure.run(options, Progress()).to_dict()
    rows = [r for r in read_table(tmp_path / "t.csv") if r["kind"] == "segment" and r["segment"] == "cytoplasm"]
    assert [row["lac_mean"] for row in rows] == [1.0, 2.0]


def test_equal_names_in_two_folders_get_their_folders_names(tmp_path):
    for name in ("control", "treated"):
        write_folder(tmp_path / name, 1)
    folders = [str(tmp_path / name) for name in ("control", "treated")]
    options = measure.Options(folders, str(tmp_path / "t.csv"), workers=1)
    measure.run(options, Progress())
    rows = read_table(tmp_path / "t.csv")
    assert {r["volume_name"] for r in rows} == {"control/cell000", "treated/cell000"}
    assert {r["group"] for r in rows} == {"control", "treated"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no UTF-8")
def test_a_file_name_that_is_no_utf8_does_not_end_the_batch(tmp_path, capsys):
    labels = Segmentation.from_labels(np.ones((6, 6, 6), np.uint8), Geometry((30.0,) * 3, unit="nm"), {1: "cell"})
    (tmp_path / "in").mkdir()
    save_segmentation(labels, tmp_path / "in" / "a.seg.nrrd")
    odd = os.path.join(os.fsencode(tmp_path / "in"), b"b\xff.seg.nrrd")
    shutil.copy(tmp_path / "in" / "a.seg.nrrd", odd)
    table, report = str(tmp_path / "t.csv"), str(tmp_path / "r.json")
    assert main(["measure", str(tmp_path / "in"), "-o", table, "--quiet", "--workers", "1", "--json", report]) == 0
    assert {row["volume_name"] for row in read_table(table)} == {"a", "b?"}


def test_the_interval_of_a_volume_is_told_with_its_coverage(tmp_path, capsys):
    expected = [SegmentEstimate("cytoplasm", Interval(0.9, 0.8, 1.0), Interval(900.0, 880.0, 940.0), True)]
    known = with_volume_intervals(labels(), expected, "fill")
    changed = replace(known, layers=(known.labels.copy(),))
    changed.labels[12, 12, 12] = 0
    for name, segmentation in (("cell", known), ("edited", changed)):
        save_segmentation(segmentation, tmp_path / f"{name}.seg.nrrd")
        path = str(tmp_path / f"{name}.seg.nrrd")
        assert main(["measure", path, "-o", str(tmp_path / f"{name}.csv"), "--segments", "cytoplasm", "--quiet"]) == 0
    row = read_table(tmp_path / "cell.csv")[0]
    told = with_interval(row["volume"], row["volume_low"], row["volume_high"], " um3", "90 %")
    text = capsys.readouterr().out
    assert f"volume {told}, surface" in text
    assert coverage_text("fill") in text
    assert "the labels of cytoplasm of edited changed" in text


def hears_ctrl_c(item, settings, progress):
    """Work of a batch: whether the process that does it hears Ctrl-C."""
    return [{"hears": signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())}]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no mask of signals")
def test_ctrl_c_reaches_no_worker_process_even_while_it_starts(tmp_path):
    folder = write_folder(tmp_path / "results", 2)
    items = [batch.Item(path.name, {"labels": str(path)}) for path in sorted(folder.iterdir())]
    outcomes = batch.run_batch(items, hears_ctrl_c, {}, journal=tmp_path / "journal", workers=2)
    assert [row for outcome in outcomes for row in outcome.rows] == [{"hears": False}] * 2


def test_a_segment_of_which_the_border_leaves_no_cell_is_told(tmp_path, capsys):
    cut = np.zeros((12, 12, 12), np.uint8)
    cut[:6, 3:9, 3:9], cut[8:10, 3:5, 3:5] = 1, 2
    save_segmentation(Segmentation.from_labels(cut, NM, {1: "cytoplasm", 2: "bead", 3: "nucleus"}), tmp_path / "c.nrrd")
    arguments = ["measure", str(tmp_path / "c.nrrd"), "-o", str(tmp_path / "c.csv"), "--quiet"]
    assert main([*arguments, "--exclude-border"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "--exclude-border" in line]
    assert told == [
        "  note: the border cuts all cells of cytoplasm in c, so that --exclude-border leaves none of them there."
    ]
    assert main(arguments) == 0
    assert "--exclude-border" not in capsys.readouterr().out


def test_a_smallest_volume_that_leaves_no_cell_is_told(tmp_path, capsys):
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:6, 3:9, 3:9], labels[8:10, 3:5, 3:5] = 1, 2
    save_segmentation(Segmentation.from_labels(labels, NM, {1: "cytoplasm", 2: "bead"}), tmp_path / "c.nrrd")
    arguments = ["measure", str(tmp_path / "c.nrrd"), "-o", str(tmp_path / "c.csv"), "--unit", "px", "--quiet"]
    assert main([*arguments, "--min-volume", "100"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "--min-volume" in line]
    assert told == [
        "  note: no cell of bead in c has the 100 px3 of --min-volume, so that none has a row; the largest has 8."
    ]
    assert main([*arguments, "--min-volume", "100", "--no-cells"]) == 0
    assert "--min-volume" not in capsys.readouterr().out


def test_an_image_in_the_place_of_labels_and_labels_with_holes_are_refused(tmp_path, capsys):
    image = np.random.default_rng(0).poisson(40, (6, 40, 40))
    save_volume(Volume(image.astype(np.uint8)), tmp_path / "image.nrrd")
    assert main(["measure", str(tmp_path / "image.nrrd"), "-o", str(tmp_path / "c.csv"), "--quiet"]) == 2
    assert "image.nrrd: its values change from voxel to voxel, as those of an image do" in capsys.readouterr().err
    many = np.kron(np.arange(1, 101).reshape(2, 10, 5), np.ones((3, 4, 8))).astype(np.float32)
    save_volume(Volume(many), tmp_path / "many.nrrd")
    assert main(["measure", str(tmp_path / "many.nrrd"), "-o", str(tmp_path / "c.csv"), "--quiet"]) == 0
    outlines = many * (many != np.roll(many, 1, axis=2))
    save_volume(Volume(outlines), tmp_path / "thin.nrrd")
    assert main(["measure", str(tmp_path / "thin.nrrd"), "-o", str(tmp_path / "c.csv"), "--quiet"]) == 0
    many[3, 3, 3], many[0, 0, 0] = np.nan, np.inf
    save_volume(Volume(many), tmp_path / "many.nrrd")
    assert main(["measure", str(tmp_path / "many.nrrd"), "-o", str(tmp_path / "c.csv"), "--quiet"]) == 2
    assert "many.nrrd: 2 voxels are NaN or infinite, so these are not labels" in capsys.readouterr().err


def test_missing_values_of_the_image_are_told(tmp_path, capsys):
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:6, 3:9, 3:9], labels[8:10, 3:5, 3:5] = 1, 2
    image = np.ones(labels.shape, np.float32)
    image[5] = np.nan
    save_segmentation(Segmentation.from_labels(labels, NM, {1: "cytoplasm", 2: "bead"}), tmp_path / "c.nrrd")
    save_volume(Volume(image, NM), tmp_path / "i.nrrd")
    arguments = ["measure", str(tmp_path / "c.nrrd"), "--image", str(tmp_path / "i.nrrd"), "--quiet"]
    assert main([*arguments, "-o", str(tmp_path / "c.csv")]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "finite" in line]
    assert told == [
        "  note: 36 of 144 voxels of cytoplasm in c have no finite value in the image, so that they do "
        "not count for intensities."
    ]


def test_missing_values_in_many_segments_are_one_note():
    rows = [{"kind": "segment", "volume_name": "c", "segment": f"cell {n}", "lac_invalid_voxels": n, "voxels": 9}
            for n in range(8)]  # fmt: skip
    assert list(notes_on_missing_values(rows)) == [
        "28 of 63 voxels of 7 segments in c have no finite value in the image, so that they do not count for "
        "intensities."
    ]


@pytest.mark.parametrize("kind", ["tif", "png", "zarr"])
def test_labels_in_a_folder_are_one_segmentation(kind, tmp_path):
    """Slices, or an image inside of an OME-Zarr, whose folder has no ending of images."""
    folder = tmp_path / "drawn"
    if kind == "zarr":
        save_segmentation(labels(), tmp_path / "cells.ome.zarr")
        (tmp_path / "cells.ome.zarr").rename(folder)
    else:
        folder.mkdir()
        for k, plane in enumerate(labels().labels):
            Image.fromarray(plane).save(folder / f"s{k:02d}.{kind}")
    size = ["--voxel-size", "100,100,100", "--file-unit", "nm", "--quiet"]
    assert main(["measure", str(folder), "-o", str(tmp_path / "cell.csv"), *size]) == 0
    voxels = [int(np.count_nonzero(labels().labels == value)) for value in (1, 2)]
    rows = [row for row in read_table(tmp_path / "cell.csv") if row["kind"] == "segment"]
    assert [row["voxels"] for row in rows] == voxels
    assert main(["compare", str(folder), str(folder), "-o", str(tmp_path / "same.csv"), *size]) == 0
    assert [row["dice"] for row in read_table(tmp_path / "same.csv")] == [1.0, 1.0]


def test_labels_inside_of_the_image_of_an_ome_zarr(tmp_path):
    path = tmp_path / "cell.ome.zarr"
    save_volume(Volume(np.ones((24, 24, 24), np.float32), NM), path)
    save_segmentation(labels(), tmp_path / "cells.ome.zarr")
    (path / "labels").mkdir()
    (tmp_path / "cells.ome.zarr").rename(path / "labels" / "cells")
    words = ["measure", str(path), "--image", str(path), "--labels-dataset", "labels/cells", "--quiet"]
    assert main([*words, "-o", str(tmp_path / "cell.csv")]) == 0
    row = read_table(tmp_path / "cell.csv")[0]
    assert (row["voxels"], row["lac_mean"]) == (int(np.count_nonzero(labels().labels == 1)), 1.0)


@pytest.mark.parametrize(("first", "told"), [(0, False), (8, True)])
def test_segments_beyond_the_end_of_the_image_are_told(first, told, tmp_path, capsys):
    """Where a reconstruction has 0 alone, and the cell goes on."""
    save_segmentation(labels(), tmp_path / "cell.seg.nrrd")
    image = np.random.default_rng(0).normal(150, 5, (24, 24, 24)).astype(np.float32)
    image[:, :, :first] = 0
    save_volume(Volume(image, NM), tmp_path / "image.nrrd")
    words = ["--image", str(tmp_path / "image.nrrd"), "-o", str(tmp_path / "t.csv"), "--no-thin-parts", "--no-cells"]
    assert main(["measure", str(tmp_path / "cell.seg.nrrd"), *words]) == 0
    outside = np.mean(np.nonzero(labels().labels == 2)[2] < first)
    note = f"{100 * outside:.0f} % of the voxels of bead in cell have the value around the specimen"
    assert (note in capsys.readouterr().out) == told
