"""The constants of the fill: what each means, where it comes from, and the command that measured it.

``Testing/Benchmarks/fill_constants.py`` varies each measured constant on a simulated tomogram, an MR crop and a stack
of nuclei, and prints the Dice of the slices that were not labelled and the seconds. A value that is marked *bound*
limits time, memory or a division, and does not decide a result.
"""

from __future__ import annotations

from ACSegLib.segment_estimates import Estimator

# --- random walk ------------------------------------------------------------------------------------------------------

#: Smallest weight of an edge, so that no voxel is cut off from the others. Bound.
MIN_EDGE_WEIGHT = 1e-4

#: Largest error of a probability (Documentation/filling.md, "The solver").
TOLERANCE = 1e-3

#: Tolerance of the fills that only estimate how well the labelled slices are predicted. Bound.
CROSS_VALIDATION_TOLERANCE = 1e-2

#: Iterations after which the solver gives up; a system that is bounded by `TOLERANCE` needs far fewer. Bound.
MAX_ITERATIONS = 3000

#: Iterations between two looks at the largest residual. Bound.
ITERATIONS_PER_CHECK = 4

#: Classes that are solved together: they share the passes over the edge weights. Bound.
MAX_CLASSES_TOGETHER = 4

# --- strength of prior and edges --------------------------------------------------------------------------------------

#: Strength of the prior, and edge scale in noise levels, where too few slices are labelled to choose them. A choice:
#: between the values that the calibration gives on good and on poor priors.
DEFAULT_GAMMA, DEFAULT_EDGE = 0.3, 3.0

#: Strengths of the prior and edge scales in noise levels among which hidden labels choose, and the Dice by which a
#: weaker prior must be better. ``Testing/Benchmarks/self_tuning.py``.
GAMMAS, EDGES, MIN_GAIN = (1.0, 0.1, 0.01), (1.0, 3.0, 30.0), 0.002

#: Ways in which blocks of labelled slices are hidden. With two, half of each slice is judged.
FOLDS = 2

#: Labelled slices of a run whose blocks are hidden, runs, and voxels of all of them. Bound.
MAX_RUN, MAX_RUNS, MAX_HELD_OUT_VOXELS = 5, 2, 400_000

#: Whole slices that are hidden where there are many instances, and voxels of the window around each. Bound.
MAX_LEFT_OUT, MAX_WINDOW_VOXELS = 2, 250_000

#: Updates of a classifier that only judges the prior. Bound.
TRIAL_STEPS = 400

# --- estimates of Dice and volume; ``Testing/Benchmarks/fill_estimates.py --fit`` prints these ------------------------

#: Of fills without and with many instances; inputs are `estimates.Signs.vector`.
ESTIMATORS = (
    Estimator(
        error_coefficients=(2.1962, 0.6645, 0.683, 0.0719, 0.0593, 0.4478, -0.0428, -0.3683, 0.0247, 0.0843),
        error_spread=(0.0535, 0.2674, -0.1753, -0.1866, 0.3327, 0.4114, -0.2213, -0.1951, 0.0415, -0.0234),
        error_interval=(-1.9416, 2.7197),
        ratio_coefficients=(-0.0008, 0.9704),
        ratio_spread=(-0.0474, 0.1499, 0.5682, 0.073, 0.1944, 0.0675, -0.6668, -0.1842, -0.0027, 0.0281),
        ratio_interval=3.6,
    ),
    Estimator(
        error_coefficients=(0.3321, -0.0141, 2.5848, 0.0937, -0.2403, 0.5528, 0.0013, 0.0216, -0.0461, 0.2864),
        error_spread=(-0.2936, -0.029, 1.1929, -0.1734, 0.1766, -0.094, -0.0518, -0.1311, -0.0308, 0.44),
        error_interval=(-2.976, 3.6877),
        ratio_coefficients=(-0.0008, 0.514),
        ratio_spread=(0.0295, 0.1676, 2.5226, 0.3218, 0.3486, 0.373, -0.0109, 0.0332, 0.0085, 0.3261),
        ratio_interval=3.62,
    ),
)

# --- appearance classifier --------------------------------------------------------------------------------------------

