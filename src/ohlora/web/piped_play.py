"""Plays the matches that a pipe asks for, by the same rules and with the same referee as the terminal does.

{"do": "play", ...} begins one: on a new problem where "seed" is null, on that of the settings without "seed".
{"do": "attempt", "params": {...}} plays an attempt, {"do": "enough"} declines the second one, {"do": "stop"}
is Ctrl-C.
"""

from __future__ import annotations

import io
import json
import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from ohlora.assets import command_line
from ohlora.battle.contestants.asked_human import AskedHuman
from ohlora.battle.contestants.base import Attempts, Contestant, MatchContext
from ohlora.battle.contestants.human_file import clean_player
from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.narration import Told
from ohlora.battle.prepare import Prepared, draw, keep, load_data, load_predictor, seal_choice
from ohlora.battle.referee import Referee, Watch
from ohlora.battle.report import log_match, plot_curves
from ohlora.battle.result import MatchResult
from ohlora.battle.training_thread import Curve, Show
from ohlora.datasets.images import ImageData
from ohlora.datasets.pictures import save_contact_sheet, to_picture
from ohlora.datasets.readers import DatasetUnavailable, Folder
from ohlora.datasets.subset import Subset
from ohlora.errors import OhloraError
from ohlora.lineage import Lineage, recorded
from ohlora.loggers import logs_of
from ohlora.predictor.explain import swaps
from ohlora.predictor.predictor import Predictor
from ohlora.predictor.search import Suggestion
from ohlora.tracking import log_picture, tracked
from ohlora.web.card import save_card
from ohlora.web.phrases import Phrased, told
from ohlora.web.pipe import Pipe
from ohlora.web.piped import PlayPiped

SHOWN = 16  # images of each class
IMAGE_SIZE = 32  # of uploads, pixels a side


@dataclass(frozen=True)
class RemoteHuman(AskedHuman):
    """A human at the other end of a pipe."""

    name: str
    pipe: Pipe

    def attempts(self, context: MatchContext) -> Attempts:
        for number in range(1, self.trials + 1):
            request = self.pipe.next()
            if request.get("do") != "attempt":
                return
            val_f1 = yield request["params"]
            self.pipe.say("trained", number=number, val_f1=val_f1)


def play_piped(job: PlayPiped) -> None:
    """Play one match after the other until standard input ends."""
    pipe = Pipe()
    job.hardware.use_threads()
    with pipe.starting(), recorded() as known:
        player = Player(job, load_predictor(job), pipe, known)
    pipe.say("ready")
    while True:
        try:
            request = pipe.next()
            if request.get("do") == "play":
                player.play(request)
        except EOFError:
            return
        except KeyboardInterrupt:
            pipe.say("stopped")
        except OhloraError as error:
            pipe.say("failed", **told(error))
        except Exception:  # a bug of ours: the next match may still go well
            traceback.print_exc(file=sys.stderr)
            pipe.say("failed", **told(Phrased(("bug", {}))))


