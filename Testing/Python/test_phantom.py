"""Simulated tomograms: exact labels, realistic measurement, and simulated sparse labels."""

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.phantom import KINDS, PARTS, Recipe, label_slices, simulate, vary, vary_packed
from ACSegLib.phantom.projector import back_project, project
from ACSegLib.phantom.shapes import Blob, SmoothField, Tube, coverage, slabs, whole
from ACSegLib.phantom.tomography import ramp_filter, view_angles
from ACSegLib.phantom.twin import estimate_twin, twin_recipe

CELL = {"cytoplasm", "filopodia", "nucleus", "nucleolus", "lipid droplets", "mitochondria", "granules"}


@pytest.fixture(scope="module")
def cell():
    return simulate(64, 1)


# Shapes


def test_a_ball_covers_its_volume_and_its_distance_is_exact():
    blob = Blob(np.array([15.0, 16.0, 17.0]), np.array([9.0, 9.0, 9.0]), np.eye(3), [])
    distance = blob.distance(whole((32, 33, 34)))
    k, j, i = np.indices((32, 33, 34))
    exact = np.sqrt((k - 15) ** 2 + (j - 16) ** 2 + (i - 17) ** 2) - 9
    np.testing.assert_allclose(distance, exact, atol=1e-4)
    assert coverage(distance).sum() == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.005)


def test_a_thin_tube_covers_its_volume_to_a_fraction_of_a_voxel():
    line = np.linspace([5.3, 6.1, 7.7], [33.2, 25.4, 30.9], 12)
    radius = 1.3
    tube = Tube(line, np.full(12, radius))
    box = tube.box((40, 40, 40))
    length = np.linalg.norm(line[-1] - line[0])
    expected = np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3
    assert coverage(tube.distance(box)).sum() == pytest.approx(expected, rel=0.06)


def test_smooth_fields_have_unit_variance_and_do_not_depend_on_the_cut():
    field = SmoothField((40, 60, 50), 2.5, np.random.default_rng(0))
    values = field(whole((40, 60, 50)))
    assert values.std() == pytest.approx(1.0, abs=0.1)
    assert abs(values.mean()) < 0.05
    part = (slice(7, 19), slice(20, 41), slice(3, 4))
    np.testing.assert_array_equal(field(part), values[part])


def test_slabs_cover_a_box_once():
    box = (slice(3, 900), slice(0, 200), slice(0, 300))
    parts = list(slabs(box))
    assert len(parts) > 1
    assert [part[0].start for part in parts[1:]] == [part[0].stop for part in parts[:-1]]
    assert (parts[0][0].start, parts[-1][0].stop) == (3, 900)


# Measurement


def test_projections_keep_the_mass_and_agree_with_the_analytic_disc():
    size, radius = 65, 22.0
    y, x = np.mgrid[:size, :size] - 32.0
    disc = np.repeat(coverage(np.hypot(y, x) - radius).astype(np.float32)[:, :, None], 3, axis=2)
    angles = np.deg2rad([0.0, 31.0, 45.0, 90.0, 123.0])
    sinogram = project(disc, angles, 95)
    t = np.arange(95) - 47.0
    chord = 2 * np.sqrt(np.maximum(radius**2 - t**2, 0))
    np.testing.assert_allclose(sinogram.sum(1), disc.sum() / 3, rtol=2e-3)
    inner = np.abs(t) < radius - 2
    for view in sinogram:
        np.testing.assert_allclose(view[inner, 0], chord[inner], rtol=0.03)


def test_reconstruction_gives_back_the_attenuation_and_the_place():
    size = 48
    y, x = np.mgrid[:size, :size]
    image = coverage(np.hypot(y - 20.0, x - 29.0) - 9).astype(np.float32)[:, :, None] * 0.4
    angles = view_angles(Recipe(projections=92))
    sinogram = project(np.ascontiguousarray(image), angles, 71)
    response = ramp_filter(71, 1.0)
    spectrum = np.fft.rfft(sinogram, 2 * (len(response) - 1), axis=1) * response[None, :, None]
    filtered = np.fft.irfft(spectrum, axis=1)[:, :71].astype(np.float32)
    result = back_project(np.ascontiguousarray(filtered), angles, size, size)[..., 0] * np.pi / 92
    inside = np.hypot(y - 20.0, x - 29.0) < 7
    outside = np.hypot(y - 20.0, x - 29.0) > 12
    assert result[inside].mean() == pytest.approx(0.4, rel=0.01)
    assert abs(result[outside].mean()) < 0.005


