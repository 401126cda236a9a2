"""What the Extensions Index checks of an extension: catalogue entry, metadata, icon, size, imports."""

from __future__ import annotations

import ast
import json
import re
import runpy
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RULES = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = json.loads((ROOT / "ACSeg.json").read_text(encoding="utf-8"))

# The catalogue's schema 1.0.2, in our words: what must be there, of which kind, and nothing else.
REQUIRED = {"$schema", "category", "scm_url"}
KINDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
CATEGORIES = {"Segmentation", "Training", "Quantification", "Active Learning"}
STANDARD = {"SegmentEditorEffects", "slicer", "vtk", "SimpleITK", "numpy", "scipy", "qt", "ctk", "ACSegLib"}


def metadata(name):
    """The value of EXTENSION_<name>, by the very pattern with which the Index reads it."""
    found = re.findall(rf'set\s*\(EXTENSION_{name}\s*"([^"]+)"[ ]*\)', RULES)
    assert len(found) == 1, f"EXTENSION_{name} is not set once, in quotes"
    return found[0]


def test_catalogue_entry():
    assert set(ENTRY) >= REQUIRED
    assert set(ENTRY) <= set(KINDS)
    for key, value in ENTRY.items():
        assert type(value) is KINDS[key], key
    assert ENTRY["$schema"] == SCHEMA
    assert ENTRY["category"] in CATEGORIES
    assert ENTRY["scm_type"] in ("git", "local")
    assert 1 <= ENTRY["tier"] <= 5
    assert ENTRY["build_dependencies"] == metadata("DEPENDS").split()
    assert b"\r" not in (ROOT / "ACSeg.json").read_bytes()


def test_keywords_are_single_words_that_the_index_separates_by_spaces():
    words = metadata("KEYWORDS").split(" ")
    assert len(words) == len(set(words)) >= 5
    assert all(re.fullmatch(r"[A-Za-z-]+", word) for word in words)


def test_names_agree():
    assert re.search(r"^project\(ACSeg\)", RULES, re.M)
    repository = re.fullmatch(r"https://github\.com/([\w-]+/Slicer\w+)\.git", ENTRY["scm_url"])
    assert repository, "the repository's name must begin with Slicer"
    assert metadata("HOMEPAGE") == f"https://github.com/{repository[1]}"
    raw = f"https://raw.githubusercontent.com/{repository[1]}/{ENTRY['scm_revision']}/"
    for url in [metadata("ICONURL"), *metadata("SCREENSHOTURLS").split()]:
        assert url.startswith(raw)
        assert url.endswith(".png"), "the Index takes png, jpeg and gif"


def test_metadata_is_what_the_index_can_show():
    assert 40 < len(metadata("DESCRIPTION")) < 600
    assert "<a " not in metadata("DESCRIPTION")
    assert metadata("CONTRIBUTORS")
    assert metadata("DEPENDS") == "PyTorch"
    assert (ROOT / "LICENSE.txt").exists()
    assert re.search(r"cmake_minimum_required\(VERSION 3\.16\.3\.\.\.3\.28", RULES)
    order = [RULES.index(word) for word in ("find_package(Slicer", "Slicer_USE_FILE", "NEXT_MODULE", "GENERATE_CONFIG")]
    assert order == sorted(order)


@pytest.mark.parametrize("path", ["Resources/ACSeg.png", "ACSeg/Resources/Icons/ACSeg.png"])
def test_icon_is_a_png_of_128_by_128(path):
    data = (ROOT / path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_icon_is_the_one_that_the_script_draws():
    """The picture can be made again; a pixel may differ by what PNG rounds."""
    import importlib.util

    import numpy as np

    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    spec = importlib.util.spec_from_file_location("draw_icon", ROOT / "Resources" / "draw_icon.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert np.abs(image.imread(ROOT / "Resources" / "ACSeg.png") - script.draw()).max() < 0.01


def test_screenshots_of_the_index_are_in_the_tree():
    prefix = metadata("ICONURL").removesuffix("Resources/ACSeg.png")
    for url in metadata("SCREENSHOTURLS").split():
        assert (ROOT / url.removeprefix(prefix)).is_file(), url


def test_repository_is_small():
    """The Index counts every file of a full clone, those of .git included, and allows 100 MB."""
    history = subprocess.run(
        ["git", "pack-objects", "--revs", "--stdout", "-q"],
        input=b"HEAD\n",
        capture_output=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    if history.returncode:
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT, timeout=120, check=True).stdout
    tree = sum((ROOT / name).stat().st_size for name in names.decode().strip("\0").split("\0"))
    assert len(history.stdout) + tree < 95 * 1024**2


def test_a_slicer_with_an_older_python_is_told_the_version_to_take(monkeypatch):
    """Slicer 5.8 has Python 3.9, and loads the files of a source checkout all the same."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 10))
    with pytest.raises(ImportError, match=r"version 5\.10 or later"):
        runpy.run_path(str(ROOT / "ACSegLib" / "__init__.py"))


def module_scripts():
    return sorted(p for p in (ROOT / "ACSeg").rglob("*.py") if "CLI" not in p.parts)


def imports_at_file_scope(tree):
    """Names of packages imported when the file is imported."""
    names = set()
    for node in tree.body:
        inner = node.body if isinstance(node, (ast.Try, ast.If)) else [node]
        for statement in inner:
            if isinstance(statement, ast.Import):
                names |= {alias.name.split(".")[0] for alias in statement.names}
            elif isinstance(statement, ast.ImportFrom) and not statement.level:
                names.add(statement.module.split(".")[0])
    return names


def test_no_third_party_imports_at_file_scope():
    """The review of the Index refuses them: a Slicer without them must still load every module."""
    import sys

    own = {p.stem for p in module_scripts()} | {p.parent.name for p in module_scripts()}
    allowed = set(sys.stdlib_module_names) | STANDARD | own | {"SegmentStatisticsPlugins"}
    for path in module_scripts():
        foreign = imports_at_file_scope(ast.parse(path.read_text(encoding="utf-8"))) - allowed
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)} at file scope"


def test_nothing_installs_torch_directly_or_downloads_by_itself():
    for path in module_scripts():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip_install\([^)]*torch", text), path
        for node in ast.parse(text).body:
            called = ast.unparse(node) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else ""
            assert "pip" not in called, path
            assert "urlopen" not in called, path


def test_checklist_answers_every_item():
    """Documentation/extension-checklist.md has an answer to each item of tiers 1 and 3, and says what is open."""
    text = (ROOT / "Documentation" / "extension-checklist.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    answers = {row[0].strip(): row[1].strip() for row in rows}
    for item in (
        "Name",
        "Repository name",
        "Topic",
        "Description",
        "Known patents",
        "Licence",
        "scm_url and scm_revision",
        "Icon URL",
        "Screenshots",
        "Consistency",
        "Homepage",
        "Unused features hidden",
        "No binaries from unreliable sources",
        "Nothing sent without consent",
        "Documentation, tutorial, test data",
        "Slicer conventions",
        "Three operating systems",
        "Issues and forum",
        "Permissive licence for main functions",
    ):
        assert len(answers[item]) > 20, item