class Player:
    """What is kept from match to match: models and the last dataset."""

    def __init__(self, job: PlayPiped, predictor: Predictor, pipe: Pipe, known: Lineage) -> None:
        self.job, self.predictor, self.pipe = job, predictor, pipe
        self.known = known  # the models of `predictor` and `narrators`
        self.narrators: dict[str, Any] = {}
        self.loaded: tuple[Any, Any] = (None, None)  # how a dataset was asked for, and what came

    def play(self, request: Mapping[str, Any]) -> None:
        """One match, and its run."""
        with recorded(self.known) as read:
            match, result, spoken, content = self.played(request)
        with self.pipe.lasting():  # a page that is closed now leaves no run unfinished
            self.pipe.say("result", **content, line=spoken.line)
            self.log(match, result, spoken, request, read)
        self.pipe.say("logged")

    def played(self, request: Mapping[str, Any]) -> tuple[PlayPiped, MatchResult, Told, dict[str, Any]]:
        """A match, its result, what she says, and what the page is told of it."""
        match, out = self.match(request), Path(request["folder"])
        out.mkdir(parents=True, exist_ok=True)
        asked = (match.dataset, match.fallback)
        if self.loaded[0] != asked:
            self.loaded = (asked, load_data(match))
        data, unavailable = self.loaded[1]
        self.pipe.check()
        subset = draw(match, data)
        self.show_subset(subset, out, data, unavailable)
        prepared = seal_choice(match, self.predictor, data, subset)
        self.pipe.say(
            "sealed",
            sha256=prepared.seal.sha256,
            ms=prepared.looked_ms,
            expects=prepared.expects,
            protocols=[prepared.fitted_protocol, match.protocol.fingerprint],
        )
        referee = Referee(prepared.context, match.protocol, match.hardware, self.watch(), side_by_side=True)
        played = referee.play(OhLora(), match.challenger)
        self.pipe.stopping.clear()
        self.pipe.say("scoring")
        result = prepared.result(played)
        with recorded(self.known) as self.known:
            spoken = keep(match, result, out)
        plot_curves(result.attempts, out / "curves.png")
        picture = self.react(match, result, spoken.line, out)
        save_card(result, spoken.line, picture, out / "card.png")
        return match, result, spoken, self.content(prepared, result)

    def log(
        self, match: PlayPiped, result: MatchResult, spoken: Told, request: Mapping[str, Any], read: Lineage
    ) -> None:
        """Leave the run of a match. It begins here: one that was not played to its end has none."""
        out = Path(match.output_dir)
        groups = {name: choice for name, choice in match.choices.items() if not name.startswith("hydra/")}
        asked = "folder" if request.get("upload") else request.get("dataset") or groups["dataset"]
        about = {
            "choices": {**groups, "dataset": asked},
            "command": command_line(),
            "commit": result.commit,
            "language": match.language,
        }
        with tracked(logs_of(match.logs, str(out), asked).make(), about, read) as logger:
            log_match(logger, result, spoken, out)
            if (picture := out / "ohlora.png").is_file():
                log_picture(logger, "ohlora", picture)

    def match(self, request: Mapping[str, Any]) -> PlayPiped:
        """The match that is asked for."""
        job, language = self.job, request["language"]
        if language not in self.narrators:
            self.narrators[language] = replace(job.narrator, language=language)
        human = RemoteHuman(clean_player(request.get("name", "")), self.pipe)
        match = replace(
            job,
            language=language,
            narrator=self.narrators[language],
            challenger=human,
            output_dir=str(request["folder"]),
            seed=request.get("seed", job.seed),
        )
        if request.get("upload"):
            uploaded = Folder(str(request["upload"]), IMAGE_SIZE)
            return replace(match, dataset=uploaded, family=job.family_of_upload)
        name = request.get("dataset")
        return match if name is None else replace(match, dataset=job.datasets[name])

    def show_subset(
        self, subset: Subset, out: Path, data: ImageData, unavailable: DatasetUnavailable | None
    ) -> None:
        save_contact_sheet(subset, out / "contact_sheet.png")
        for label in range(len(subset.class_names)):
            save_strip(subset, label, out / f"class_{label}.png")
        self.pipe.say(
            "subset",
            dataset=subset.recipe.dataset,
            title=subset.title,
            classes=list(subset.class_names),
            counts=list(subset.class_counts),
            val=len(subset.val),
            side=subset.image_shape[2],
            shown=SHOWN,
            family=subset.recipe.family,
            seed=subset.recipe.seed,
            unavailable=unavailable and told(unavailable),
            notes=[note.part for note in data.notes],
        )

    def watch(self) -> Watch:
        """Tells the pipe of trainings, and lets it stop them."""

        @contextmanager
        def training(who: Contestant, number: int, fresh: int, steps: int) -> Iterator[Show]:
            self.pipe.say("training", who=who.kind, number=number, steps=steps)
            told_step, told_curve = -1, ()

            def show(step: int, curve: Curve) -> None:
                nonlocal told_step, told_curve
                self.pipe.check()
                if (step, len(curve)) != (told_step, len(told_curve)):
                    points = [finite(point) for point in curve[len(told_curve) :]]
                    told_step, told_curve = step, curve
                    self.pipe.say("progress", who=who.kind, number=number, step=step, points=points)

            yield show
            last = ended(told_step, told_curve, steps)
            self.pipe.say("progress", who=who.kind, number=number, points=[], **last)

        return training

    def react(self, match: PlayPiped, result: MatchResult, line: str, out: Path) -> Path | None:
        """Her face at the end, as files; None where it is not to be shown."""
        if match.face is None:
            return None
        return match.face.react(result, line, out, Console(file=io.StringIO()))

    def content(self, prepared: Prepared, result: MatchResult) -> dict[str, Any]:
        """What the page shows of a result."""
        context, best = prepared.context, result.best
        assert result.seal is not None
        assert result.subset is not None
        vector = context.predictor.vector(context.features)
        turned = (
            swaps(context.predictor, context.space, vector, best.params, result.ohlora.params)
            if prepared.expects
            else ()
        )
        return {
            "winner": result.winner,
            "player": best.contestant,
            "title": result.dataset.title,
            "dataset": result.dataset.name,
            "family": result.subset.family,
            "seed": result.subset.seed,
            "protocol": prepared.match.protocol.fingerprint,
            "attempts": [
                {
                    **attempt.as_json(),
                    "expected": expectation(prepared.expected(attempt.params)),
                }
                for attempt in result.attempts
            ],
            "verdicts": [verdict.value for verdict in result.verdicts],
            "best": result.attempts.index(best),
            "swaps": [
                {
                    "name": swap.name,
                    "yours": swap.value,
                    "hers": swap.other,
                    "change": swap.change,
                    "matters": swap.matters,
                }
                for swap in turned
            ],
            "seal": {
                "sha256": result.seal.sha256,
                "salt": result.seal.salt,
                "text": json.dumps(result.ohlora.params, sort_keys=True),  # what was hashed behind the salt
            },
        }


def expectation(expected: Suggestion | None) -> dict[str, float] | None:
    return expected and {"f1": expected.predicted_f1, "sd": expected.predicted_sd}


def ended(step: int, curve: Curve, steps: int) -> dict[str, Any]:
    """How a training of at most `steps` ended that was seen last at `step`.

    Only a validation ends it early; what is seen between two of them is a training that was still on.
    """
    early = step < steps and bool(curve) and curve[-1]["step"] == step
    diverged = early and not math.isfinite(curve[-1]["val_loss"])
    return {"step": step if early else steps, "early": early, "diverged": diverged}


def finite(point: Mapping[str, float]) -> dict[str, float | None]:
    """A point of a curve as JSON can say it: a loss that is no number is null."""
    return {name: value if abs(value) < float("inf") else None for name, value in point.items()}


def save_strip(subset: Subset, label: int, path: Path) -> None:
    """The first images of a class side by side, in their own size."""
    rows = (subset.train.labels == label).nonzero().flatten().tolist()[:SHOWN]
    _, height, width = subset.image_shape
    strip = Image.new("RGB", (SHOWN * width, height))
    for column, row in enumerate(rows):
        strip.paste(to_picture(subset.train.images[row]).convert("RGB"), (column * width, 0))
    strip.crop((0, 0, len(rows) * width, height)).save(path)
