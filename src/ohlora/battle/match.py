"""One match, from the subset on the table to the verdict."""

from __future__ import annotations

import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.table import Table

from ohlora.battle.contestants.base import Contestant, MatchContext
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.face import Face
from ohlora.battle.narration import Narrator, Told
from ohlora.battle.phrases import say
from ohlora.battle.referee import Referee
from ohlora.battle.report import plot_curves
from ohlora.battle.result import DatasetName, MatchResult, Seal, SubsetSummary
from ohlora.battle.verdict import final, judge
from ohlora.datasets.families import Family
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.readers import DatasetReader, DatasetUnavailable
from ohlora.datasets.subset import Subset, draw_valid_seeds
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.hardware import Hardware
from ohlora.predictor import Predictor
from ohlora.provenance import current_commit
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.space import Space, Value
from ohlora.tracking import log_picture, log_table
from ohlora.trials.protocol import Protocol as TrialProtocol

LANGUAGES = ("ko", "en")


@dataclass(frozen=True)
class PlayMatch:
    """Draw a subset, let Oh-LoRA seal her choice, referee both sides, tell how it went."""

    dataset: DatasetReader
    fallback: DatasetReader
    family: Family
    seed: int | None
    save_subset: str | None
    space: Space
    protocol: TrialProtocol
    hardware: Hardware
    challenger: Contestant
    narrator: Narrator
    face: Face | None
    predictor: str
    encoders: str
    cache_dir: str
    output_dir: str
    language: str
    logger: Logger

    def run(self) -> float:
        """Return the challenger's best test macro-F1 less Oh-LoRA's, -1 to 1."""
        if self.language not in LANGUAGES:
            raise OhloraError(f"language={self.language} is not one of {' | '.join(LANGUAGES)}")
        self.narrator.check()
        self.challenger.check(self.space)
        predictor = Predictor.load(Path(self.predictor), "hp_predictor")
        predictor.check_space(self.space)
        self.hardware.use_threads()
        console, out = Console(highlight=False), Path(self.output_dir)

        data = self._load(console)
        subset = self._draw(data)
        sheet = save_contact_sheet(subset, out / "contact_sheet.png")
        self._introduce(console, subset, sheet)

        started = time.perf_counter()
        features = describe(subset, encoder_for(data, Path(self.encoders)))
        context = MatchContext(subset, self.space, predictor, features, subset.recipe.seed)
        ohlora = OhLora()
        choice = ohlora.suggest(context)
        seal = Seal.of(choice.params)
        looked_ms = (time.perf_counter() - started) * 1000
        console.print(say("sealed", self.language, ms=looked_ms, seal=seal.sha256[:12]))

        def announce(contestant: Contestant, number: int) -> None:
            name = contestant.title(context, self.language)
            key = "training" if number else "scoring"
            console.print(say(key, self.language, name=name, number=number), style="dim")

        referee = Referee(context, self.protocol, self.hardware, announce)
        challenger = self.challenger
        hers, *theirs = referee.play(ohlora, challenger)
        verdicts = tuple(judge(played.test_f1, hers.test_f1) for played in theirs)
        result = MatchResult(
            dataset=DatasetName(subset.recipe.dataset, subset.title),
            subset=SubsetSummary(
                subset.recipe.family,
                subset.recipe.seed,
                tuple(subset.class_names),
                tuple(subset.class_counts),
                val_images=len(subset.val),
                test_images=len(subset.test),
            ),
            rules=challenger.rules,
            attempts=(hers, *theirs),
            verdicts=verdicts,
            winner=final(verdicts),
            predicted_f1=choice.predicted_f1,
            predicted_sd=choice.predicted_sd,
            seal=seal,
            language=self.language,
            commit=current_commit(),
        )
        told = self.narrator.tell(result)
        self._show(console, context, result, told.line)
        self._keep(out, result, told, sheet)
        if self.face:
            log_picture(self.logger, "ohlora", self.face.react(result, told.line, out, console))
        console.print(
            say("again", self.language, command=again(subset.recipe.seed)), style="dim", soft_wrap=True
        )
        console.print(say("files", self.language, path=out), style="dim", soft_wrap=True)
        return result.best.test_f1 - result.ohlora.test_f1

    def _load(self, console: Console) -> ImageData:
        try:
            return self.dataset.load()
        except DatasetUnavailable as reason:
            data = self.fallback.load()
            console.print(say("fallback", self.language, reason=reason, title=data.title), soft_wrap=True)
            return data

    def _draw(self, data: ImageData) -> Subset:
        """The subset named by the seed, or a new one from those no sweep has seen."""
        if self.seed is not None and self.seed < 0:
            raise OhloraError(f"subset.seed={self.seed} is below 0")
        cache = Path(self.cache_dir)
        if self.seed is not None:
            subset = self.family.draw(data, self.seed, cache)
        else:
            first = LEAGUE_SEEDS + secrets.randbelow(2**31 - 2 * LEAGUE_SEEDS)
            _, subset = next(draw_valid_seeds(self.family, data, first, cache))
        if self.save_subset:
            save_images(subset, Path(self.save_subset))
        return subset

    def _introduce(self, console: Console, subset: Subset, sheet: Path) -> None:
        counts = ", ".join(f"{n}: {c}" for n, c in zip(subset.class_names, subset.class_counts, strict=True))
        console.print(say("hello", self.language, title=subset.title))
        console.print(
            say("subset", self.language, n=len(subset.train), k=len(subset.class_names), counts=counts)
        )
        console.print(say("sheet", self.language, path=sheet), soft_wrap=True)

    def _show(self, console: Console, context: MatchContext, result: MatchResult, line: str) -> None:
        lang = self.language
        theirs = self.challenger.title(context, lang)
        console.print(self._table(result, say("ohlora", lang), theirs))
        console.print(say("predicted", lang, f1=result.predicted_f1, sd=result.predicted_sd))
        for number, (attempt, verdict) in enumerate(
            zip(result.challenger, result.verdicts, strict=True), start=1
        ):
            told = say(verdict.value, lang, d=attempt.test_f1 - result.ohlora.test_f1)
            if len(result.challenger) > 1:
                told = say(f"verdict_{number}", lang, verdict=told)
            console.print(told)
        console.print(say(f"won_{result.winner}", lang, name=theirs), style="bold")
        console.print(f"[magenta]{say('ohlora', lang)}:[/magenta] {line}")

    def _table(self, result: MatchResult, hers: str, theirs: str) -> Table:
        """Every attempt's hyperparameters and scores, a column each."""
        table = Table(title=say("result", self.language), title_justify="left")
        table.add_column(say("hyperparameter", self.language))
        table.add_column(hers, justify="right")
        several = len(result.challenger) > 1
        for number in range(1, len(result.challenger) + 1):
            table.add_column(f"{theirs} {number}" if several else theirs, justify="right")
        for name in self.space.free:
            table.add_row(name, *(shown(attempt.params[name]) for attempt in result.attempts))
        table.add_section()
        table.add_row(
            f"[bold]{say('val', self.language)}[/bold]",
            *(f"{attempt.val_f1:.3f}" for attempt in result.attempts),
        )
        best = max(attempt.test_f1 for attempt in result.attempts)
        table.add_row(
            f"[bold]{say('test', self.language)}[/bold]",
            *(
                f"[bold green]{attempt.test_f1:.3f}[/bold green]"
                if attempt.test_f1 == best
                else f"{attempt.test_f1:.3f}"
                for attempt in result.attempts
            ),
        )
        return table

    def _keep(self, out: Path, result: MatchResult, told: Told, sheet: Path) -> None:
        content = result.as_json()
        narration = {"refused": told.refused, "written": told.written}
        write_json(out / "match.json", {**content, "line": told.line, "narration": narration})
        log_picture(self.logger, "subset", sheet)
        log_picture(self.logger, "curves", plot_curves(result.attempts, out / "curves.png"))
        log_table(self.logger, "match", pd.json_normalize(content["attempts"]))
        self.logger.log_metrics(
            {
                "ohlora_test_f1": result.ohlora.test_f1,
                "challenger_test_f1": result.best.test_f1,
                "predicted_f1": result.predicted_f1 or 0.0,
                "lines_refused": len(told.refused),
                "line_written": int(told.written),
            }
        )


def shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def again(seed: int) -> str:
    """The command that plays this subset once more."""
    kept = [argument for argument in sys.argv[1:] if not argument.startswith("subset.seed=")]
    return " ".join(["python battle.py", *kept, f"subset.seed={seed}"])