def test_the_tomogram_shows_the_recipe_s_absorption(cell):
    array, recipe = cell.volume.array, cell.recipe
    for part, lac in (("cytoplasm", recipe.cytoplasm), ("nucleus", recipe.nucleus), ("bead", recipe.bead)):
        inside = ndimage.binary_erosion(cell.mask(part), iterations=1 if part == "bead" else 2)
        assert array[inside].mean() == pytest.approx(lac, rel=0.12), part
    cell_zone = ndimage.binary_dilation(cell.parts.labels > 0, iterations=4)
    _, j, i = np.indices(array.shape)
    inside_capillary = np.hypot(j - 31.5, i - 31.5) < 22
    assert array[inside_capillary & ~cell_zone].mean() == pytest.approx(recipe.medium, abs=0.02)
    assert abs(array[:, :2, :2].mean()) < 0.03  # nothing outside the glass


def noise(phantom):
    quiet = ndimage.binary_erosion(phantom.mask("cytoplasm") | phantom.mask("nucleus"), iterations=3)
    array = phantom.volume.array
    return float((array - ndimage.gaussian_filter(array, 1.0))[quiet].std())


def test_a_lower_dose_gives_more_noise():
    settings = {"texture": 0.0, "filopodia": 0, "beads": 0}
    low, high = (simulate((24, 48, 48), 2, photons=photons, **settings) for photons in (500, 50000))
    assert noise(low) > 3 * noise(high)
    np.testing.assert_array_equal(low.truth.labels, high.truth.labels)


def test_a_missing_wedge_and_rings_leave_their_marks():
    settings = {"photons": 1e6, "texture": 0.0, "filopodia": 0, "beads": 0, "fragments": 0}
    whole_turn, wedge, rings = (
        simulate((16, 64, 64), 3, **settings, **more) for more in ({}, {"missing_wedge": 60.0}, {"rings": 0.02})
    )
    mask = whole_turn.mask("cytoplasm") | whole_turn.mask("nucleus")

    def error(phantom):
        return float((phantom.volume.array - whole_turn.volume.array)[mask].std())

    assert error(wedge) > 0.01
    assert error(rings) > 0.004
    # Rings are constant along the angle: the mean over an annulus keeps them, while other noise averages out.
    difference = (rings.volume.array - whole_turn.volume.array)[8]
    radius = np.hypot(*(np.indices(difference.shape) - 31.5)).round().astype(int)
    means = ndimage.mean(difference, radius, np.arange(4, 26))
    assert np.std(means) > 0.25 * difference[(radius > 4) & (radius < 26)].std()


# The specimen


def test_labels_are_the_sum_of_their_parts(cell):
    assert cell.truth.labels.dtype == np.uint8
    union = np.logical_or.reduce([cell.mask(part) for part in CELL])
    np.testing.assert_array_equal(cell.truth.mask("cytoplasm"), union)
    np.testing.assert_array_equal(cell.truth.mask("bead"), cell.mask("bead"))
    assert {segment.value: segment.name for segment in cell.truth.segments} == {1: "cytoplasm", 2: "bead"}
    assert [segment.name for segment in cell.parts.segments] == list(PARTS[1:])
    for part in ("cytoplasm", "filopodia", "nucleus", "nucleolus", "mitochondria", "bead", "wall", "debris"):
        assert cell.mask(part).any(), part


def test_geometry_is_in_nanometres_and_the_same_everywhere(cell):
    assert cell.volume.geometry.unit == "nm"
    assert cell.volume.geometry.spacing == pytest.approx((14200 / 64,) * 3)
    assert cell.truth.geometry == cell.parts.geometry == cell.volume.geometry
    assert cell.volume.array.dtype == np.float32


