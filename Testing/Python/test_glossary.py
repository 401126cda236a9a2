"""One word for each thing: the words that the glossary does not use are used nowhere in code, panels and documents."""

import functools
import re
from pathlib import Path

import pytest

import ACSegLib

ROOT = Path(ACSegLib.__file__).parents[1]
GLOSSARY = ROOT / "Documentation" / "glossary.md"
#: Lines (with their place in front) in which a word has another meaning, and why.
EXCEPTIONS = {
    # Python's own, and names in other programs' files
    "annotation": r"import annotations|\.annotation\b|_annotations?\b|CommentAnnotation|\"gt\"",
    "annotate": r"axes\.annotate",  # matplotlib's own
    "piece": r"\"pieces\"|\"largest_piece\"|`pieces`|`largest_piece`",  # columns of tables
    "thin part": r"thin_parts?\b|thin_part_|thin-parts",  # columns of tables, and the option of the shell
    "drawing": r"^ACSegLib/app/web/src/volume-view.ts:",  # NiiVue's word for labels
    "lattice": r"^ACSegLib/files/formats/amira.py:|AmiraMesh",  # Amira's word for the data sections of its files
    "insist": r"aliases=",  # the old name of --force
    "engine": r"aliases=",  # the old name of --backend
    "shipped model": r"train_shipped_model",  # the name of the script that trains it
}


def unused():
    """Words of the last column of the glossary's tables, with the term that is used instead."""
    words = {}
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[2] not in ("", "---", "not used"):
            for word in re.sub(r"\([^)]*\)", "", cells[2]).split(","):
                words[word.strip(" `")] = cells[0]
    return words


def pattern(word):
    """A regular expression for a word, as text or as a part of a name."""
    if word.endswith("_"):
        return re.compile(rf"\b_?{word}", 0)
    return re.compile(
        r"(?<![A-Za-z])" + r"[ _-]".join(map(re.escape, re.split(r"[ _]", word))) + r"s?(?![A-Za-z])", re.I
    )


@functools.cache
def lines():
    """Every line of code, panels and documents, names in camelCase taken apart; with its place."""
    return list(_lines())


def _lines():
    places = [
        *(path for path in (ROOT / "ACSegLib").rglob("*.py") if "node_modules" not in path.parts),
        *(ROOT / "ACSegLib" / "app" / "web" / "src").rglob("*.ts"),
        *(ROOT / "ACSeg").rglob("*.py"),
        *(ROOT / "ACSeg").rglob("*.ui"),
        *(path for path in (ROOT / "Documentation").iterdir() if path.suffix in (".md", ".rst", ".ipynb")),
        *ROOT.glob("*.md"),
    ]
    for path in places:
        if path != GLOSSARY and path.parent.name != "messages":  # these are copies of the library's sentences
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{path.relative_to(ROOT)}:{number}", line, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", line)


def test_the_glossary_names_words_that_are_not_used():
    assert len(unused()) > 30
    assert unused()["forecast"] == "cross-validation"


@pytest.mark.parametrize("word", unused())
def test_a_word_that_the_glossary_does_not_use_is_used_nowhere(word):
    found = pattern(word)
    exception = re.compile(EXCEPTIONS.get(word, "(?!)"))
    uses = [
        f"{place}: {line.strip()}"
        for place, line, apart in lines()
        if found.search(apart) and not exception.search(f"{place}: {line}")
    ]
    assert not uses, f"say {unused()[word]!r} instead of {word!r}:\n" + "\n".join(uses[:20])
