"""Which intensities absorb, and whether the image is one that the network knows: told by how sure it is of each voxel.

``Testing/Benchmarks/pretrained_model.py --cases inverted,empty`` measures the constants with the pretrained model.
"""

from __future__ import annotations

import numpy as np

#: Mean entropy (nats) up to which the network is so sure that the inverted image is not predicted.
SURE = 0.03
#: Ratio of the inverted image's entropy to the image's below which the contrast is inverted, and may be inverted. Of 33
#: simulated and real tomograms, right ones have 1.6 and more, so that inverted ones have 0.62 and less; two in flat
#: holders have 0.8 and 1.0.
INVERTED, MAYBE_INVERTED = 0.65, 1.4
#: Entropy from which on the network does not know such images. Tomograms have 0.215 at most, noise on a gradient 0.225
#: and more, smooth noise 0.37. White noise is known: nothing is labelled.
UNKNOWN = 0.22


def uncertainty(probabilities: np.ndarray) -> float:
    """Mean entropy of the classes, in nats, of probabilities (channels, k, j, i)."""
    return float(-(probabilities * np.log(np.maximum(probabilities, 1e-9))).sum(0).mean())


def looks_inverted(own: float, inverted: float) -> bool:
    """Whether the network is so much surer of the inverted image that this one is taken as inverted.

    Parameters
    ----------
    own, inverted : float
        `uncertainty` of the image as it is and with its intensities inverted.
    """
    return inverted < INVERTED * own


def notes_on_contrast(own: float, inverted: float) -> list[str]:
    """What a user should know about the contrast: at most one sentence."""
    if looks_inverted(own, inverted):
        return [
            "the contrast looks inverted (dark is absorbing), so the image was predicted with its intensities "
            "inverted; if that is wrong, use --contrast bright"
        ]
    if inverted < MAYBE_INVERTED * own:
        return ["the contrast may be inverted; if dark intensities absorb, use --contrast dark"]
    return []


def notes_on_unknown_images(entropy: float) -> list[str]:
    """A sentence if the network does not know what the image shows, such as noise or a specimen without cells."""
    if entropy <= UNKNOWN:
        return []
    return [
        "the network does not recognise what this image shows (mean entropy "
        f"{entropy:.2f} nats); do not use the labels unless they look right"
    ]
