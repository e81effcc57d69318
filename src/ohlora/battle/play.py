"""One match, from the subset on the table to the verdict."""

from __future__ import annotations

import math
import secrets
import time
from pathlib import Path

import pandas as pd

from ohlora.battle.contestants.base import MatchContext
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.match import PlayMatch
from ohlora.battle.narration import Told
from ohlora.battle.referee import Referee
from ohlora.battle.report import plot_curves
from ohlora.battle.result import DatasetName, MatchResult, Played, Seal, SubsetSummary
from ohlora.battle.screen import Screen
from ohlora.battle.verdict import final, judge
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.readers import DatasetUnavailable
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import Encoder, describe
from ohlora.features.table import encoder_for
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import Suggestion
from ohlora.provenance import current_commit
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.tracking import log_picture, log_table


def play(match: PlayMatch) -> float:
    """Play the match; return the challenger's best test macro-F1 less Oh-LoRA's, -1 to 1."""
    match.narrator.check()
    predictor = Predictor.load(Path(match.predictor), "hp_predictor")
    predictor.check_space(match.space)
    match.hardware.use_threads()
    screen, out = Screen(match.language, match.space.free), Path(match.output_dir)

    data = load(match, screen)
    subset = draw(match, data)
    sheet = save_contact_sheet(subset, out / "contact_sheet.png")
    if match.save_subset:
        save_images(subset, Path(match.save_subset), ("train", "val"))
    screen.introduce(subset, sheet)

    encoder = encoder_for(data, Path(match.encoders))
    started = time.perf_counter()
    features = described(subset, encoder)
    context = MatchContext(subset, match.space, predictor, features, subset.recipe.seed)
    ohlora = OhLora()
    choice = ohlora.suggest(context)
    seal = Seal.of(choice.params)
    looked_ms = (time.perf_counter() - started) * 1000
    screen.say("sealed", ms=looked_ms, seal=seal.sha256[:12])
    expected = choice
    fitted, now = predictor.card.get("protocol"), match.protocol.fingerprint
    if fitted not in (None, now):  # its scores would be of another game
        screen.say("other_protocol", fitted=str(fitted), now=now)
        expected = None
    referee = Referee(context, match.protocol, match.hardware, screen.watch(context))
    try:
        hers, *theirs = referee.play(ohlora, match.challenger)
    except (KeyboardInterrupt, OhloraError):
        screen.again(subset.recipe.seed)
        raise
    result = judged(match, subset, [hers, *theirs], expected, seal)
    told = keep(match, result, out)
    if match.save_subset:
        save_images(subset, Path(match.save_subset), ("test",))
    screen.show(result, match.challenger.title(context, match.language), told.line)
    log(match, result, told, sheet, out)
    if match.face:
        picture = match.face.react(result, told.line, out, screen.console)
        log_picture(match.logger, "ohlora", picture)
    screen.say("seal", style="dim", seal=seal.sha256[:12])
    screen.again(subset.recipe.seed)
    screen.say("files", style="dim", path=str(out))
    if referee.interrupted:
        raise KeyboardInterrupt
    return result.best.test_f1 - result.ohlora.test_f1


def load(match: PlayMatch, screen: Screen) -> ImageData:
    """The dataset, or the fallback where it is neither on disk nor to be downloaded."""
    try:
        return match.dataset.load()
    except DatasetUnavailable as reason:
        data = match.fallback.load()
        screen.say("fallback", reason=str(reason), title=data.title)
        return data


def draw(match: PlayMatch, data: ImageData) -> Subset:
    """The subset named by the seed, or a new one from those no sweep has seen."""
    cache = Path(match.cache_dir)
    if match.seed is not None:
        return match.family.draw(data, match.seed, cache)
    first = LEAGUE_SEEDS + secrets.randbelow(2**31 - 2 * LEAGUE_SEEDS)
    _, subset = next(draw_valid_seeds(match.family, data, first, cache))
    return subset


def described(subset: Subset, encoder: Encoder) -> dict[str, float]:
    """What Oh-LoRA sees of the subset; OhloraError where it is too small to be described."""
    features = describe(subset, encoder)
    if odd := [name for name, value in features.items() if not math.isfinite(value)]:
        raise OhloraError(
            f"this subset cannot be described ({', '.join(odd[:3])} is not a number): too few images a class"
        )
    return features


def judged(
    match: PlayMatch, subset: Subset, played: list[Played], expected: Suggestion | None, seal: Seal
) -> MatchResult:
    """The result of the attempts, Oh-LoRA's first."""
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
        predicted_f1=expected.predicted_f1 if expected else None,
        predicted_sd=expected.predicted_sd if expected else None,
        seal=seal,
        language=match.language,
        commit=current_commit(),
    )


def keep(match: PlayMatch, result: MatchResult, out: Path) -> Told:
    """Write match.json, before anything is shown and once more with Oh-LoRA's line."""
    content = result.as_json()
    write_json(out / "match.json", content)
    told = match.narrator.tell(result)
    narration = {"refused": told.refused, "written": told.written}
    write_json(out / "match.json", {**content, "line": told.line, "narration": narration})
    return told


def log(match: PlayMatch, result: MatchResult, told: Told, sheet: Path, out: Path) -> None:
    """Pictures, tables and numbers for whoever keeps them."""
    log_picture(match.logger, "subset", sheet)
    log_picture(match.logger, "curves", plot_curves(result.attempts, out / "curves.png"))
    log_table(match.logger, "match", pd.json_normalize([one.as_json() for one in result.attempts]))
    numbers = {
        "ohlora_test_f1": result.ohlora.test_f1,
        "challenger_test_f1": result.best.test_f1,
        "predicted_f1": result.predicted_f1,
        "lines_refused": len(told.refused),
        "line_written": int(told.written),
    }
    match.logger.log_metrics({name: value for name, value in numbers.items() if value is not None})
