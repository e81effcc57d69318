"""The answerer that is always there: her written lines, found by the small encoder, and slots from memory.

It writes nothing new. It says so when asked for more than it has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
import yaml

from ohlora.chat.answerer import Answer, Context, Pieces, words
from ohlora.chat.checks import voice_faults
from ohlora.chat.fact import Fact, Language
from ohlora.chat.remembering import to_remember
from ohlora.chat.retrieval import Small
from ohlora.chat.rules import about_her, about_user, is_order, is_question, names_user, normal, topic_of
from ohlora.chat.text_files import Row, of_split, rows
from ohlora.config import Share, config

LANGUAGES: tuple[Language, ...] = ("ko", "en")
# Of the rows that answer a topic.
KINDS = {"crisis": "crisis", "sexual": "refusal", "harm": "refusal", "order": "refusal", "ai": "ai"}
NEAR = 3  # of the rows that fit best, one that was not said lately
KNOWING = re.compile(r"\b(know|remember|recall|guess)\b|기억|알아|알지|맞혀|맞춰")  # "do you know my ..."
ALIKE = 0.04  # similarity that they may be below the best


@dataclass(frozen=True)
class Lines:
    """Her replies of one language with the vectors of the lines they answer."""

    rows: tuple[Row, ...]
    vectors: np.ndarray

    def best(self, query: np.ndarray, wanted: Callable[[Row], bool]) -> list[tuple[Row, float]]:
        scores = self.vectors @ query
        order = np.argsort(-scores, kind="stable")
        return [(self.rows[at], float(scores[at])) for at in order if wanted(self.rows[at])]


@config
class EmbeddedAnswerer:
    """Replies with a written line whose question is like the user's, or with what memory says."""

    lines: Small  # whose encoder finds her written lines; the similarities below are by it, no other has them
    threshold: Share  # similarity from which a written line answers the user's
    herself: Share  # from which a line is one of the questions about her
    herself_named: Share  # the same where it has the words of the fact that is asked for

    def check(self) -> None:
        _ = self.lines.encoder.name

    def hello(self, language: Language) -> str:
        """Who answers, for the first line of a conversation."""
        return templates()["hello"][language][0]

    def answer(self, context: Context) -> Pieces:
        reply = self.reply(context)
        yield from words(reply)
        remember = () if context.topic else to_remember(context.user, context.language)
        return Answer(reply, remember)

    def reply(self, context: Context) -> str:
        language = context.language
        if context.topic == "record":
            return context.tally.sentence(language)
        if context.topic:
            return self.of_topic(context, KINDS[context.topic])
        asked = is_question(context.user, language)
        own, hers = about_user(context.user, language), about_her(context.user, language)
        facts = [fact for fact in map(without_order, context.memory) if fact]
        if context.memory and not facts and asked and own:
            return self.template("order_in_memory", context)
        if facts and asked and (own or not hers):
            return self.template("memory_asked", context, facts)
        told = to_remember(context.user, language)
        if told:
            return self.template("told", context, value=told[0].value)
        knowing = names_user(context.user, language) and KNOWING.search(normal(context.user))
        of_user = own and bool(not hers or knowing)
        if line := self.of_herself(context, of_user):
            return line
        if asked and of_user:
            return self.template("missing", context)
        if facts and not (asked and hers and not own):
            return self.template("memory_offered", context, facts)
        return self.written_line(context) or self.template("small", context)

    def of_topic(self, context: Context, kind: str) -> str:
        """The reply of a row of this kind, a refusal of this topic, whose line is most like the user's."""

        def wanted(row: Row) -> bool:
            return row["kind"] == kind and (kind != "refusal" or topic_of(row["user"]) == context.topic)

        found = self._lines[context.language].best(self._query(context), wanted)
        return self.fresh([row for row, _ in found[:NEAR]], context)["reply"]

    def of_herself(self, context: Context, own: bool) -> str | None:
        """The reply of the fact about her that a line asks for; None where it asks for none.

        Of the facts whose words it has, that with the longest; then the one whose question is most like it.
        `own`: the line is about the user, so that only facts of both of them are meant.
        """
        known = self._herself[context.language]
        found = known.best(self._query(context), lambda row: row["of_both"] or not own)
        plain = normal(context.user)
        named = [(length, score, row) for row, score in found if (length := longest(row["words"], plain))]
        if named:
            _, score, row = max(named, key=lambda one: one[:2])
            if score >= self.herself_named:
                return row["reply"]
        row, score = found[0]
        return row["reply"] if score >= self.herself and not own else None

    def written_line(self, context: Context) -> str | None:
        """A reply that answers a line like the user's; None where none is near."""
        found = self._lines[context.language].best(
            self._query(context), lambda row: row["kind"] not in ("crisis", "refusal")
        )
        near = [row for row, score in found[:NEAR] if score >= max(self.threshold, found[0][1] - ALIKE)]
        return self.fresh(near, context)["reply"] if near else None

    def fresh(self, rows: Sequence[Row], context: Context) -> Row:
        """The first row whose reply was not said in the last turns."""
        said = {reply for _, reply in context.history}
        return next((row for row in rows if row["reply"] not in said), rows[0])

    def template(self, name: str, context: Context, facts: Sequence[Fact] = (), value: str = "") -> str:
        """A written sentence with slots, another for another line; the first that may be shown."""
        choices = templates()[name][context.language]
        start = int.from_bytes(hashlib.sha256(context.user.encode()).digest()[:4], "big")
        said = {reply for _, reply in context.history}
        value = value or (facts[0].value if facts else "")
        turned = choices[start % len(choices) :] + choices[: start % len(choices)]
        filled = [line.replace("{value}", value) for line in turned]
        good = [line for line in filled if not voice_faults(line, context.language)]
        return next((line for line in good if line not in said), (good or filled)[0])

    def _query(self, context: Context) -> np.ndarray:
        return self.lines.encoder.encode([context.user], query=True)[0]

    @cached_property
    def _lines(self) -> dict[Language, Lines]:
        return {language: self.answering(answered_lines(language)) for language in LANGUAGES}

    @cached_property
    def _herself(self) -> dict[Language, Lines]:
        return {language: self.answering(asked_of_her(language)) for language in LANGUAGES}

    def answering(self, rows: Sequence[Row]) -> Lines:
        return Lines(tuple(rows), self.lines.encoder.encode([row["user"] for row in rows], query=True))


