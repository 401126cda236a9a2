"""The wheel and the source distribution: what is in them, and that the wheel works where the sources are not."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = "share/acseg/models/cytoplasm.acseg"

pytest.importorskip("build")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git repository")]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", "--depth", "1", ROOT.as_uri(), str(source)], check=True)
    arguments = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(arguments, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_page_the_model_and_nothing_else_of_the_repository(packages: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(MODEL) for name in names)
    assert any(name.startswith("ACSegLib/app/static/") and name.endswith(".js") for name in names)
    assert "ACSegLib/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ACSegLib", "acseg"}
    metadata = next(name for name in names if name.endswith("METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert "Project-URL: Homepage, https://github.com/acseg/SlicerACSeg" in text
    # what `predict` was called before
    assert [r for r in text.splitlines() if r.startswith("Requires-Dist: acseg[predict]") and "fast" in r]


def test_the_source_distribution_holds_what_the_wheel_is_built_from(packages: Path) -> None:
    (source,) = packages.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE.txt", "README.md", "Resources/Models/cytoplasm.acseg"} <= names


def test_the_installed_wheel_works_without_the_sources(packages: Path, tmp_path: Path) -> None:
    """In an environment of its own; the packages that ACSeg needs are those of this one."""
    (wheel,) = packages.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    scripts = sysconfig.get_path("scripts", "venv", {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")})
    python = Path(scripts) / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qI", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)  # -I: also where PYTHONPATH holds an acseg
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    others = [path for path in sys.path if path.endswith("site-packages")]
    (Path(site.stdout.strip()) / "others.pth").write_text("\n".join(others))
    acseg = [
        str(python),
        "-I",
        "-c",
        "import sys; from ACSegLib.commands.main import main; sys.exit(main(sys.argv[1:]))",
    ]
    for words in (["phantom", "-o", "cells", "--size", "24", "--quiet"], ["model", "info"], ["--version"]):
        done = subprocess.run([*acseg, *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [str(python), "-I", "-c", "import ACSegLib; print(ACSegLib.__file__)"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(tmp_path))
