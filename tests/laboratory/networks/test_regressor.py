from __future__ import annotations

import pytest
import torch

from ohlora.errors import OhloraError
from ohlora.face.drawing import classes
from ohlora.face.drawing.generator import to_network
from ohlora.laboratory.measures.scores import one_hot
from ohlora.laboratory.networks.regressor import CROPS, PartRegressor, RegressorLearner, load_regressor
from ohlora.laboratory.networks.segmenter import UNet, load_segmenter
from ohlora.laboratory.networks.settings import PartSettings, TrunkSettings

LESSON = {"learning_rate": 3e-3, "weight_decay": 0.0, "total_steps": 60, "seed": 0}
SHAPES = [TrunkSettings((12, 24, 32), 48), PartSettings((12, 24), 24)]


@pytest.fixture(scope="module")
def spread(batch):
    return batch.properties.mean(dim=0), batch.properties.std(dim=0)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_one_batch_can_be_learned_by_heart(shape, batch, still, overfits, spread, renderer):
    torch.manual_seed(0)
    network = shape.build(tuple(renderer.properties), 32, UNet(4))
    overfits(RegressorLearner(network, still, *spread, **LESSON), batch, lr=5e-3)


class TestParts:
    @pytest.fixture
    def parts(self, renderer) -> PartRegressor:
        torch.manual_seed(0)
        return PartSettings((4, 8), 8).build(tuple(renderer.properties), 32, UNet(4))  # type: ignore[return-value]

    def test_a_window_shows_its_part(self, parts, batch):
        solid = one_hot(batch.label_maps)
        for crop in CROPS[:2]:
            shown = parts.window(solid[:, crop.centre].sum(1, keepdim=True), solid, crop)
            assert tuple(shown.shape[2:]) == parts.size(crop)
            there = solid[:, crop.centre].flatten(1).sum(1)
            # enlarged twice, so four pixels to one; nearly the whole part lies in the window
            inside = shown.flatten(1).sum(1) / 4 / there.clamp_min(1)
            assert (inside[there > 2] > 0.8).all()

    def test_a_part_that_is_not_there_leaves_the_window_in_the_middle(self, parts):
        solid = torch.zeros(1, 11, 32, 32)
        ramp = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32)
        assert parts.window(ramp, solid, CROPS[0]).mean().abs() < 1e-5

    def test_the_segmenter_is_taught_nothing(self, parts, batch):
        parts.train()
        before = {name: value.clone() for name, value in parts.segmenter.state_dict().items()}
        parts(to_network(batch.images)).sum().backward()
        assert all(weight.grad is None for weight in parts.segmenter.parameters())
        assert all(torch.equal(value, before[name]) for name, value in parts.segmenter.state_dict().items())

    def test_columns_come_in_the_order_asked_for(self, renderer, batch):
        names = tuple(renderer.properties)
        network = PartSettings((4, 8), 8).build(names, 32, UNet(4)).eval()
        swapped = PartSettings((4, 8), 8).build(names[::-1], 32, UNet(4)).eval()
        swapped.load_state_dict(network.state_dict())
        images = to_network(batch.images[:2])
        assert torch.equal(network(images), swapped(images).flip(1))

    def test_background_is_looked_for_above(self):
        (crop,) = [one for one in CROPS if "background_std" in one.properties]
        assert crop.shown == (classes.BACKGROUND,)
        assert crop.place[0] - crop.rows / 2 == 0

    def test_unknown_properties_are_refused(self):
        with pytest.raises(ValueError, match="asked for eyes, ears"):
            PartSettings((4,), 8).build(("eyes", "ears"), 32, UNet(4))


def test_a_run_leaves_a_regressor_of_raw_values(face_job, tmp_path, batch):
    assert -1 <= face_job("face_props", tmp_path, "role=teacher").run() <= 1
    regressor = load_regressor(tmp_path, "regressor_a")
    told = regressor.measure(batch.images)
    assert told.shape == batch.properties.shape
    assert regressor.properties[0] == "eyes"
    mean = batch.properties.mean(dim=0)
    assert ((told.mean(dim=0) - mean) / regressor.std).abs().max() < 2  # raw, not z-scored


@pytest.mark.slow
def test_b_finds_its_parts_with_segmenter_b_of_its_own_size(face_job, tmp_path, batch):
    face_job("face_seg", tmp_path, "role=examiner").run()
    here, run = f"paths.face={tmp_path}", tmp_path / "run"
    face_job("face_props", run, "role=examiner", here).run()
    assert load_regressor(run, "regressor_b").measure(batch.images[:2]).shape == (2, 8)
    with pytest.raises(OhloraError, match=r"resolution=64, but the face_segmenter there is for 32 px"):
        face_job("face_props", tmp_path, "role=examiner", here, "renderer.resolution=64").run()
    with pytest.raises(OhloraError, match="no face_segmenter at"):
        face_job("face_props", tmp_path, "role=examiner", f"paths.face={tmp_path / 'nowhere'}").run()
    with pytest.raises(OhloraError, match="kind=face_regressor; expected kind=face_segmenter"):
        load_segmenter(run, "regressor_b")
