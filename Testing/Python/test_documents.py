"""The documents say what is so: links lead somewhere, commands parse, names in Python examples exist."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

import ACSegLib
from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.main import build_parser

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "Documentation").glob("*.md"))]
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())


def blocks(path, *languages):
    """Give the fenced code blocks of some languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def anchors(path):
    """Give the anchors that a document's headings make on its host."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def commands(text):
    """Give the calls of acseg in a text, without prompts, comments and remarks set off by spaces."""
    for line in text.replace("\\\n", " ").split("\n"):
        line = re.split(r"\s{3,}|\s#", line.strip().removeprefix("$ "))[0]
        if re.match(r"acseg [a-z]", line) and " ... " not in f"{line} ":
            yield line


def parse(line):
    """Parse a call as the shell would; a mistake ends the test with argparse's sentence."""
    words = shlex.split(line)[1:]
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS)
    return build_parser(name).parse_args(words)


@every_document
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@every_document
def test_commands_are_ones_that_the_parser_takes(path, capsys):
    for text in blocks(path, "", "bash", "sh"):
        for line in commands(text):
            try:
                parse(line)
            except SystemExit:
                pytest.fail(f"{line}\n{capsys.readouterr().err}")


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_are_ones_that_the_parser_takes(name, capsys):
    found = list(commands(load(name).__doc__))
    assert found, "the help shows no example"
    for line in found:
        try:
            assert parse(line).run_command in COMMANDS
        except SystemExit:
            pytest.fail(f"{line}\n{capsys.readouterr().err}")


@every_document
def test_python_examples_name_what_exists(path):
    for text in blocks(path, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ACSegLib"):
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{node.module} has no {missing}"


def test_every_document_is_in_the_index():
    index = (ROOT / "Documentation" / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in (ROOT / "Documentation").glob("*.md") if f"({p.name})" not in index] == ["README.md"]


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ACSegLib.__version__}\n" in citation
    assert ACSegLib.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