#: Units of the two hidden layers. `fill_constants.py HIDDEN_UNITS`.
HIDDEN_UNITS = (32, 24)

#: Updates, voxels of each, and learning rate at the start. `fill_constants.py STEPS BATCH LEARNING_RATE`.
STEPS, BATCH, LEARNING_RATE = 1000, 512, 0.02

#: Decay of the weights, in units of the learning rate. `fill_constants.py WEIGHT_DECAY`.
WEIGHT_DECAY = 1e-3

#: Voxels to learn from, at most. `fill_constants.py MAX_SAMPLES`. Bound.
MAX_SAMPLES = 40_000

#: Standard deviation below which a feature counts as constant. Bound.
MIN_FEATURE_SPREAD = 1e-4

#: Share of the training voxels whose shape features are hidden. `fill_constants.py HIDDEN_SHAPE_SHARE`.
HIDDEN_SHAPE_SHARE = 0.1

#: Share of the training voxels that a rare group has at least, so that a bead is not forgotten.
#: `fill_constants.py MIN_GROUP_SHARE`.
MIN_GROUP_SHARE = 0.02

#: Weight of a training voxel relative to its frequency, at most. Bound.
MAX_SAMPLE_WEIGHT = 20.0

#: Classes beyond this number share one appearance group ("foreground"); shape tells them apart. Bound.
MAX_GROUPS = 8

# --- class priors -----------------------------------------------------------------------------------------------------

#: Mean probability with which the image alone confuses two groups, from which on they look alike.
#: `fill_constants.py CONFUSED`.
CONFUSED = 0.1

#: Width, in voxels, over which neighbouring instances share the prior of their group.
#: `fill_constants.py INSTANCE_WIDTH`.
INSTANCE_WIDTH = 2.0

# --- strokes ----------------------------------------------------------------------------------------------------------

#: Cost of a path's length, per voxel of the finest axis, in thousandths of the intensity range. ``strokes.py``.
LENGTH_COST = 1.0

#: Voxels of the grid on which paths from the strokes are searched, at most. Bound.
MAX_GEODESIC_VOXELS = 400_000

#: Without strokes on the background: largest share of the volume that a region takes, and number of sizes compared.
MAX_REGION_SHARE, REGION_LEVELS = 0.6, 48

#: Strength of the prior and edge scale for strokes, where no slice can be left out to choose them. ``strokes.py``.
STROKE_GAMMA, STROKE_EDGE = 0.3, 2.0

#: Voxels of the first segmentation to learn from. Bound.
STROKE_SAMPLES = 12_000

# --- features and shape -----------------------------------------------------------------------------------------------

#: Standard deviation of the smoothing of the fine features, in voxels of the finest axis.
#: `fill_constants.py FINE_SIGMA`.
FINE_SIGMA = 1.0

#: Standard deviations, in voxels of each coarse level, of its smoothing. `fill_constants.py LEVEL_SIGMAS`.
LEVEL_SIGMAS = (0.8, 1.0)

#: Signed distances are clipped here, in voxels of the finest axis: further away, the shape says nothing more. Bound.
MAX_DISTANCE = 64.0

#: Share of the distance between slices within which the interpolated outline says nothing, so that the image decides.
#: `fill_constants.py OUTLINE_MARGIN`.
OUTLINE_MARGIN = 0.4

#: Intensity range, in percent of the voxels of the image and of each labelled class: the extremes are clipped.
#: `fill_constants.py IMAGE_PERCENTILES CLASS_PERCENTILES`.
IMAGE_PERCENTILES, CLASS_PERCENTILES = (0.1, 99.9), (2, 98)

# --- suggestions ------------------------------------------------------------------------------------------------------

#: Places that are compared with the labelled slices, and places of these, at most. Bound.
MAX_PLACES, MAX_REFERENCES = 200_000, 40_000

#: Weight of all that looks new, in units of all that is uncertain, after two labelled slices; with more slices it falls
#: as one over their number less one (``Testing/Benchmarks/fill_suggestion.py``).
NEW_SHARE = 4.0

#: A voxel of new appearance counts for as much as so many uncertain ones, at most
#: (``Testing/Benchmarks/fill_suggestion.py``).
MAX_NEW_WEIGHT = 50.0
