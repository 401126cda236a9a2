import numpy as np
import pytest

from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.preprocessing import IntensityStatistics
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.train.fingerprint import Fingerprint
from ACSegLib.network.train.planning import (
    make_plan,
    memory_estimate,
    plan_patch,
    plan_strides,
    require_voxels,
    smaller_patch,
    training_spacing,
)
from ACSegLib.volume import Geometry, Segment

GIB = 1 << 30
TABLE = [Segment("cell", 1), Segment("bead", 2)]


def fingerprint(shape=(96, 96, 96), spacing=(30.0, 30.0, 30.0), unit="nm", overlapping=False, voxels=None):
    return Fingerprint(
        "f", shape, Geometry(spacing, unit=unit), IntensityStatistics(0.0, 1.0, 0.5, 0.2), TABLE,
        voxels or {"": 900_000, "cell": 90_000, "bead": 900}, {}, overlapping, np.zeros(1), "", "",
    )  # fmt: skip


def plan(*found, **options):
    return make_plan(found, TABLE, **{"device": "cpu", "preset": "standard", "available_bytes": 64 * GIB, **options})


@pytest.mark.parametrize(("wanted", "told"), [(0.03, "1000 times smaller"), (30000.0, "1000 times larger")])
def test_a_spacing_in_another_unit_is_refused(wanted, told):
    with pytest.raises(InputError, match=rf"--spacing .* nm is {told} than the voxels of .*30 x 30 x 30 nm"):
        training_spacing([fingerprint()], [wanted] * 3)


def test_a_volume_that_is_too_small_for_the_network_is_named():
    """A network in training cannot normalise one voxel."""
    made = plan(fingerprint((8, 8, 8)))
    require_voxels([fingerprint((1, 1, made.spec.patch_divisor[2] + 1))], made)
    with pytest.raises(InputError, match=r"has 2 x 1 x 1 voxels at the voxel size of the training.*30 x 30 x 30 nm"):
        require_voxels([fingerprint((1, 1, 2))], made)


def test_spacing_rules():
    same = [fingerprint(spacing=(30, 30, 30)), fingerprint(spacing=(30.3, 30, 30))]
    assert training_spacing(same)[0] == pytest.approx((30.15, 30, 30))
    mixed = [
        fingerprint(spacing=(20, 20, 20)),
        fingerprint(spacing=(0.03, 0.03, 0.03), unit="um"),
        fingerprint(spacing=(50, 50, 50)),
    ]
    assert training_spacing(mixed)[:2] == (pytest.approx((30, 30, 30)), "nm")
    assert training_spacing(mixed, [25.0, 25.0, 40.0])[:2] == ((25.0, 25.0, 40.0), "nm")
    with pytest.raises(InputError, match="has none"):
        training_spacing([fingerprint(), fingerprint(unit="px")], [25.0, 25.0, 40.0])
    assert training_spacing([fingerprint(), fingerprint(unit="px")])[:2] == (None, "px")
    flat = [fingerprint(spacing=(30, 30, z)) for z in (100, 200, 300)]
    assert training_spacing(flat)[0] == pytest.approx((30, 30, 120))


def test_patch_is_near_a_cube_in_space_and_within_the_budget():
    assert plan_patch((500, 500, 500), (1, 1, 1), 64**3) == [64, 64, 64]
    patch = plan_patch((100, 500, 500), (4.0, 1.0, 1.0), 64**3)
    assert patch[1] == patch[2] == pytest.approx(4 * patch[0], abs=4)
    assert np.prod(patch) <= 64**3
    assert plan_patch((20, 500, 500), (1, 1, 1), 64**3)[0] == 20


def test_strides_wait_for_the_coarse_axis():
    strides, kernels = plan_strides((32, 128, 128), (4.0, 1.0, 1.0), 5)
    assert strides[:3] == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]
    assert strides[3] == [2, 2, 2]
    assert kernels[0] == [1, 3, 3]
    assert kernels[2] == [3, 3, 3]


def test_whole_small_volumes_fit_into_the_patch():
    found = plan(fingerprint((35, 51, 35), (1, 1, 1), "mm"))
    assert found.patch_size == (40, 56, 40)
    assert found.batch_size == 1
    assert found.spec.filters == (16, 32, 64, 128)


def test_gpu_plan_is_larger():
    found = plan(fingerprint((400, 400, 400)), device="cuda")
    assert found.patch_size == (128, 128, 128)
    assert (found.batch_size, found.spec.filters[0], len(found.spec.filters)) == (2, 32, 5)


