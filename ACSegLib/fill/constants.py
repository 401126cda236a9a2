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

#: Largest error of a probability (Documentation/fill-method.md, "The solver").
TOLERANCE = 1e-3

#: Tolerance of the fills that only estimate how well the labelled slices are predicted. Bound.
CROSS_VALIDATION_TOLERANCE = 0.04

#: Iterations after which the solver gives up; a system that is bounded by `TOLERANCE` needs far fewer. Bound.
MAX_ITERATIONS = 3000

#: Iterations between two looks at the largest residual. Bound.
ITERATIONS_PER_CHECK = 4

#: Classes that are solved together: they share the passes over the edge weights. Bound.
MAX_CLASSES_TOGETHER = 4

# --- strength of prior and edges --------------------------------------------------------------------------------------

#: Strength of the prior, and edge scale in noise levels, where one slice alone is labelled; of two slices they stay
#: unless others are clearly better. A choice: between the values that the calibration gives on good and on poor priors.
DEFAULT_GAMMA, DEFAULT_EDGE = 0.3, 3.0

#: Strengths of the prior and edge scales in noise levels among which hidden labels choose: of a good prior, of any
#: other one unless the others are better, and of a poor one. A strong prior leaves little to the edges.
#: ``Testing/Benchmarks/self_tuning.py``.
CANDIDATES = ((1.0, 3.0), (0.1, 1.0), (0.01, 0.6))

#: A further one, with the strength of the second, for labels that run where the image has no edge: noise would lead the
#: walk there, if small differences counted. It must be better by so much Dice: that of the hidden parts is often
#: uncertain by as much. ``self_tuning.py``.
SMOOTH_WALK, MIN_SMOOTH_GAIN = (0.1, 3.0), 0.01

#: A further one, which leaves nearly all to the edges, where slices are so far apart, in voxels of the finest axis. A
#: walk between slices takes a number of steps that grows with the square of their distance, and may stop at each: what
#: is a weak prior between near slices is a strong one between distant ones. ``self_tuning.py --few``.
PLAIN_WALK, MIN_WALK = (0.001, 0.3), 10.0

#: Outlines run along walls if bright sheets there have so much higher a rank than dark ones, or the other way round,
#: among the other pixels of the labelled slices. Cells between membranes have 0.39 and more, plant cells, which gain
#: nothing, 0.33, and others 0.17 at most. ``self_tuning.py``.
MIN_WALL_ADVANTAGE = 0.35

#: Height of walls, in units of the usual one, that counts as one noise level of the image; strength of the prior and
#: edge scale that take the place of the weak candidate there. ``self_tuning.py``, and with ``--few``.
WALL_LEVEL, WALL_WALK = 3.0, (0.003, 0.6)

#: Strengths of the prior that are tried with edges that were learned; the better one must be better than the best with
#: an edge scale by so much Dice. ``self_tuning.py``.
LEARNED_GAMMAS, MIN_LEARNED_GAIN = (0.1, 0.01), 0.004

#: Strength of the prior of many segments that touch each other with such edges, and the one that hidden slices judge as
#: well: a quarter. The second pair is for walls. ``self_tuning.py --learned``.
LEARNED_GAMMAS_OF_TISSUE, LEARNED_GAMMAS_AT_WALLS = (0.3, 0.075), (0.05, 0.0125)

#: Many segments lie apart if at most this part of the borders on labelled slices runs between two of them. Nuclei,
#: blobs and rods have 0.14 at most, tissues 1. ``self_tuning.py --learned``.
MAX_TOUCHING = 0.5

#: Strength of their prior with learned edges, whatever hidden slices say, up to this distance of the slices, in voxels
#: of the finest axis. Beyond, it falls with the square of the distance, down to the last value. ``self_tuning.py``.
LEARNED_GAMMA_APART, NEAR_APART, MIN_GAMMA_APART = 0.07, 8.0, 0.02

#: Largest weight of such an edge, in units of that of the usual one. Bound.
MAX_LEARNED_WEIGHT = 2.0