def test_the_cell_is_one_piece_and_filopodia_are_thin():
    phantom = simulate(96, 4, reconstruct=False, filopodia_radius=(1.4, 2.2))
    _, count = ndimage.label(phantom.truth.mask("cytoplasm"), np.ones((3, 3, 3)))
    assert count == 1
    filopodia = phantom.mask("filopodia")
    assert filopodia.sum() > 200
    assert not ndimage.binary_erosion(filopodia, iterations=2).any()
    body = phantom.truth.mask("cytoplasm") & ~filopodia
    pieces, count = ndimage.label(filopodia, np.ones((3, 3, 3)))
    touching = set(np.unique(pieces[ndimage.binary_dilation(body, np.ones((3, 3, 3)))])) - {0}
    assert touching == set(range(1, count + 1))  # each leaves the surface


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_own_shape_and_stays_in_the_capillary(kind):
    phantom = simulate(48, 5, kind, reconstruct=False)
    cell = phantom.truth.mask("cytoplasm")
    assert 0.01 < cell.mean() < 0.35
    radius = np.hypot(*(np.indices((48, 48)) - 23.5))
    assert not cell[:, radius > 0.462 * 48 + 1].any()
    assert phantom.volume.name == f"{kind}-5"


def test_kinds_differ():
    sizes = {kind: simulate(48, 5, kind, reconstruct=False).truth.mask(1).sum() for kind in KINDS}
    assert sizes["huh-7"] > 1.3 * sizes["t-cell"] > 2 * sizes["bv-2"]

    def flatness(kind):
        points = np.argwhere(simulate(48, 5, kind, reconstruct=False, filopodia=0).truth.mask(1))
        spread = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
        return spread[0] / spread[-1]

    assert flatness("fibroblast") < 0.75 * flatness("t-cell")


@pytest.mark.parametrize("how", ["unlabelled", "cytoplasm", "segment"])
def test_a_neighbour_touches_the_cell_and_is_labelled_as_asked(how):
    phantom = simulate(48, 6, neighbour=how, reconstruct=False)
    neighbour, truth = phantom.mask("neighbour"), phantom.truth.labels
    assert neighbour.sum() > 500
    own = np.isin(phantom.parts.labels, [PARTS.index(part) for part in CELL])
    assert (ndimage.binary_dilation(own) & neighbour).any()  # they share faces
    assert set(np.unique(truth[neighbour])) == {{"unlabelled": 0, "cytoplasm": 1, "segment": 3}[how]}
    assert [s.name for s in phantom.truth.segments][2:] == (["neighbour"] if how == "segment" else [])


def test_a_narrow_capillary_holds_a_column_of_cells():
    phantom = simulate((64, 48, 48), 6, neighbour="unlabelled", company=2, capillary=0.3, reconstruct=False)
    neighbour = phantom.mask("neighbour")
    middle = int(ndimage.center_of_mass(phantom.truth.mask(1))[0])
    assert neighbour[:middle].any()
    assert neighbour[middle:].any()
    radius = np.hypot(*(np.indices((48, 48)) - 23.5))
    assert not (phantom.truth.labels > 0)[:, radius > 0.3 * 48 + 1].any()


def test_counts_are_kept():
    phantom = simulate(64, 7, reconstruct=False, beads=3, filopodia=0, fragments=0, wall=False)
    assert ndimage.label(phantom.mask("bead"))[1] == 3
    for part in ("filopodia", "debris", "wall"):
        assert not phantom.mask(part).any()


def test_more_beads_do_not_change_the_cell():
    one, four = (simulate(48, 8, reconstruct=False, beads=n).truth for n in (1, 4))
    np.testing.assert_array_equal(one.mask("cytoplasm"), four.mask("cytoplasm"))


@pytest.mark.parametrize("reconstruct", [True, False])
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(reconstruct):
    first, again, other = (simulate((16, 32, 40), seed, reconstruct=reconstruct) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.volume.array, again.volume.array)
    np.testing.assert_array_equal(first.parts.labels, again.parts.labels)
    assert np.any(first.parts.labels != other.parts.labels)
    assert np.any(first.volume.array != other.volume.array)


