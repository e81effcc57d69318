"""Stages on generators whose scores are known: the renderer, which draws true people, and printed stamps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ohlora.assets import save_model
from ohlora.errors import OhloraError
from ohlora.face.acting.expression import MOVING
from ohlora.face.acting.performance import Performance
from ohlora.laboratory.acceptance.jobs import STAGES, Counts
from ohlora.laboratory.acceptance.model_folder import Missing
from ohlora.laboratory.acceptance.stages import (
    acting_renderer,
    before_and_after,
    expression,
    jumps,
    keeping,
    likeness,
    renderer,
    samples,
    sets,
    subjects,
    true_twins,
    untrained,
)
from ohlora.laboratory.networks.segmenter import UNet
from ohlora.laboratory.training.fill_bank import BANK


def test_every_stage_of_the_table_is_measured_and_named(evaluation, report_job, tmp_path):
    assert list(dict.fromkeys(stage for stage, _, _ in subjects(evaluation))) == list(STAGES)
    assert set(report_job(tmp_path).acceptance) == set(STAGES)


class TestRenderer:
    @pytest.mark.slow
    def test_its_gates_hold_even_at_32_px_but_for_the_finest(self, evaluation):
        scores = renderer(evaluation)
        assert scores["bit_equal"] == 1
        assert scores["twins_equal"] > 0.85  # a strand is finer than a pixel more often
        assert scores["r_hair_colour"] > 0.98
        assert scores["r_roll_low"] < scores["r_roll"] < scores["r_roll_high"] <= 1

    @pytest.mark.slow
    def test_a_twin_whose_light_changed_is_none(self, evaluation):
        painter = evaluation.source.renderer
        assert true_twins(evaluation, people=2).all()
        lit = replace(painter, nuisance={**painter.nuisance, "light": [0.0, 0.0]})
        eyes = list(painter.properties).index("eyes")

        class Flickering(type(painter)):
            """Its lamp goes with the eyes."""

            def mapping(self, latents, properties):
                w = super().mapping(latents, properties)
                w[:, self.names.index("light")] = 2 * properties[:, eyes] - 1
                return w

        lamp = Flickering(**{name: getattr(lit, name) for name in lit.__dataclass_fields__})
        broken = replace(evaluation, source=replace(evaluation.source, renderer=lamp))
        found = true_twins(broken, people=2).view(len(painter.properties), 2)
        assert not found[eyes].any()
        assert found[list(painter.properties).index("mouth")].all()


class TestPeopleAfterAnEdit:
    def test_who_keeps_the_person_is_found_and_who_mixes_her_up_is_not(self, evaluation_with, stamp, readers):
        kept = keeping(evaluation_with(generator_polished=stamp(), identity_b=readers["person"]))
        assert kept["found_after_face_edit"] == kept["found_after_any_edit"] == 1
        mixed = keeping(
            evaluation_with(generator_polished=stamp(forgetful=3.0), identity_b=readers["person"])
        )
        assert mixed["found_after_any_edit"] < 0.5

    def test_an_embedder_of_wishes_finds_nobody_once_all_of_them_change(
        self, evaluation_with, stamp, readers
    ):
        scores = keeping(evaluation_with(generator_polished=stamp(), identity_b=readers["wishes"]))
        assert scores["found_after_any_edit"] == 0

    def test_an_edit_changes_what_it_names_and_nothing_else(self, evaluation_with, stamp, readers):
        evaluation = evaluation_with()
        before, after = before_and_after(evaluation, stamp(), MOVING)
        person, wishes = ([reader.embed(images) for images in (before, after)] for reader in readers.values())
        assert torch.equal(*person)
        assert (wishes[0] != wishes[1]).any(dim=1).all()


class TestLikeness:
    @pytest.mark.slow
    def test_whoever_draws_one_person_is_told_by_recall(self, evaluation_with):
        painter = evaluation_with().source.renderer

        class OneFace(type(painter)):
            def mapping(self, latents, properties):
                return super().mapping(0 * latents, 0 * properties)

        class Pixels:
            """Every fourth pixel."""

            def features(self, images):
                return images[:, :, ::4, ::4].flatten(1).float()

        one = OneFace(**{name: getattr(painter, name) for name in painter.__dataclass_fields__})
        good = likeness(evaluation_with({"compared": 60}, generator_polished=painter, identity_b=Pixels()))
        poor = likeness(evaluation_with({"compared": 60}, generator_polished=one, identity_b=Pixels()))
        assert poor["recall"] == 0 < 0.6 < good["recall"]
        assert good["precision_low"] <= good["precision"] <= good["precision_high"]
        assert poor["frechet"] > good["frechet"] + 0.3
        # Of sixty pictures an untrained net tells little, but who is far.
        near, far = (
            untrained(evaluation_with({"compared": 60}, generator_polished=maker)) for maker in (painter, one)
        )
        assert near["frechet"] < far["frechet"] - 1
        assert 0 < near["floor"] == far["floor"] < 1

    def test_made_real_and_held_out_are_as_many_and_never_the_same(self, evaluation_with):
        evaluation = evaluation_with(generator_polished=evaluation_with().source.renderer)
        made, real, held, crude = sets(evaluation)
        assert len({len(made), len(real), len(held), len(crude), 16}) == 1
        assert not (real[:, None] == held[None]).flatten(2).all(dim=2).any()
        assert sets(evaluation)[0] is made


def test_shares_are_those_the_judges_see(evaluation_with, stamp):
    class Says:
        def __init__(self, share):
            self.share = share

        def judge(self, images):
            return (torch.arange(len(images)) < self.share * len(images)).float()

    scores = samples(evaluation_with(generator_polished=stamp(), gender=Says(0.75), quality=Says(1.0)))
    assert (scores["gender"], scores["quality"]) == (0.75, 1.0)
    assert scores["gender_low"] < 0.75 < scores["gender_high"]


class TestExpression:
    def test_every_cell_shows_its_own_value(self, evaluation):
        assert expression(evaluation)["cells"] == 1

    def test_a_mood_that_looks_like_another_is_counted(self, evaluation):
        moods = {**evaluation.expressions.moods}
        moods["sad"] = {**moods["sad"], "eyes": 0.44001}
        table = replace(evaluation.expressions, moods=moods)
        assert (
            expression(replace(evaluation, expressions=table))["cells"] == 1
        )  # near sulky's 0.44, yet its own

        class Crossed(type(table)):
            def offset(self, mood):
                return super().offset("shy" if mood == "proud" else mood)

        crossed = Crossed(**{name: getattr(table, name) for name in table.__dataclass_fields__})
        words = [*table.moods, *table.verdicts]
        wrong = sum(table.mood(word) == "proud" for word in words) * len(MOVING)
        share = 1 - wrong / (len(words) * len(MOVING))
        assert expression(replace(evaluation, expressions=crossed))["cells"] == pytest.approx(share)


class TestAnimation:
    @pytest.mark.slow
    @pytest.mark.parametrize("look", ["portrait", "renderer"])
    def test_frame_rates_of_both_sizes_and_equal_frames(self, evaluation, look):
        measure = {subject: ask for stage, subject, ask in subjects(evaluation) if stage == "animation"}
        scores = measure[look]()
        assert scores["fps_64"] > 1 < scores["fps_128"]
        assert scores["p95_ms_128"] >= 1000 / scores["fps_128_high"] / 2
        assert scores["equal_frames"] == 1
        assert 0 < scores["largest_jump"] <= 0.25 < scores["largest_jump_of_lids_and_lips"]

    def test_a_jump_is_counted_in_spreads(self, evaluation, person):
        rest = person.at_rest(evaluation.expressions)
        still = Performance.of(rest, evaluation.expressions, 0).feel("surprised", 0.1)
        fast = replace(still, mood=replace(still.mood, speed=still.mood.speed * 100))
        assert jumps(still)["largest_jump"] <= 0.25 < jumps(fast)["largest_jump"]

    def test_a_card_s_frame_rate_is_not_told(self, evaluation):
        elsewhere = replace(evaluation, models=replace(evaluation.models, device=torch.device("meta")))
        with pytest.raises(Missing, match="timed on a CPU, not on meta"):
            acting_renderer(elsewhere)


class TestModelFolder:
    def test_what_is_missing_names_its_command(self, evaluation):
        folder = evaluation.models.folder
        for name, words in (
            ("regressor_b", "model=face_props role=examiner"),
            ("generator_v1", "model=face_vae variant=v1"),
            ("identity_b", "model=face_identity role=examiner"),
            ("directions_w_mean_difference", "model=face_directions latent_space=w method=mean_difference"),
            ("kept", "model=face_filter"),
        ):
            told = rf"no {name} in {folder} \(python train.py {words} .*renderer.resolution=32\)"
            with pytest.raises(Missing, match=told):
                evaluation.models.need(name)

    def test_another_generator_s_bank_is_missing_not_wrong(self, evaluation_with):
        evaluation = evaluation_with(generator_polished=SimpleNamespace(card={"weights": {"sha256": "hers"}}))
        card = {"kind": "face_bank", "generator": "somebody else's"}
        save_model(evaluation.models.folder, BANK, {"latents": torch.zeros(1, 2)}, card)
        with pytest.raises(Missing, match="bank belongs to another generator than generator_polished"):
            _ = evaluation.models.bank

    def test_photos_networks_are_refused(self, evaluation):
        folder = evaluation.models.folder
        card = {"kind": "face_segmenter", "resolution": 32, "width": 4, "domain": "photos of ffhq"}
        save_model(folder, "segmenter_a", UNet(4).state_dict(), card)
        with pytest.raises(OhloraError, match="learned from photos of ffhq, but these are rendered faces"):
            evaluation.models.segmenter("a")


def test_counts_that_carry_nothing_are_told():
    with pytest.raises(OhloraError) as told:
        Counts(5000, 2, 8000, 1000, 2000, 500, 9, 0.0, 1.5, 150)  # type: ignore[arg-type]
    assert str(told.value).split("; ") == [
        "faces=2 is not a whole number from 8 up",
        "reach=0.0 is not a number above 0",
        "candidates=1.5 is not a whole number from 1 up",
    ]