#: Dice by which the weak prior may be worse than the medium one, so that an even weaker one is tried.
#: ``self_tuning.py --few``.
MAX_WEAK_LOSS = 0.03

#: Dice by which other settings must be better. ``Testing/Benchmarks/self_tuning.py``.
MIN_GAIN = 0.004

#: Dice of the prior alone from which on it stays strong unless a weaker one is better.
#: ``Testing/Benchmarks/self_tuning.py``.
TRUSTED_PRIOR = 0.95

#: Dice by which the strong prior must be better than the others where it is less good. ``self_tuning.py``.
MIN_STRONG_GAIN = 0.018

#: Dice by which others must be better than `DEFAULT_GAMMA` where no slice lies between two others: what is hidden then
#: is known from one side. ``self_tuning.py --few``.
MIN_GAIN_AT_ENDS = 0.15

#: Labelled slices of a run whose bands are hidden, and runs. Bound.
MAX_RUN, MAX_RUNS = 5, 2

#: Of so many labelled slices at most, the second one is not seen at all by the classifier that judges the prior. With
#: more of them, the prior is better than that on the planes of the fill. ``self_tuning.py``, and with ``--uneven``.
MAX_FEW_SLICES = 5

#: Share of the volume that is filled again and again with hidden bands, and its voxels. Bound: the choice takes hardly
#: longer than the fill.
HELD_OUT_SHARE, MIN_HELD_OUT_VOXELS, MAX_HELD_OUT_VOXELS = 0.75, 100_000, 400_000

#: Share of the volume beyond the outermost labelled slices from which on their bands are hidden as well.
#: ``Testing/Benchmarks/self_tuning.py --uneven``.
MIN_END_SHARE = 0.3

#: The parts with these bands have so many times fewer voxels. Bound.
END_PART = 4

#: Whole slices that are hidden where there are many instances. Bound.
MAX_LEFT_OUT = 2

#: Updates of a classifier that only judges the prior. Bound.
TRIAL_STEPS = 400

# --- estimates of Dice and volume; ``Testing/Benchmarks/fill_estimates.py --fit`` prints these ------------------------

#: Of fills without and with many instances; inputs are `estimates.Signs.vector`.
ESTIMATORS = (
    Estimator(
        error_coefficients=(-0.6409, 0.6372, 0.1147, 0.1784, 0.8092, 0.2813, 0.5348, 0.0, 0.0, 0.0, 0.0),
        error_spread=(-1.5193, 0.0, 0.0, 0.0, 0.0, 0.8184, 0.3748, 0.0, 0.0, 0.0, 0.0),
        error_interval=(-3.2571, 3.5075),
        ratio_coefficients=(-0.0036, 0.7245, 0.3555),
        ratio_spread=(-2.2716, 0.0572, 0.0103, 0.016, 0.0726, 1.0577, 0.406, 0.0, 0.5072, 0.0, 0.0),
        ratio_interval=4.1,
        odds=True,
        trusted_from=0.823,
    ),
    Estimator(
        error_coefficients=(-0.9431, 0.5013, 0.0, 0.2424, 0.0, 0.0, 0.0, 1.7097, 0.0, 0.0, 0.0),
        error_spread=(-1.449, 0.0, 0.0, 0.0, 0.0, 0.3698, 0.8749, 0.0, 0.0, 0.0, 0.0),
        error_interval=(-3.841, 3.7599),
        ratio_coefficients=(0.0095, 0.5587, 0.2767),
        ratio_spread=(-1.6569, 0.2663, 0.0, 0.1288, 0.0, 0.3856, 0.0, 0.9082, 0.0, 0.1552, 0.2129),
        ratio_interval=4.77,
        odds=True,
        trusted_from=0.823,
    ),
)  # fmt: skip

#: Where many instances have a smaller size (median, `estimates.Signs.size`), and this share of them lies on a single
#: labelled slice, others lie unseen between the slices. A ball has size 1.1 where slices are two thirds of its diameter
#: apart. In fills of blobs and nuclei from such slices, 58 % to 91 % of the intervals held.
MIN_INSTANCE_SIZE, SINGLE_SHARE = 1.1, 0.75