@pytest.mark.parametrize("shape", [(1, 32, 32), (9, 40, 24), (50, 16, 33)])
def test_any_shape_is_simulated(shape):
    phantom = simulate(shape, 1)
    assert phantom.volume.shape == phantom.truth.shape == phantom.parts.shape == shape
    assert np.isfinite(phantom.volume.array).all()
    assert phantom.truth.labels.any()


def test_progress_goes_up_and_a_cancel_stops():
    seen = []
    simulate((32, 32, 32), 0, progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 8
    with pytest.raises(Cancelled):
        simulate((32, 32, 32), 0, progress=Progress(cancelled=lambda: True))


# Recipes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "cat"}, "kind 'cat' is unknown"),
        ({"neighbour": "friendly"}, "neighbour 'friendly'"),
        ({"photons": 0}, "photons must be positive"),
        ({"photons": float("nan")}, "photons must be positive"),
        ({"missing_wedge": 180}, "missing_wedge"),
        ({"beads": -1}, "beads must be 0 or more"),
        ({"colour": 1}, "no parameter 'colour'"),
        ({"capillary": 3}, "capillary"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        simulate(32, **changes)


@pytest.mark.parametrize("size", [8, 0, -3, (32, 32), (32, 8, 32), (0, 32, 32), 33.5])
def test_sizes_that_cannot_be_used_are_named(size):
    with pytest.raises(InputError, match="size must be"):
        simulate(size)


def test_varied_recipes_differ_widely_keep_what_is_fixed_and_can_be_simulated():
    recipes = [vary(seed, beads=2) for seed in range(60)]
    assert recipes[3] == vary(3, beads=2)
    assert {recipe.kind for recipe in recipes} == set(KINDS)
    assert {recipe.beads for recipe in recipes} == {2}
    contrasts = [recipe.cytoplasm - recipe.medium for recipe in recipes]
    assert max(contrasts) > 2 * min(contrasts) > 0.1
    assert max(r.photons for r in recipes) > 10 * min(r.photons for r in recipes)
    assert any(r.missing_wedge for r in recipes)
    assert any(r.rings for r in recipes)
    for seed in range(4):
        assert simulate(32, seed, recipe=recipes[seed]).truth.labels.any()


# Sparse labels


def test_drawn_slices_equal_the_truth_and_the_others_are_empty(cell):
    drawn, slices = label_slices(cell.truth, 20)
    assert slices == [10, 30, 50]
    np.testing.assert_array_equal(drawn.labels[slices], cell.truth.labels[slices])
    others = [k for k in range(64) if k not in slices]
    assert not drawn.labels[others].any()
    assert drawn.geometry == cell.truth.geometry
    assert [s.name for s in drawn.segments] == [s.name for s in cell.truth.segments]
    assert drawn.meta["slices"] == {"k": slices}


@pytest.mark.parametrize(("axis", "number"), [("k", 0), ("j", 1), ("i", 2)])
def test_any_axis_and_first_slice(cell, axis, number):
    drawn, slices = label_slices(cell.truth, 9, axis, first=3)
    assert slices == list(range(3, 64, 9))
    truth, labels = (np.moveaxis(x, number, 0) for x in (cell.truth.labels, drawn.labels))
    np.testing.assert_array_equal(labels[slices], truth[slices])
    assert np.count_nonzero(labels) == np.count_nonzero(truth[slices])


def test_a_thin_volume_is_drawn_in_the_middle(cell):
    thin = cell.truth.with_labels(cell.truth.labels[30:35])
    assert label_slices(thin, 20)[1] == [2]


def test_a_shaky_hand_errs_near_the_outline_by_about_what_was_asked(cell):
    exact, slices = label_slices(cell.truth, 4)
    errors = {}
    for shake in (0.7, 2.0):
        shaky, _ = label_slices(cell.truth, 4, shake=shake, seed=1)
        wrong = shaky.mask(1)[slices] != exact.mask(1)[slices]
        outline = [m ^ ndimage.binary_erosion(m) for m in exact.mask(1)[slices]]
        errors[shake] = wrong.sum() / np.sum(outline)  # voxels of error per voxel of outline: mean displacement
        assert not shaky.labels[[k for k in range(64) if k not in slices]].any()
    assert errors[0.7] == pytest.approx(0.7 * 0.8, rel=0.5)  # mean of a normal displacement is 0.8 of its rms
    assert 2.0 < errors[2.0] / errors[0.7] < 4.5
    again = label_slices(cell.truth, 4, shake=2.0, seed=1)[0].labels
    np.testing.assert_array_equal(again, label_slices(cell.truth, 4, shake=2.0, seed=1)[0].labels)
    assert np.any(again != label_slices(cell.truth, 4, shake=2.0, seed=2)[0].labels)


@pytest.mark.parametrize(
    "settings", [{"every": 0}, {"axis": "z"}, {"first": 64}, {"first": -1}, {"shake": -1.0}, {"every": -5}]
)
def test_what_cannot_be_labelled_is_named(cell, settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        label_slices(cell.truth, **settings)


# Packed cells


def packed(seed=1, size=48, **changes):
    recipe = vary_packed(seed, **{"packing": 5, "column": False, "holder": "capillary", "wall": True, **changes})
    return simulate(size, seed, recipe=recipe, reconstruct=False)


@pytest.mark.parametrize("filling", [0.2, 0.6, 0.9])
def test_packed_cells_fill_the_wanted_share_of_the_bore(filling):
    made = packed(filling=filling, beads=0, fragments=0, filopodia=0, microvilli=0, film=0, gap=0, capillary=0.4)
    bore = ~made.mask("wall") & ndimage.binary_fill_holes(made.mask("wall").any(axis=0))[None]
    cells = made.truth.mask("cytoplasm")
    assert np.count_nonzero(cells & bore) / np.count_nonzero(bore) == pytest.approx(filling, abs=0.08)


def test_every_packed_cell_has_a_number_of_its_own_and_touching_ones_meet():
    made = packed(filling=0.9, gap=0, film=0)
    numbers = made.cells.labels
    assert len(np.unique(numbers[numbers > 0])) >= 3
    np.testing.assert_array_equal(numbers > 0, made.truth.mask("cytoplasm"))
    pairs = np.stack([numbers[1:], numbers[:-1]])
    assert ((pairs[0] != pairs[1]) & (pairs > 0).all(0)).any()


def test_cells_pressed_flat_against_the_glass_touch_it():
    made = packed(filling=0.9, film=0, beads=0, capillary=0.4, eccentricity=0)
    touching = ndimage.binary_dilation(made.mask("wall"), iterations=2) & made.truth.mask("cytoplasm")
    assert np.count_nonzero(touching) > 0.25 * np.count_nonzero(made.mask("wall"))


def test_the_capillary_lies_along_the_axis_asked_for():
    def wall_along(made):
        wall = made.mask("wall")
        return [bool(wall.all(axis=axis).any()) for axis in range(3)]

    for axis, expected in {"k": [True, False, False], "j": [False, True, False], "i": [False, False, True]}.items():
        assert wall_along(packed(axis=axis, eccentricity=0, size=(40, 44, 48))) == expected
        assert packed(axis=axis, size=(40, 44, 48)).volume.array.shape == (40, 44, 48)


def test_a_flat_holder_has_no_wall_and_nothing_beyond_its_slab():
    made = packed(holder="flat", wall=False, slab=0.4, filling=0.6, markers=3, missing_wedge=50)
    assert not made.mask("wall").any()
    assert not made.truth.labels[:, :8].any()
    assert not made.truth.labels[:, -8:].any()
    assert made.truth.mask("cytoplasm").any()


def test_packed_recipes_are_reproducible_and_span_what_real_tomograms_show():
    recipes = [vary_packed(seed) for seed in range(200)]
    assert recipes[7] == vary_packed(7)
    ratio = [r.glass / r.cytoplasm for r in recipes]
    assert min(ratio) < 1.4
    assert max(ratio) > 3.2
    assert min(r.filling for r in recipes) < 0.1
    assert max(r.filling for r in recipes) > 0.9
    assert {r.holder for r in recipes} == {"capillary", "flat"}
    assert {r.column for r in recipes} == {True, False}


def test_a_flat_holder_without_cells_is_refused():
    with pytest.raises(InputError, match="packing"):
        Recipe(holder="flat")


# Twins


@pytest.mark.parametrize(
    ("axis", "capillary", "filling", "glass", "padded"),
    [("j", 0.4, 0.6, 2.5, False), ("k", 0.28, 0.85, 2.0, False), ("k", 0.28, 0.85, 2.0, True)],
)
def test_a_twin_has_the_capillary_contrasts_and_filling_of_the_tomogram(axis, capillary, filling, glass, padded):
    shape = {"axis": axis, "capillary": capillary, "filling": filling, "eccentricity": 0.03, "wall_thickness": 0.05}
    grey = {"medium": 0.13, "cytoplasm": 0.3, "nucleus": 0.3, "glass": glass * 0.3, "texture": 0.01, "noise": 0.02}
    made = packed(size=64, beads=0, glow=0.0, blur=0.2, **shape, **grey)
    image = made.volume.array * 700 - 50
    if padded:
        place = np.linspace(-1, 1, 64)
        image = np.where(place**2 + place[:, None] ** 2 <= 1, image, -3000)
    found = estimate_twin(image, made.truth.mask("cytoplasm"))
    assert found.axis == axis
    assert found.capillary == pytest.approx(capillary, rel=0.08)
    assert found.filling == pytest.approx(filling, abs=0.12)
    assert found.medium == pytest.approx(0.13 / 0.3, rel=0.15)
    assert found.glass == pytest.approx(glass, rel=0.3)
    assert not found.beads
    recipes = [twin_recipe(found, seed) for seed in range(20)]
    assert {recipe.axis for recipe in recipes} == {axis}
    assert np.mean([r.capillary for r in recipes]) == pytest.approx(found.capillary, rel=0.05)
    assert np.mean([r.glass / r.cytoplasm for r in recipes]) == pytest.approx(found.glass, rel=0.08)
    assert len({recipe.filopodia for recipe in recipes}) > 5


def test_a_tomogram_without_a_wall_has_a_twin_without_one():
    made = packed(size=48, wall=False, beads=0)
    found = estimate_twin(made.volume.array, made.truth.mask("cytoplasm"))
    assert found.capillary is None
    assert not twin_recipe(found, 1).wall


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_a_twin_is_as_blurred_and_noisy_as_the_tomogram(blur):
    recipe = vary_packed(
        2, holder="capillary", wall=True, wall_thickness=0.05, capillary=0.36, cytoplasm=0.3, glass=0.9, blur=blur,
        noise=0.03, photons=3e4, missing_wedge=0.0, packing=3, filling=0.5, glow=0.0, eccentricity=0.0,
    )  # fmt: skip
    made = simulate(56, 2, recipe=recipe)
    found = estimate_twin(made.volume.array, made.truth.mask("cytoplasm"), made.truth.mask("bead"))
    assert found.blur == pytest.approx(blur, abs=0.35)
    assert found.noise == pytest.approx(0.03, abs=0.015)
    assert found.missing_wedge == 0
    diameter = 2 * ndimage.distance_transform_edt(made.truth.mask("cytoplasm")).max() / 56
    assert found.cell_diameter == pytest.approx(diameter)
    assert np.mean([twin_recipe(found, seed).blur for seed in range(20)]) == pytest.approx(found.blur, rel=0.06)


def test_a_tomogram_with_a_missing_wedge_and_no_wall_has_twins_on_flat_holders():
    recipe = vary_packed(1, holder="flat", wall=False, slab=0.8, missing_wedge=45.0, axis="j", noise=0.01)
    made = simulate((40, 48, 40), 1, recipe=recipe)
    found = estimate_twin(made.volume.array, made.truth.mask("cytoplasm"))
    twin = twin_recipe(found, 5)
    assert (twin.holder, twin.axis) == ("flat", "j")
    assert twin.missing_wedge == pytest.approx(45, abs=12)


def test_nothing_can_be_like_a_tomogram_without_cells():
    with pytest.raises(InputError, match="no cells"):
        estimate_twin(np.zeros((20, 20, 20)), np.zeros((20, 20, 20), bool))
