"""Trainings that start from a model."""

from dataclasses import replace

import pytest
import torch
from training_cases import losses_of, pair, settings

from ACSegLib.errors import InputError
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import BiomedisaPreprocessing, Preprocessing
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec, unet_spec
from ACSegLib.network.train.finetune import adapt_head, head_keys
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.volume import Segment

#: Preprocessing of a model that was imported from Biomedisa.
IMPORTED = Preprocessing(
    biomedisa=BiomedisaPreprocessing(True, (16,) * 3, (16,) * 3, False, (0.0,), (1.0,), False, False, (0, 1, 2))
)


class TestFineTuning:
    def test_head_keeps_what_it_knows_by_name(self, trained):
        model = trained.model
        table = [Segment("bead", 1), Segment("wall", 2), Segment("Cell", 3)]
        spec, state, fresh = adapt_head(model, table, False)
        assert fresh == ["wall"]
        assert spec.out_channels == 4
        for key in head_keys(model.spec):
            assert torch.equal(state[key][[0, 3, 1]], model.state_dict[key])
        assert {k for k in state if not torch.equal(state[k], model.state_dict[k])} == set(head_keys(model.spec))

    def test_it_starts_where_the_model_was(self, trained):
        new = [pair(20 + n, names=("Cell", "granule")) for n in range(2)]
        options = dict(epochs=1, steps_per_epoch=10, learning_rate=1e-3, augmentation="none")
        tuned = train(new, settings(**options, init=trained.model))
        fresh = train(new, settings(**options))
        assert tuned.history[-1]["dice Cell"] > fresh.history[-1]["dice Cell"]
        assert losses_of(tuned) == losses_of(train(new, settings(**options, init=trained.model)))
        assert any("granule" in w for w in tuned.warnings)
        assert any("base, levels had no effect" in w for w in tuned.warnings)
        assert tuned.plan.spec.filters == trained.plan.spec.filters
        assert tuned.model.card["initial_model"]["steps"] == 80

    def test_another_kind_of_output_starts_all_segments_untrained(self, trained):
        table = [Segment("bead", 1), Segment("cell", 2)]
        spec, _, fresh = adapt_head(trained.model, table, True)
        assert (spec.out_channels, fresh) == (2, ["bead", "cell"])
        assert adapt_head(trained.model, table, False)[2] == []

    def test_imported_networks_can_go_on(self):
        from ACSegLib.network.model.architecture import build_network

        spec = NetworkSpec(kind=BIOMEDISA_KIND, in_channels=1, out_channels=3, filters=(4, 8))
        network = build_network(spec)
        model = Model(spec, network.state_dict(), [Segment("cell", 1), Segment("bead", 2)], IMPORTED)
        found = train([pair(0)], settings(epochs=1, init=model))
        assert found.model.spec.kind == "biomedisa-unet"
        means = [k for k in model.state_dict if k.endswith("running_mean")]
        assert means
        for key in means:
            assert torch.equal(found.model.state_dict[key], model.state_dict[key])
        assert found.model.preprocessing.normalisation.kind == "volume"
        assert found.model.preprocessing.biomedisa is None  # it was trained in our way, and predicts in our way

    def test_a_model_that_reduces_images_is_trained_on_reduced_ones(self, trained, monkeypatch):
        reduced = replace(trained.model.preprocessing, longest_side=12)
        model = replace(trained.model, preprocessing=reduced, spacing=None, unit="px")
        shapes = []
        init = Trainer.__init__

        def watched(self, fabric, network, plan, settings, training, *rest):
            shapes.extend(case.shape for case in training)
            init(self, fabric, network, plan, settings, training, *rest)

        monkeypatch.setattr(Trainer, "__init__", watched)
        found = train([pair(0), pair(1)], settings(epochs=1, init=model, validation_part=0.0))
        assert shapes == [(12, 12, 12)] * 2
        assert found.model.preprocessing.longest_side == 12


def test_unknown_output_heads_are_refused():
    model = Model(unet_spec(2, base=4), {}, [Segment("cell", 1)])
    with pytest.raises(InputError, match="outputs"):
        adapt_head(model, [Segment("cell", 1)], False)