#: Longest over shortest voxel edge from which on the estimates of many instances are less sure. In whole volumes of
#: plant cells with planes 2.5 apart, 81 % to 95 % of the intervals of the Dice held: ``fill_estimates.py --whole``.
UNEVEN_SPACING = 1.5

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

#: Labelled slices whose outlines are made as wrong for the training as between slices: two do not tell how outlines
#: curve, and of more than six, leaving one out is as good. ``self_tuning.py``, and with ``--few``.
MIN_CURVED, MAX_CURVED = 3, 6

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

#: Share of one group that the image alone takes for another one, on slices that were held out, from which on, in both
#: directions, outlines decide between the two. Tight cells have 0.44 and more, membranes mostly 0.4 and more; FIB-SEM
#: and nested classes, which lose by it, 0.35 and 0.26 at most. ``rivals.py``.
RIVALS = 0.38

#: Share from which on they decide if they are better than the image: wrong at most so many times as often, on slices
#: left out. Two cells and hippocampus have 0.2 to 0.65, FIB-SEM 1.0 and more, nested classes 2 and more. ``rivals.py``.
DOUBTFUL, BETTER_OUTLINES = 0.1, 0.75

#: Width, in voxels, over which neighbouring instances share the prior of their group.
#: `fill_constants.py INSTANCE_WIDTH`.
INSTANCE_WIDTH = 2.0

# --- neighbours that nobody drew --------------------------------------------------------------------------------------

#: Updates of the classifiers of the screening, their samples, and samples whose usual likeness counts. Bound.
SCREENING_STEPS, SCREENING_SAMPLES, TYPICAL_SAMPLES = 100, 10_000, 1000

#: Background is suspect from this share of the usual probability of a segment on; then, with a classifier that did not
#: learn from it, from these probabilities on. ``neighbours.py``.
SUSPECT_SHARE, NEIGHBOUR_THRESHOLDS = 0.2, (0.35, 0.5)

#: Pixels around neighbours from which nothing is learned: while they are searched, and then. ``neighbours.py``.
UNCERTAIN_RIM, RIM = 4, 1

#: A segment has neighbours only if the image shows clearly what it is: all but this share of it has at least this
#: probability by the image alone. ``neighbours.py``.
UNCLEAR_SHARE, MIN_CLEAR = 0.25, 0.68

#: Thinner parts than twice this radius are no neighbours, in voxels of the finest axis. ``neighbours.py``.
NEIGHBOUR_RADIUS = 2.0

#: Area of neighbours on the labelled slices in relation to that of the segment, at least. ``neighbours.py``.
MIN_NEIGHBOUR_SHARE = 0.1

#: Their share of the background of the labelled slices, at most: a segment that looks like most of it has no own look.
MAX_NEIGHBOUR_SHARE = 0.7

#: Share of the distance between slices by which an outline must be nearer to decide. ``neighbours.py``.
CONTESTED = 0.5

#: Strength of the interpolated outlines in the walk between a segment and its neighbours, its edge scale in noise
#: levels, and bound on its error; least likeness of the voxels that it passes. ``neighbours.py``.
CONTEST_GAMMA, CONTEST_EDGE, CONTEST_TOLERANCE, MIN_LIKENESS = 0.01, DEFAULT_EDGE, 0.02, 0.3

#: Likeness of a voxel below which it does not matter who has it. Bound.
NEGLIGIBLE_LIKENESS = 0.01

# --- strokes ----------------------------------------------------------------------------------------------------------

#: Cost of a path's length, per voxel of the finest axis, in thousandths of the intensity range. ``strokes.py``.
LENGTH_COST = 1.0

#: Voxels of the grid on which paths from the strokes are searched, at most. Bound.
MAX_GEODESIC_VOXELS = 400_000

