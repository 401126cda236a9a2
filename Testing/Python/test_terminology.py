from dataclasses import replace

import numpy as np

from ACSegLib.terminology import terminology_of, with_standard_codes
from ACSegLib.volume import Segment, Segmentation


def test_cells_and_cytoplasm_have_their_standard_codes():
    entry = "Segmentation category and type - ACSeg~SCT^123037004^Anatomical Structure~{}~^^~~^^~^^"
    assert terminology_of("Cytoplasm") == entry.format("FMA^66835^Cytoplasm")
    assert terminology_of("cell 12") == terminology_of("cell_12") == entry.format("SCT^4421005^Cell")
    assert terminology_of("bead") == terminology_of("cell wall") == ""


def test_an_entry_that_a_segment_has_is_kept():
    own = Segmentation.from_labels(np.ones((2, 2, 2), np.uint8), names={1: "cell"})
    own = replace(own, segments=[Segment("cell", 1, terminology="mine"), Segment("cytoplasm", 2)])
    assert [s.terminology for s in with_standard_codes(own).segments] == ["mine", terminology_of("cytoplasm")]
