"""Which patches a training shows."""

from dataclasses import replace

import numpy as np
import torch

from ACSegLib.network.train import sampling
from ACSegLib.network.train.augmentation import PRESETS
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.sampling import FAMILIAR_PASSES, PatchSampler


class TestSampling:
    @staticmethod
    def prepared(name, value, shape=(12, 30, 18)):
        target = np.zeros((1, *shape), np.uint8)
        target[0, 3:5, 20:23, 4:7] = 1
        return Prepared(name, np.full(shape, value, np.float32), target, np.array([True]))

    def test_patches_stay_in_one_volume_and_show_the_segment(self):
        cases = [self.prepared("a", 1.0), self.prepared("b", 2.0, (40, 40, 40))]
        sampler = PatchSampler(cases, (16, 16, 16), 2, PRESETS["none"], seed=1)
        seen, with_segment = [], 0
        for step in range(20):
            image, target, known = sampler.batch(step)
            assert image.shape == target.shape == (2, 1, 16, 16, 16)
            assert known.shape == (2, 1)
            for n in range(2):
                assert len(image[n].unique()) == 1
                seen.append(float(image[n].unique()))
                with_segment += bool((target[n] == 1).any())
        assert seen.count(1.0) == seen.count(2.0) == 20
        assert with_segment >= 20

    def test_centres_are_spread_over_the_segment_and_hold_no_other_voxel(self, monkeypatch):
        monkeypatch.setattr(sampling, "MAX_PLACES", 50)
        case = self.prepared("a", 1.0, (40, 30, 18))
        case.target[0, 30:38] = 1
        for limit in (50, 100_000):
            monkeypatch.setattr(sampling, "MAX_PLACES", limit)
            places = sampling.find_places(case, np.random.default_rng(0))
            chosen = places.segments[0]
            assert len(chosen) == min(limit, np.count_nonzero(case.target == 1)) == len(np.unique(chosen, axis=0))
            assert (case.target[0][tuple(chosen.T)] == 1).all()
            assert set(chosen[:, 0]) >= set(range(30, 38))
        empty = self.prepared("b", 1.0)
        empty.target[:] = 0
        assert len(sampling.find_places(empty, np.random.default_rng(0)).segments[0]) == 0

    def test_small_volumes_are_padded_and_the_padding_is_ignored(self):
        sampler = PatchSampler([self.prepared("a", 1.0)], (16, 32, 32), 1, PRESETS["none"])
        image, target, _ = sampler.batch(0)
        assert (image == 1).all()
        assert int((target != IGNORE).sum()) == 12 * 30 * 18

    def test_a_batch_is_a_function_of_its_number_and_of_the_process(self):
        cases = [self.prepared("a", 1.0)]
        cases[0].image[:] = np.random.default_rng(0).normal(size=cases[0].shape)
        one = PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1)
        again = PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1)
        for step in (5, 2):
            assert torch.equal(one.batch(step)[0], again.batch(step)[0])
        two = [PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1, rank=r, world=2) for r in (0, 1)]
        assert torch.equal(two[1].batch(0)[0], one.batch(1)[0])
        assert not torch.equal(two[1].batch(0)[0], two[0].batch(0)[0])

    def test_random_changes_set_in_with_exposure(self):
        """Each patch is an eighth of the only volume, so 8 x FAMILIAR_PASSES patches make it familiar."""
        case = self.prepared("a", 1.0, (32, 32, 32))
        case.image[:] = np.arange(32, dtype=np.float32)
        always = replace(PRESETS["none"], flip=1.0)
        sampler = PatchSampler([case], (16, 16, 16), 1, always)
        late = int(8 * FAMILIAR_PASSES)
        assert [sampler.exposure(n) for n in (0, late // 2, late, 10 * late)] == [0.0, 0.5, 1.0, 1.0]

        def mirrored(step):
            row = sampler.batch(step)[0][0, 0, 0, 0]
            return bool(row[0] > row[-1])

        assert not any(mirrored(step) for step in range(3))
        assert all(mirrored(step) for step in range(late, late + 5))
