"""Authored lines, chosen by the verdict: who speaks until a language model is trained, and after it fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ohlora.battle.narration import Told
from ohlora.battle.result import MatchResult
from ohlora.battle.verdict import Verdict
from ohlora.config import Index, config
from ohlora.narrator.facts import Facts, Language
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.truth import contradictions
from ohlora.narrator.voice import faults


@cache
def read_lines() -> dict[str, Any]:
    """The packaged lines.yaml."""
    return yaml.safe_load(files("ohlora.narrator").joinpath("lines.yaml").read_text(encoding="utf-8"))


def all_lines(*languages: str) -> list[str]:
    """Every line of lines.yaml in some languages, of whatever match."""
    groups = (read_lines()[where] for where in ("one", "two", "machine"))
    return [
        line
        for group in groups
        for entry in group.values()
        for language in languages
        for line in entry[language]
    ]


def group_of(verdicts: Sequence[Verdict]) -> str:
    """The name in lines.yaml of the group written for one verdict or a pair of them."""
    if len(verdicts) == 1:
        return verdicts[0].value
    first, second = verdicts
    for name, group in read_lines()["two"].items():
        for firsts, seconds in group["pairs"]:
            if stands_for(firsts, first) and stands_for(seconds, second):
                return name
    raise LookupError(f"no lines for {first.value}, then {second.value}")


def stands_for(words: Sequence[str], verdict: Verdict) -> bool:
    return verdict.value in words or verdict.outcome in words


def lines_for(facts: Facts, language: str) -> list[str]:
    """The lines written for this match, placeholders still in them."""
    lines = read_lines()
    if not facts.human:
        return lines["machine"][group_of(facts.verdicts)][language]
    return lines["one" if len(facts.verdicts) == 1 else "two"][group_of(facts.verdicts)][language]


@config
class TemplateNarrator:
    """Says one authored line that is true of the match: the same one for the same match and seed."""

    language: Language
    seed: Index | None

    def check(self) -> None:
        """Nothing to find or load: the lines travel with the package."""

    def tell(self, match: MatchResult) -> Told:
        """A line on `match`."""
        said = list(self.sayable(match))
        content = match.as_json()
        played = {name: content[name] for name in ("dataset", "subset", "attempts")}
        text = json.dumps([self.seed, self.language, played], sort_keys=True, default=str)
        line = said[int(hashlib.sha256(text.encode()).hexdigest(), 16) % len(said)]
        return Told(line, refused=(), written=True)

    def sayable(self, match: MatchResult) -> Iterator[str]:
        """Every line written for `match` that can be filled and is then true and in her voice once filled.

        A name from outside can make a line too long or false ("Oh-LoRA lost" is a legal folder name), so
        filled lines are asked again. Each group has lines without names, so some are always left.
        """
        match = replace(match, language=self.language)
        facts = Facts.read(match)
        values = slots_of(facts)
        for template in lines_for(facts, self.language):
            line = fill(template, values)
            if line and not faults(line, self.language) and not contradictions(line, match):
                yield line