#: Largest share of the volume, and of what no other stroke claims, that a region takes, and number of sizes compared.
MAX_REGION_SHARE, MAX_TERRITORY_SHARE, REGION_LEVELS = 0.6, 0.95, 48

#: Power of its volume by which a region counts less: of two that are as steady, the smaller one. ``strokes.py``.
SIZE_PENALTY = 0.1

#: Costs of a path inside of a structure, by edges and by walls, in thousandths of the intensity range. ``strokes.py``.
EDGE_FLOOR, WALL_FLOOR = 120.0, 20.0

#: Noise of a voxel, in units of the intensity range, above which paths run through a smoothed image. ``strokes.py``.
MAX_PATH_NOISE = 0.055

#: Standard deviation of the smoothing before walls are measured, in voxels of the finest axis. ``strokes.py``.
WALL_SIGMA = 2.0

#: A region between edges is well closed from this contrast on (`path_costs.Region`), or from this rank and contrast on;
#: one between walls from this contrast on. That is better than the other one with so many times its contrast: with the
#: larger number if the one between edges is well closed.
MIN_EDGE_CONTRAST, MIN_EDGE_RANK, MIN_RANKED_CONTRAST = 3.1, 0.92, 1.8
MIN_WALL_CONTRAST, WALL_ADVANTAGE = 2.5, (1.3, 1.5)

#: A region between walls that has more than this number of times the voxels of the one between edges has leaked.
MAX_WALL_EXCESS = 3.0

#: In units of the cost at which a region ends: from which on there is background. ``strokes.py``.
CERTAIN_BACKGROUND = 2.0

#: Not so if what no other stroke claims is less than this number of times as large as the region, or lies within so
#: many voxels of it. ``strokes.py``.
MAX_EXCESS, SKIN = 1.25, 2

#: Depth of a dab of background, and of a segment, in what has another class, in units of the size of the region, up to
#: which a region explains it; and how far an error reaches around such a dab, in units of that depth. ``strokes.py``.
MAX_DEPTH, REACH = (0.35, 0.6), 3.0

#: Strokes of a class that have less than half of the voxels of a ball of this radius stand for such balls; in voxels of
#: the finest axis. A choice.
MIN_DAB = 2.0

#: A region of fewer than so many times the voxels that it grew from explains nothing.
MIN_GROWTH = 6.0

#: Single dabs of each class from which a region is grown before all of them are, at most. Bound.
MAX_SINGLE = 5

#: A dab of less than this share of the section of the largest one was cut off by a border, and grows no region alone.
WHOLE_DAB = 0.6

#: Power of its volume by which a region between walls is less likely: of two that explain the dabs, the larger one has
#: leaked through a gap. ``strokes.py``.
GAP_PENALTY = 0.5

#: Plausibility (`meanings.Meaning`) from which on any region between edges can outvote walls, and lead over walls with
#: which it always does; least share of what hangs together with its strokes that a region between walls takes to count.
#: ``strokes.py``.
PLAUSIBLE, MIN_REGION_SHARE = 0.5, 0.1

#: Width of the rims inside and outside of a region between edges whose intensities are compared, in voxels; what is
#: added to the spread inside and to the step between the rims; weight of the faces at the border of the image, in units
#: of a side of the region; weight of the logarithm of its voxels (`distinctness`). ``dab_choice.py``.
BOTH_RIMS, INNER_SPREAD, MIN_STEP, OPEN_WEIGHT, SIZE_WEIGHT = 2.0, 0.04, 0.1, 0.6, 0.2

#: By how many times dabs may enlarge the segments before it is asked whether they should change only their own voxels,
#: and by how much less speaks for that. Two structures of one segment, dabbed one after the other, need more than 1.35,
#: and a dab where the image shows nothing less than 2.1.
MAX_TAKEN, PAINTED_PENALTY = 1.3, 1.5

#: Depth up to which voxels inside of a region are partly of what lies around it, so that the spread inside is that of
#: the others, and the share of them from which on they can tell it (`distinctness`). ``dab_choice.py``.
SKIN_DEPTH, MIN_INNER = 1.0, 0.1

