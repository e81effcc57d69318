"""One match, from the subset on the table to the verdict."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.table import Table as RichTable

from ohlora.battle.contestants import ContestantConf, OhLora, Table
from ohlora.battle.face import Face
from ohlora.battle.narration import Narrator, Told
from ohlora.battle.phrases import say
from ohlora.battle.referee import Played, Referee
from ohlora.battle.report import plot_curves
from ohlora.battle.verdict import final, judge
from ohlora.datasets import DatasetUnavailable, ImageSource, Subset
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.datasets.subset import Family, draw_valid_seeds
from ohlora.errors import OhloraError
from ohlora.features.describe import describe
from ohlora.features.table import encoder_for
from ohlora.hardware import Hardware
from ohlora.predictor import Predictor
from ohlora.provenance import current_commit
from ohlora.seeds import LEAGUE_SEEDS
from ohlora.space import Params, Space, Value
from ohlora.tracking import log_picture, log_table, write_json
from ohlora.trials.protocol import Protocol as TrialProtocol

LANGUAGES = ("ko", "en")


@dataclass(frozen=True)
class MatchResult:
    """A match as plain data: what `match.json` holds."""

    dataset: dict[str, str]  # name, title
    subset: dict[str, Any]  # family, seed, class_names, class_counts, val_images, test_images
    rules: Literal["house", "fair"]
    attempts: list[dict[str, Any]]  # contestant, kind, params, val_f1, test_f1
    verdicts: list[str]  # of each of the challenger's attempts
    winner: Literal["challenger", "ohlora", "draw"]
    predicted_f1: float  # what Oh-LoRA expected of her own attempt
    predicted_sd: float
    seal: dict[str, str]  # sha256 of her sealed params and the salt that was mixed in
    language: str
    commit: str


@dataclass(frozen=True)
class PlayMatch:
    """Draw a subset, let Oh-LoRA seal her choice, referee both sides, tell how it went."""

    dataset: ImageSource
    fallback: ImageSource
    family: Family
    seed: int | None
    save_subset: str | None
    space: Space
    protocol: TrialProtocol
    hardware: Hardware
    challenger: ContestantConf
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
        table = Table(subset, self.space, predictor, features, subset.recipe.seed)
        ohlora = OhLora(table)
        choice = ohlora.suggest()
        seal = sealed(choice.params)
        looked_ms = (time.perf_counter() - started) * 1000
        console.print(say("sealed", self.language, ms=looked_ms, seal=seal["sha256"][:12]))

        referee = Referee(
            subset,
            self.family.fingerprint,
            self.space,
            self.protocol,
            self.hardware,
            seed=subset.recipe.seed,
            announce=lambda name, number: console.print(
                say("training" if number else "scoring", self.language, name=name, number=number), style="dim"
            ),
        )
        challenger = self.challenger.sit_down(table)
        if self.challenger.rules == "house":
            hers = referee.house(ohlora)
            theirs = referee.house(challenger)
        else:
            hers = [referee.fair(ohlora, choose_untried=True)]
            theirs = [referee.fair(challenger, choose_untried=challenger.trials == 1)]

        verdicts = [judge(played.test_f1, hers[0].test_f1) for played in theirs]
        result = MatchResult(
            dataset={"name": subset.recipe.dataset, "title": subset.title},
            subset={
                "family": subset.recipe.family,
                "seed": subset.recipe.seed,
                "class_names": list(subset.class_names),
                "class_counts": subset.class_counts,
                "val_images": len(subset.val),
                "test_images": len(subset.test),
            },
            rules=self.challenger.rules,
            attempts=[attempt_row(played) for played in (*hers, *theirs)],
            verdicts=[str(verdict.value) for verdict in verdicts],
            winner=final(verdicts),
            predicted_f1=choice.predicted_f1,
            predicted_sd=choice.predicted_sd,
            seal=seal,
            language=self.language,
            commit=current_commit(),
        )
        told = self.narrator.tell(asdict(result))
        self._show(console, result, told.line)
        self._keep(out, result, told, [*hers, *theirs], sheet)
        if self.face:
            log_picture(self.logger, "ohlora", self.face.react(asdict(result), told.line, out, console))
        console.print(
            say("again", self.language, command=again(subset.recipe.seed)), style="dim", soft_wrap=True
        )
        console.print(say("files", self.language, path=out), style="dim", soft_wrap=True)
        return max(played.test_f1 for played in theirs) - hers[0].test_f1

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

    def _show(self, console: Console, result: MatchResult, line: str) -> None:
        lang = self.language
        table = RichTable(title=say("result", lang), title_justify="left")
        table.add_column(say("hyperparameter", lang))
        names = [attempt["contestant"] for attempt in result.attempts]
        for number, name in enumerate(names):
            several = names.count(name) > 1
            table.add_column(f"{name} {names[:number].count(name) + 1}" if several else name, justify="right")
        for name in self.space.free:
            table.add_row(name, *(shown(attempt["params"][name]) for attempt in result.attempts))
        table.add_section()
        best = max(attempt["test_f1"] for attempt in result.attempts)
        for key, phrase in (("val_f1", "val"), ("test_f1", "test")):
            scores = [f"{attempt[key]:.3f}" for attempt in result.attempts]
            if key == "test_f1":
                scores = [
                    f"[bold green]{score}[/bold green]" if attempt[key] == best else score
                    for score, attempt in zip(scores, result.attempts, strict=True)
                ]
            table.add_row(f"[bold]{say(phrase, lang)}[/bold]", *scores)
        console.print(table)
        console.print(say("predicted", lang, f1=result.predicted_f1, sd=result.predicted_sd))
        own = result.attempts[0]["test_f1"]
        theirs = result.attempts[1:]
        for number, (attempt, verdict) in enumerate(zip(theirs, result.verdicts, strict=True), start=1):
            told = say(verdict, lang, d=attempt["test_f1"] - own)
            if len(theirs) > 1:
                told = say(f"verdict_{number}", lang, verdict=told)
            console.print(told)
        console.print(say(f"won_{result.winner}", lang, name=theirs[0]["contestant"]), style="bold")
        console.print(f"[magenta]Oh-LoRA:[/magenta] {line}")

    def _keep(self, out: Path, result: MatchResult, told: Told, played: list[Played], sheet: Path) -> None:
        write_json(
            out / "match.json",
            {
                **asdict(result),
                "line": told.line,
                "narration": {"refused": told.refused, "written": told.written},
            },
        )
        curves = plot_curves(played, out / "curves.png")
        log_picture(self.logger, "subset", sheet)
        log_picture(self.logger, "curves", curves)
        log_table(self.logger, "match", pd.json_normalize(result.attempts))
        self.logger.log_metrics(
            {
                "ohlora_test_f1": result.attempts[0]["test_f1"],
                "challenger_test_f1": max(a["test_f1"] for a in result.attempts[1:]),
                "predicted_f1": result.predicted_f1,
                "lines_refused": len(told.refused),
                "line_written": int(told.written),
            }
        )


def shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def sealed(params: Params) -> dict[str, str]:
    """A seal that fixes `params` without showing them: sha256 of salt and params, and the salt."""
    salt = secrets.token_hex(8)
    text = salt + json.dumps(params, sort_keys=True)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "salt": salt}


def attempt_row(played: Played) -> dict[str, Any]:
    row = asdict(played)
    row.pop("curve")
    return row


def again(seed: int) -> str:
    """The command that plays this subset once more."""
    kept = [argument for argument in sys.argv[1:] if not argument.startswith("subset.seed=")]
    return " ".join(["python battle.py", *kept, f"subset.seed={seed}"])
