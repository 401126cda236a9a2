"""Lists the sentences of library and logic for Slicer's translators; with --write, brings the lists up to date.

The library speaks English and knows nothing of Slicer. Slicer's ``update_translations.py`` finds a text only where it
is the argument of ``_``. So the sentences are written, as templates, into ``ACSeg/ACSegPanels/messages``, one file for
each part of the library. ``ACSegPanels.translation`` finds the template of a sentence when it is shown.
"""

from __future__ import annotations

import ast
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "ACSegLib"
PANELS = ROOT / "ACSeg" / "ACSegPanels"
TARGET = PANELS / "messages"

#: Parts of the library whose sentences no panel shows.
ELSEWHERE = {"api", "app", "pictures", "study", "notebook.py", "__init__.py", "__main__.py"}
#: Parts of the library with a list of their own; all others share a list.
PARTS = ("commands", "files", "network")
REST, LOGIC, PROGRESS = "library", "logic", "progress"
#: Calls whose arguments are not shown as messages, or are found by translators already.
SILENT = {"option", "print", "debug", "info", "warning", "_", "translate", "whySkipped"}
#: Names of values, which a function `part` of a training takes as well.
NAMES = {"averaged", "best", "network"}
#: Longest line of the files.
WIDTH = 120


def template(node: ast.expr) -> str | None:
    """Text of a literal, with {0}, {1}, ... for the values of an f-string; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _escaped(node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    numbers = iter(range(99))
    return "".join(
        _escaped(str(part.value)) if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values
    )


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def words(text: str) -> int:
    """How many words a template has, its values apart."""
    literal = " ".join(part for part, _field, _spec, _kind in string.Formatter().parse(text))
    return len(re.findall(r"[A-Za-z]{2,}", literal))


def is_sentence(text: str) -> bool:
    """Whether a template is a sentence: three words or more, and an end."""
    return words(text) >= 3 and re.search(r"[.?]$", text) is not None and "\n" not in text


def messages(tree: ast.AST) -> Iterator[str]:
    """Templates of the sentences in a file, docstrings and help left out."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Call) and ast.unparse(tree.func).split(".")[-1] in SILENT:
        return
    if isinstance(tree, ast.expr) and (text := template(tree)) and is_sentence(text):
        yield text
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(child, ast.Constant)):  # a piece of a sentence
            yield from messages(child)


def progress(tree: ast.AST) -> Iterator[str]:
    """Templates of what a file tells of the progress of work."""
    variables: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            variables.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        for told in _told(node, ast.unparse(node.func).split(".")) if isinstance(node, ast.Call) else ():
            for value in variables.get(told.id, []) if isinstance(told, ast.Name) else [told]:
                if (text := template(value)) and words(text) and text not in NAMES:
                    yield text


def _told(call: ast.Call, name: list[str]) -> Iterator[ast.expr]:
    """What a call reports: the second argument of a progress, and what `each` tells of its items."""
    if len(call.args) == 2 and (name[-1] in ("progress", "_progress", "part") or name[0] in ("stages", "steps")):
        yield call.args[1]
    if name[-1] in ("each", "_chunks"):
        yield from (a.body if isinstance(a, ast.Lambda) else a for a in call.args)


def collect() -> dict[str, list[str]]:
    """Name of a list -> its templates, sorted; one more list for the progress of work."""
    found: dict[str, set[str]] = {name: set() for name in (PROGRESS, *PARTS, REST, LOGIC)}
    for path in sorted(LIBRARY.rglob("*.py")):
        part = path.relative_to(LIBRARY).parts[0]
        if part not in ELSEWHERE:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found[PROGRESS] |= set(progress(tree))
            found[part if part in PARTS else REST] |= set(messages(tree))
    for path in sorted(PANELS.glob("*.py")):
        if path.name != "selftest.py":
            found[LOGIC] |= set(messages(ast.parse(path.read_text(encoding="utf-8"))))
    listed: set[str] = set()
    for texts in found.values():  # each sentence once
        texts -= listed
        listed |= texts
    return {name: sorted(texts) for name, texts in found.items()}


def file_text(name: str, templates: list[str]) -> str:
    """The Python file of a list."""
    what = {PROGRESS: "What the library says while it works", LOGIC: "Sentences of ACSegLogic"}.get(name)
    what = what or f"Sentences of ACSegLib, part {name}"
    lines = [
        f'"""{what}, for translators. Made by Testing/CMake/sentences.py; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Callable",
        "",
        "",
        "def sentences(_: Callable[[str], str]) -> list[str]:",
        '    """Every sentence by a function that translates it; ``{0}`` stands for a value."""',
        "    return [",
    ]
    for text in templates:
        lines += _call(text)
    return "\n".join([*lines, "    ]", ""])


def _call(text: str) -> list[str]:
    """The lines of one call of ``_``, as ruff formats it."""
    whole = f"        _({_quoted(text)}),"
    if len(whole) <= WIDTH:
        return [whole]
    pieces, room = [""], WIDTH - 14
    for word in re.findall(r"\S+\s*", text):
        if len(_quoted(pieces[-1] + word)) > room:
            pieces.append("")
        pieces[-1] += word
    return ["        _(", *(f"            {_quoted(piece)}" for piece in pieces), "        ),"]


def _quoted(text: str) -> str:
    plain = text.replace("\\", "\\\\")
    if '"' in plain and "'" not in plain:
        return f"'{plain}'"
    return '"' + plain.replace('"', '\\"') + '"'


def write() -> None:
    """Rewrite the lists."""
    TARGET.mkdir(exist_ok=True)
    for name, templates in collect().items():
        (TARGET / f"{name}.py").write_text(file_text(name, templates), encoding="utf-8", newline="\n")


def differences() -> list[str]:
    """Say which lists are not up to date, one line for each."""
    stale = []
    for name, templates in collect().items():
        path = TARGET / f"{name}.py"
        if not path.exists() or path.read_text(encoding="utf-8") != file_text(name, templates):
            stale.append(f"{path.relative_to(ROOT).as_posix()} is not up to date")
    return stale


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    problems = differences()
    print("\n".join(problems) or "every sentence is listed")
    sys.exit(bool(problems))