#: Distinctness of a corrected region between edges from which on walls do not end the regions. ``dab_choice.py``.
CLEAR = 0.0

#: Share of their voxels up to which regions may differ and are one: of several, only the first is judged. Bound.
SAME = 0.02

#: By how much more must speak for a region than for its cells with strokes, so that it is not split. Cells that touch
#: others stand out up to 0.3 less than all together, parts of a cell with many granules 0.4 to 3.5. ``dab_choice.py``.
SPLIT_MARGIN = 0.3

#: By how much more must speak for another region than for the one that the person saw (`distinctness.evidence`):
#: between edges, and between walls, where both sides look alike. ``dab_choice.py --falls``.
SEEN_MARGIN = (0.3, 1.5)

#: Share that a region may lose on the way to the crests of walls: they lie around it. ``dab_choice.py``.
MAX_CREST_LOSS = 0.25

#: How far from the voxels at a border it may move onto the crest of a wall, and standard deviation of the smoothing
#: before, in voxels of the finest axis. ``strokes.py``.
CREST_REACH, CREST_SIGMA = 3.0, 1.5

#: Strength of the prior and edge scale for strokes, where no slice can be left out to choose them. ``strokes.py``.
STROKE_GAMMA, STROKE_EDGE = 0.3, 2.0

#: Levels of the walk's probability at which a segment from strokes can end, and how many times as much the intensity
#: must change across the surface of another one than of one half (`levels`). ``dab_choice.py --falls``.
STROKE_LEVELS, LEVEL_GAIN = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5), 1.08

#: Usual probability of a segment by its appearance from which on it looks like nothing else, and up to which only the
#: place tells it from its surroundings. ``strokes.py``.
ALONE, AMBIGUOUS = 0.95, 0.7

#: How far the place decides at least: appearance alone makes nothing of a segment that lies apart. ``strokes.py``.
MIN_PLACE = 0.3

#: Standard deviation over which places pass into each other, in voxels of the finest axis; and between walls, where the
#: place decides alone. ``dab_choice.py --falls``.
PLACE_SIGMA, WALL_PLACE_SIGMA = 1.5, 0.6

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

#: Voxels that tell where the fill is uncertain, at most; rows and columns are skipped. Bound.
MAX_LOSS_VOXELS = 2_000_000

#: Between labelled slices, the part of the squared uncertainty that is wrong where a plane's distance from them is one
#: in so many of the volume's planes, and the power of that distance with which this part grows. Fills from 2 to 8
#: slices of 16 volumes have 0.2 at a distance of 10, 0.4 at 16, and 1 to 2 at 32 of 64 planes
#: (``Testing/Benchmarks/fill_suggestion.py``).
LOSS_SHARE, LOSS_PLANES, LOSS_GROWTH = 0.3, 20.0, 1.5

#: Power of the distance from labelled slices with which all that is wrong falls. From 1 to 3, the suggestions hardly
#: differ (``Testing/Benchmarks/fill_suggestion.py``).
LOSS_POWER = 2.0

#: Fewer voxels of new appearance are likely to be noise. A choice: a bead of diameter 5 has 65 voxels.
FEW_NEW = 50.0

#: A section of a segment: background lies within so many voxels of the finest axis of at least this share of its
#: border, and its deepest voxel is so deep; what is deeper than this share of it is its core. A choice: the ring around
#: an outline begins one or two voxels from it. ``strokes.py --prompts --outlines``.
SECTION_GAP, MIN_SURROUNDED, MIN_SECTION_DEPTH, CORE_DEPTH = 4, 0.6, 3.0, 0.5

#: The length of paths from the core of a section costs 1 and more times `LENGTH_COST`, up to the first with a region of
#: this misfit or less. What speaks for a region (`distinctness.evidence`) is less by its misfit times the weight.
#: ``dab_choice.py --falls --outlines``.
SECTION_LENGTHS, FITTING, MISFIT_WEIGHT = (1, 4, 16, 64, 256), 0.02, 2.0