def longest(pattern: str, text: str) -> int:
    """Letters of the longest match of a pattern in a text, 0 where there is none."""
    return max((len(match[0]) for match in re.finditer(pattern, text)), default=0)


def answered_lines(language: Language) -> list[Row]:
    """The dialogue rows whose replies may be said again."""
    return [row for row in of_split("dialogues", "train") if usable(row, language)]


def asked_of_her(language: Language) -> list[Row]:
    """Every wording in which a fact about her is asked for, with the answer."""
    known = [row for row in rows("persona_answers") if row["language"] == language]
    return [{**row, "user": wording} for row in known for wording in row["asked"]]


def without_order(fact: Fact) -> Fact | None:
    """A fact without what its value orders: its first sentence, where that is none; else None."""
    if not is_order(f"{fact.key}: {fact.value}"):
        return fact
    first = re.split(r"[.!?]\s", fact.value)[0]
    fine = first != fact.value and not is_order(f"{fact.key}: {first}")
    return replace(fact, value=first) if fine else None


def usable(row: Row, language: str) -> bool:
    """Whether a row's reply stands for itself: it needs neither memory nor what was said before."""
    alone = not (row["memory"] or row["history"] or row["write"])
    return row["language"] == language and alone and row["kind"] not in ("memory_missing", "memory_asked")


@cache
def templates() -> dict[str, dict[str, list[str]]]:
    text = files("ohlora.chat").joinpath("templates.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
