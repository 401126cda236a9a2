"""Networks whose answer is known beforehand."""

from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import Normalisation, Preprocessing
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec
from ACSegLib.volume import Segment

SLOPE = 4.0


def threshold_model(level=0.0, *, output="softmax", spacing=None, normalisation=None, patch=16, **preprocessing):
    """A real network whose answer is known: class 1 where the intensity exceeds `level` (and 2 beyond level + 1)."""
    classes = 3 if output == "softmax" else 2
    spec = NetworkSpec(
        kind=BIOMEDISA_KIND, in_channels=1, out_channels=classes, output=output, filters=(2, 2), epsilon=0.0
    )
    state = build_network(spec).state_dict()
    for name, value in state.items():
        value.zero_()
        if name.endswith(("norm1.weight", "norm2.weight", "running_var")):
            value.fill_(1.0)
    for block, source in ((0, 0), (2, 2)):  # the bottleneck stays 0; channel 2 of block 2 is the first skip channel
        state[f"blocks.{block}.conv1.weight"][0, source, 1, 1, 1] = 1.0
        state[f"blocks.{block}.conv2.weight"][0, 0, 1, 1, 1] = 1.0
    shift = 100.0  # ReLUs pass what is positive
    state["blocks.0.conv1.bias"][0] = shift
    first, second = state["head.weight"], state["head.bias"]
    if output == "softmax":
        first[1, 0], second[1] = SLOPE, -SLOPE * (shift + level)
        first[2, 0], second[2] = 2 * SLOPE, -SLOPE * (2 * shift + 2 * level + 1)
    else:
        first[0, 0], second[0] = SLOPE, -SLOPE * (shift + level)
        first[1, 0], second[1] = SLOPE, -SLOPE * (shift + level + 1)
    segments = [Segment("cell", 1), Segment("bead", 7)]
    settings = Preprocessing(normalisation or Normalisation("none"), (patch,) * 3, **preprocessing)
    return Model(spec, state, segments, settings, spacing, "nm" if spacing else "px")
