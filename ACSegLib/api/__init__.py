"""The public functions of ACSeg: open, save, fill, refill, correct, predict, train, split, measure, compare.

They are what ``import ACSegLib as acseg`` offers. They take NumPy arrays, or a `Volume` and a `Segmentation`, and
return objects whose arrays are one attribute away:

>>> import ACSegLib as acseg
>>> result = acseg.fill(image, sparse_labels, spacing=(60, 60, 60), unit="nm")
>>> result.labels, result.uncertainty
>>> acseg.measure(result.segmentation)["volume"]

The spacing of an array is in the order of the array, (z, y, x), as in scikit-image.
"""

from typing import TYPE_CHECKING

from ACSegLib.api.arguments import with_checked_arguments
from ACSegLib.api.correcting import correct
from ACSegLib.api.data import open, save
from ACSegLib.api.filling import fill, refill
from ACSegLib.api.measuring import compare, measure
from ACSegLib.api.networks import predict, train
from ACSegLib.api.splitting import split
from ACSegLib.api.table import Table
from ACSegLib.option_names import raising_keywords

__all__ = ["Table", "compare", "correct", "fill", "measure", "open", "predict", "refill", "save", "split", "train"]

if not TYPE_CHECKING:  # these functions have the types of those that they wrap
    compare, correct, fill, measure, open, predict, refill, save, split, train = (
        raising_keywords(with_checked_arguments(function))
        for function in (compare, correct, fill, measure, open, predict, refill, save, split, train)
    )
