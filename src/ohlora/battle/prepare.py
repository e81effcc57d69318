"""The beginning of a match: the subset, and Oh-LoRA's choice, made and sealed. No terminal, no browser."""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from ohlora.battle.contestants.base import MatchContext
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.match import PlayMatch
from ohlora.battle.narration import Told
from ohlora.battle.result import MATCH_FILE, DatasetName, MatchResult, Played, Seal, SubsetSummary
from ohlora.battle.verdict import final, judge
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import DatasetUnavailable
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import Encoder, describe
from ohlora.features.table import encoder_for
from ohlora.predictor.predictor import NAME, Predictor
from ohlora.predictor.search import Suggestion, expected
from ohlora.provenance import current_commit
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.space import Params


@dataclass(frozen=True)
class Prepared:
    """A match that can begin: what everybody may look at, and Oh-LoRA's sealed choice."""

    match: PlayMatch
    context: MatchContext
    choice: Suggestion  # hers, with the score that she expects of it
    seal: Seal
    looked_ms: float  # from the first look at the subset to the seal

    @property
    def subset(self) -> Subset:
        return self.context.subset

    @property
    def fitted_protocol(self) -> str | None:
        """The protocol of the trials that her predictor learned from."""
        return self.context.predictor.card.get("protocol")

    @property
    def expects(self) -> bool:
        """Whether what she expects counts here; scores of another protocol would be of another game."""
        return self.fitted_protocol in (None, self.match.protocol.fingerprint)

    def expected(self, params: Params) -> Suggestion | None:
        """What she would expect of somebody else's params."""
        if not self.expects:
            return None
        context = self.context
        return expected(context.predictor, context.space, context.predictor.vector(context.features), params)

    def result(self, played: list[Played]) -> MatchResult:
        """The result of the attempts, Oh-LoRA's first."""
        match, subset = self.match, self.subset
        hers, *theirs = played
        verdicts = tuple(judge(one.test_f1, hers.test_f1) for one in theirs)
        return MatchResult(
            dataset=DatasetName(subset.recipe.dataset, subset.title),
            subset=SubsetSummary(
                subset.recipe.family,
                subset.recipe.seed,
                tuple(subset.class_names),
                tuple(subset.class_counts),
                val_images=len(subset.val),
                test_images=len(subset.test),
            ),
            rules=match.challenger.rules,
            attempts=tuple(played),
            verdicts=verdicts,
            winner=final(verdicts),
            predicted_f1=self.choice.predicted_f1 if self.expects else None,
            predicted_sd=self.choice.predicted_sd if self.expects else None,
            seal=self.seal,
            language=match.language,
            commit=current_commit(),
        )


def load_predictor(match: PlayMatch) -> Predictor:
    """Oh-LoRA's predictor; OhloraError where it, or what the narrator needs, is missing or does not fit."""
    match.narrator.check()
    predictor = Predictor.load(Path(match.predictor), NAME)
    predictor.check_space(match.space)
    predictor.check_encoders(Path(match.encoders))
    return predictor


def load_data(match: PlayMatch) -> tuple[ImageData, DatasetUnavailable | None]:
    """The dataset; or the fallback, and why: it is neither on disk nor to be downloaded."""
    try:
        return match.dataset.load(), None
    except DatasetUnavailable as reason:
        return match.fallback.load(), reason


def draw(match: PlayMatch, data: ImageData) -> Subset:
    """The subset named by the seed, or a new one from those no sweep has seen."""
    cache = Path(match.cache_dir)
    if match.seed is not None:
        return match.family.draw(data, match.seed, cache)
    first = LEAGUE_SEEDS + secrets.randbelow(2**31 - 2 * LEAGUE_SEEDS)
    _, subset = next(draw_valid_seeds(match.family, data, first, cache))
    return subset


def seal_choice(match: PlayMatch, predictor: Predictor, data: ImageData, subset: Subset) -> Prepared:
    """Let Oh-LoRA look at the subset and choose."""
    encoder = encoder_for(data, Path(match.encoders))
    started = time.perf_counter()
    context = MatchContext(subset, match.space, predictor, described(subset, encoder), subset.recipe.seed)
    choice = OhLora().suggest(context)
    seal = Seal.of(choice.params)
    return Prepared(match, context, choice, seal, (time.perf_counter() - started) * 1000)


def described(subset: Subset, encoder: Encoder) -> dict[str, float]:
    """What Oh-LoRA sees of the subset; OhloraError where it is too small to be described."""
    features = describe(subset, encoder)
    if odd := [name for name, value in features.items() if not math.isfinite(value)]:
        raise OhloraError(
            f"this subset cannot be described ({', '.join(odd[:3])} is not a number): too few images a class"
        )
    return features


def keep(match: PlayMatch, result: MatchResult, out: Path) -> Told:
    """Write match.json, before anything is shown and once more with Oh-LoRA's line."""
    content = result.as_json()
    write_json(out / MATCH_FILE, content)
    told = match.narrator.tell(result)
    narration = {"refused": told.refused, "written": told.written}
    write_json(out / MATCH_FILE, {**content, "line": told.line, "narration": narration})
    return told
