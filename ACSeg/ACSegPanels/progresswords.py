"""What the library says while it works, for translation: it knows nothing of Slicer and speaks English.

Slicer's translators find the sentences here. A test compares them with those in the library's source.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from slicer.i18n import tr


def sentences(_: Callable[[str], str]) -> list[str]:
    """Give every sentence by a function that translates it; ``{0}`` stands for a number or a name."""
    return [
        _("calibrating on {0}"),
        _("calibrating the network"),
        _("calibrating the refinement network on {0}"),
        _("checking {0}"),
        _("cleaned"),
        _("cleaning {0}"),
        _("compared"),
        _("compared {0}"),
        _("comparing {0}"),
        _("computing a new fill"),
        _("computing image features"),
        _("cross-validation: filling hidden parts of labelled slices"),
        _("cross-validation: learning without a labelled slice"),
        _("cross-validation: learning without blocks of labelled slices"),
        _("done"),
        _("downloading {0}"),
        _("examining the image"),
        _("filling holes"),
        _("filling slices {0} to {1}"),
        _("finding what was corrected"),
        _("labelling the refined surface"),
        _("learning from what was corrected"),
        _("learning the appearance of the segments"),
        _("loading"),
        _("looking for {0}"),
        _("measured"),
        _("measuring"),
        _("measuring {0}"),
        _("measuring {0}, cell {1} of {2}"),
        _("mesh of {0}"),
        _("patch {0} of {1}"),
        _("predicted"),
        _("preparing {0}"),
        _("projecting and reconstructing"),
        _("random walk: refining the surface"),
        _("reading the files"),
        _("reading the labelled slices"),
        _("reading the list of files"),
        _("reading the result"),
        _("reading {0}"),
        _("refilling around the edited slices"),
        _("refining surface region {0} of {1}"),
        _("removing islands"),
        _("resampling"),
        _("restoring thin structures"),
        _("scaling the image"),
        _("scaling the labels back"),
        _("scoring the model on twins"),
        _("searching paths from the strokes"),
        _("simulating digital twins"),
        _("smoothed"),
        _("smoothing: boundaries"),
        _("smoothing: thick parts"),
        _("smoothing: thin structures"),
        _("smoothing: voting"),
        _("solving around the corrections"),
        _("split cells of {0}"),
        _("splitting cells of {0}"),
        _("thresholded {0}"),
        _("thresholding {0}"),
        _("tile {0} of {1}"),
        _("tomogram simulated"),
        _("training the refinement network"),
        _("training the refinement network: step {0}, loss {1}"),
        _("training: step {0}, loss {1}, {2} min left"),
        _("writing the result"),
        _("writing {0}"),
    ]


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    def rank(pair: tuple[str, str]) -> tuple[bool, int]:  # "reading the result" before "reading {0}"
        return "{" in pair[0], -pair[0].count("{")

    pairs = sorted(zip(sentences(str), sentences(tr), strict=True), key=rank)
    return [(re.compile(re.sub(r"\\\{\d\\\}", "(.+?)", re.escape(english))), words) for english, words in pairs]


def translated(message: str) -> str:
    """Translate a sentence of the library; one that is not known stays as it is."""
    for pattern, words in _patterns():
        match = pattern.fullmatch(message)
        if match is not None:
            return words.format(*match.groups())
    return message
