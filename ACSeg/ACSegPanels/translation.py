"""Shows the library's sentences in the language of Slicer: progress, errors and warnings.

The library knows nothing of Slicer and speaks English. `messages` lists its sentences as templates, where translators
find them. The template of a sentence is found when it is shown, so that a sentence of another process can be
translated, and the library raises its errors without a thought of languages.
"""

from __future__ import annotations

import functools
import string
from dataclasses import dataclass

from slicer.i18n import tr

from ACSegLib.worker.events import capitalized
from ACSegPanels.messages import commands, files, library, logic, network, progress


@dataclass(frozen=True)
class Template:
    """A sentence of the library with places for values.

    Attributes
    ----------
    literals : tuple of str
        What stands before, between and behind the values.
    words : str
        The translated template.
    """

    literals: tuple[str, ...]
    words: str

    @property
    def size(self) -> int:
        """How much of the sentence is fixed."""
        return sum(map(len, self.literals))

    def values(self, sentence: str) -> list[str] | None:
        """The values in a sentence; None if it is another one."""
        first, *others = self.literals
        if not others:
            return [] if sentence == first else None
        last = others.pop()
        end = len(sentence) - len(last)
        if not sentence.startswith(first) or not sentence.endswith(last):
            return None
        values, start = [], len(first)
        for literal in others:
            found = sentence.find(literal, start, end)
            if found < 0:
                return None
            values.append(sentence[start:found])
            start = found + len(literal)
        return [*values, sentence[start:end]] if start <= end else None


@functools.cache
def _templates() -> list[Template]:
    """All templates, those with most fixed text first: "reading the result" before "reading {0}"."""
    found = []
    for part in (progress, commands, files, library, logic, network):
        for english, words in zip(part.sentences(str), part.sentences(tr), strict=True):
            parsed = list(string.Formatter().parse(english))
            literals = [literal for literal, _field, _spec, _kind in parsed]
            if parsed[-1][1] is not None:  # it ends with a value
                literals.append("")
            found.append(Template(tuple(literals), words))
    return sorted(found, key=lambda template: -template.size)


def translated(sentence: str) -> str:
    """Translate a sentence of the library; one that is not known stays as it is.

    A sentence that begins with a capital letter, since it is shown alone, does so in the other language too. Of
    "name: sentence" the sentence is translated, and so is a value that is a sentence itself.
    """
    for text in (sentence, sentence[:1].lower() + sentence[1:]):
        for template in _templates():
            values = template.values(text)
            if values is not None:
                words = template.words.format(*(translated(v) if v.endswith(".") else v for v in values))
                return words if text == sentence else capitalized(words)
    name, colon, rest = sentence.partition(": ")
    return f"{name}: {translated(rest)}" if colon else sentence
