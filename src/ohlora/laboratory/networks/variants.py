"""Recipes for training the generator: which terms its loss has, and how fast it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Strict

from ohlora.config import Count, Many, Name, NotNegative, Positive, Share, config, deferred

Beta = Annotated[float, Ge(0), Lt(1)]


@config
class Variant:
    """One recipe. The generator hears of every property in every style, and all of its weights learn."""

    name: Name
    losses: Mapping[str, NotNegative]  # term -> weight; those of TERMS, and `adversarial`
    emphasis: Mapping[str, NotNegative]  # weight of a property in the property terms; 1 where none is given
    free_bits: NotNegative  # nats a dimension
    kl_warm_up: Share  # of the steps until the KL has its whole weight
    start: Name | None  # the generator whose weights it starts from, in paths.face
    encoder_start: Name | None  # the embedder whose weights the encoder starts from, at a lower learning rate
    learning_rate: Positive
    betas: Annotated[tuple[Beta, Beta], Strict(False)]  # of Adam
    sample_share: Annotated[float, Gt(0), Le(1)]  # people drawn from the prior, to a face of the batch
    r1_weight: NotNegative
    r1_every: Count  # steps

    fitted_prior: ClassVar[bool] = True  # people are drawn from where faces lie in the end, not from N(0, 1)

    network = deferred("ohlora.laboratory.networks.vae_learner", "build_network")
    learner = deferred("ohlora.laboratory.networks.vae_learner", "build_learner")


@config
class OriginalVariant(Variant):
    """One of the original project's attempts, v1 to v4: properties enter through the mapping alone."""

    conditions: Many[Name]  # properties the generator hears of
    trains: Many[Name]  # parts that learn, by the beginning of their names: encoder, decoder, decoder.map
    style_mixing: Share  # chance that a sample's later layers have another identity's style

    fitted_prior: ClassVar[bool] = False

    network = deferred("ohlora.laboratory.networks.original", "build_network")
    learner = deferred("ohlora.laboratory.networks.original", "build_learner")
