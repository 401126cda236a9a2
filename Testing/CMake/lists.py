"""Holds the lists of files in the CMakeLists against the tree; with --write, brings the lists up to date.

Slicer ships what is listed and nothing else, without a word about a file that is not. The lists of sentences for
translators (`sentences`) are brought up to date as well: they are files too.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Folder with a CMakeLists.txt -> name of its lists; sub-folders that have a CMakeLists.txt are their own.
MODULES = {
    "ACSegLib": "ACSegLib",
    "ACSeg": "ACSeg",
    "ACSeg/SegmentEditorACSegFill": "SegmentEditorACSegFill",
    "ACSeg/ACSegStatistics": "ACSegStatistics",
}
#: "web" has the sources of the page, of which the built bundle is shipped.
IGNORED = {"__pycache__", "CMakeLists.txt", "web"}


def files_of(folder: Path) -> list[str]:
    """List the files below a folder that belong to it, as CMake names them (relative, with slashes), sorted."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path.name.startswith("."):
            continue
        if path.is_file():
            found.append(path.name)
        elif not (path / "CMakeLists.txt").exists():
            found += [f"{path.name}/{name}" for name in files_of(path)]
    return sorted(found)


def wanted(folder: Path) -> tuple[list[str], list[str]]:
    """Give the scripts and the resources that a folder's lists must name."""
    files = files_of(folder)
    return [f for f in files if f.endswith(".py")], [f for f in files if not f.endswith(".py")]


def listed(folder: Path, name: str) -> tuple[list[str], list[str]]:
    """Give the scripts and the resources that a folder's lists name."""
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    found = []
    for kind in ("SCRIPTS", "RESOURCES"):
        match = re.search(rf"set\({name}_PYTHON_{kind}\n(.*?)\s*\)", text, re.DOTALL)
        if match is None:
            raise SystemExit(f"{folder / 'CMakeLists.txt'} has no list {name}_PYTHON_{kind}")
        found.append(match[1].split())
    return found[0], found[1]


def differences() -> list[str]:
    """Say what is wrong with the lists, one line for each file."""
    lines = []
    for place, name in MODULES.items():
        folder = ROOT / place
        for have, want in zip(listed(folder, name), wanted(folder), strict=True):
            where = f"{place}/CMakeLists.txt"
            lines += [f"{where} lacks the line   {f}" for f in want if f not in have]
            lines += [f"{where} names {f}, which does not exist" for f in have if f not in want]
            lines += [f"{where} names {f} twice" for f in sorted(set(have)) if have.count(f) > 1]
            if sorted(have) != have:
                lines.append(f"{where}: the list is not sorted")
    return lines


def write() -> None:
    """Rewrite the lists."""
    for place, name in MODULES.items():
        path = ROOT / place / "CMakeLists.txt"
        text = path.read_text(encoding="utf-8")
        for kind, files in zip(("SCRIPTS", "RESOURCES"), wanted(path.parent), strict=True):
            body = "".join(f"  {f}\n" for f in files)
            text = re.sub(
                rf"(set\({name}_PYTHON_{kind}\n).*?( *\))", lambda m, body=body: m[1] + body + "  )", text, flags=re.S
            )
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if "--write" in sys.argv:
        import sentences

        sentences.write()
        write()
    problems = differences()
    print("\n".join(problems) or "every file is listed")
    sys.exit(bool(problems))