@pytest.mark.parametrize("shape", [(3, 40, 40), (7, 7, 7), (1, 64, 64), (200, 13, 90)])
def test_every_plan_can_be_built(shape):
    found = plan(fingerprint(shape))
    build_network(found.spec)
    assert all(p % d == 0 for p, d in zip(found.patch_size, found.spec.patch_divisor, strict=True))


def test_memory_makes_the_patch_smaller_and_is_an_error_at_the_end():
    large = plan(fingerprint((400, 400, 400)))
    small = plan(fingerprint((400, 400, 400)), available_bytes=large.memory_bytes)
    assert np.prod(small.patch_size) < np.prod(large.patch_size)
    assert "memory" in small.reasons["patch_size"]
    with pytest.raises(MemoryLimitError, match="MiB"):
        plan(fingerprint(), available_bytes=1 << 20)


def test_smaller_patch_halves_the_batch_first():
    spec = plan(fingerprint()).spec
    assert smaller_patch([64, 64, 64], 4, spec) == ([64, 64, 64], 2)
    assert smaller_patch([64, 96, 64], 1, spec) == ([64, 72, 64], 1)
    assert smaller_patch([16, 16, 16], 1, spec) is None


def test_rare_classes_weigh_more():
    weights = plan(fingerprint()).class_weights
    assert weights[0] < weights[1] < weights[2]
    assert max(weights) / min(weights) < 10


def test_overlap_and_overrides():
    found = plan(
        fingerprint(overlapping=True),
        overrides={"patch_size": [24, 32, 40], "base": 8, "normalisation": "fixed", "levels": 3},
    )
    assert found.spec.output == "sigmoid"
    assert found.patch_size == (24, 32, 40)
    assert found.spec.filters == (8, 16, 32)
    assert found.preprocessing.normalisation.statistics.mean == 0.5
    assert found.reasons["base"] == "asked for"


def test_patches_grow_to_the_whole_and_never_cost_more():
    made = plan(fingerprint(), preset="quick")
    sizes = [made.patches_at(fraction) for fraction in (0.0, 0.34, 0.36, 0.59, 0.61, 1.0)]
    volumes = [np.prod(patch) for patch, _ in sizes]
    assert volumes == sorted(volumes)
    assert sizes[0][0] == (24, 24, 24)
    assert sizes[-1] == (made.patch_size, made.batch_size)
    whole = np.prod(made.patch_size) * made.batch_size
    for patch, batch in sizes[:4]:
        assert all(n % d == 0 for n, d in zip(patch, made.spec.patch_divisor, strict=True))
        assert np.prod(patch) * batch <= whole
    assert plan(fingerprint(), overrides={"grow": False}).growth == []
    assert plan(fingerprint((20, 20, 20)), overrides={"patch_size": [8, 8, 8]}).growth == []


def test_encoders_are_residual_unless_asked_otherwise():
    for preset, device in (("quick", "cpu"), ("standard", "cpu"), ("quick", "cuda")):
        assert plan(fingerprint(), preset=preset, device=device).spec.residual
    asked = plan(fingerprint(), overrides={"residual": False})
    assert not asked.spec.residual
    assert asked.reasons["residual"] == "asked for"


def test_an_override_that_a_plan_does_not_know_is_named():
    with pytest.raises(InputError, match="no 'depth' to override; it has: patch_size"):
        plan(fingerprint(), overrides={"depth": 3})


def test_a_light_network_has_fewer_channels_where_most_operations_are():
    usual, light = plan(fingerprint()), plan(fingerprint(), overrides={"light": True})
    assert usual.spec.filters == (16, 32, 64, 128)
    assert light.spec.filters == (8, 24, 64, 128)
    assert light.reasons["light"] == "asked for"
    assert light.memory_bytes < usual.memory_bytes
    assert plan(fingerprint(), overrides={"light": True}, device="cuda").spec.filters == (16, 48, 128, 256, 320)
    assert plan(fingerprint(), overrides={"light": True, "base": 1}).spec.filters[:2] == (1, 1)


def test_the_memory_of_a_step_goes_with_the_channels_of_all_levels():
    coarse_planes = ((1, 1, 1), (1, 2, 2), (1, 2, 2))
    even = memory_estimate((32, 64, 64), 1, unet_spec(1, strides=((1, 1, 1), (2, 2, 2), (2, 2, 2))))
    flat = memory_estimate((32, 64, 64), 1, unet_spec(1, strides=coarse_planes))
    assert flat > even, "levels that keep the planes hold more voxels"
