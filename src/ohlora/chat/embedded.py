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
from ohlora.chat.forgetting import to_forget, wants_forgotten
from ohlora.chat.others import others
from ohlora.chat.remembering import to_remember
from ohlora.chat.retrieval import Small, named_facts
from ohlora.chat.rules import (
    about_her,
    about_user,
    asks,
    asks_memory,
    deliberates,
    is_order,
    is_question,
    may_mean_her,
    names_user,
    normal,
    topic_of,
    wants_advice,
)
from ohlora.chat.text_files import Row, of_split, rows
from ohlora.chat.written import explanation, longest, opener
from ohlora.config import Share, config

LANGUAGES: tuple[Language, ...] = ("ko", "en")
# Of the rows that answer a topic.
KINDS = {"crisis": "crisis", "sexual": "refusal", "harm": "refusal", "order": "refusal", "ai": "ai"}
NEAR = 3  # of the rows that fit best, one that was not said lately
# "do you know my ...", "what did I tell you of my ..."
KNOWING = re.compile(r"\b(know|remember|recall|guess|tell you|told you)\b|기억|알아|알지|맞혀|맞춰|말했")
ALIKE = 0.04  # similarity that they may be below the best
CAREFUL = 3  # turns after a crisis without jokes


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
        if wants_forgotten(context.user, language):
            return self.forgetting(context)
        told = to_remember(context.user, language)
        if not told and (line := self.found_by_words(context)):
            return line
        if line := self.from_memory(context):
            return line
        if told:
            return self.template("told", context, value=", ".join(one.value for one in told))
        return self.otherwise(context)

    def forgetting(self, context: Context) -> str:
        """How to have her forget what the line names; by itself it deletes nothing."""
        keys = to_forget(context.user, context.memory)
        value = ", /forget ".join(keys)
        return self.template("forgetting" if keys else "forgetting_unknown", context, value=value)

    def found_by_words(self, context: Context) -> str | None:
        """A greeting, a word of comfort, ... or an explanation of the game, by the words of the line."""
        if row := opener(context.user, context.language):
            calm = [row["calm"]] if careful(context) else row["replies"]
            return self.fresh(turned(calm, context.user), context)
        if row := explanation(context.user, context.language):
            return self.fresh(row["replies"], context)
        return None

    def from_memory(self, context: Context) -> str | None:
        """The fact that a question asks for; None where it asks for none, or none is kept."""
        asked = is_question(context.user, context.language)
        own, hers = about_user(context.user, context.language), about_her(context.user, context.language)
        facts = without_orders(context.memory)
        if context.memory and not facts and asked and own:
            return self.template("order_in_memory", context)
        meant = own or (not hers and named_facts(context.user, facts))
        if facts and asked and meant and not wants_advice(context.user, context.language):
            return self.template("memory_asked", context, facts)
        return None

    def otherwise(self, context: Context) -> str:
        """What she says of herself, that she was never told, or the written line that is nearest."""
        language = context.language
        asked, whom = is_question(context.user, language), others(context.user)
        own, hers = about_user(context.user, language), about_her(context.user, language)
        knowing = names_user(context.user, language) and KNOWING.search(normal(context.user))
        of_user = own and bool(not hers or knowing)
        if not whom and (line := self.of_herself(context, of_user)):
            return line
        if asked and (whom or (of_user and asks_memory(context.user, language))):
            return self.template("missing", context)
        if asked and not own and (line := self.written_line(context)):
            return line
        facts = without_orders(context.memory)
        if facts and not (asked and hers and not own):
            return self.template("memory_offered", context, facts)
        small = "small_calm" if careful(context) else "small"
        return self.written_line(context) or self.template(small, context)

    def of_topic(self, context: Context, kind: str) -> str:
        """The reply of a row of this kind, a refusal of this topic, whose line is most like the user's."""

        def wanted(row: Row) -> bool:
            return row["kind"] == kind and (kind != "refusal" or topic_of(row["user"]) == context.topic)

        found = self._lines[context.language].best(self._query(context), wanted)
        return self.fresh([row["reply"] for row, _ in found[:NEAR]], context)

    def of_herself(self, context: Context, own: bool) -> str | None:
        """The reply of the fact about her that a line asks for; None where it asks for none.

        Of the facts whose words it has, that with the longest; then the one whose question is most like it.
        `own`: the line is about the user, so that only facts of both of them are meant.
        """
        line, language = context.user, context.language
        if not asks(line, language) or deliberates(line, language):
            return None
        known = self._herself[language]
        found = known.best(self._query(context), lambda row: row["of_both"] or not own)
        meant = [one for one in found if one[0]["of_both"] or may_mean_her(line, language)]
        named = [
            (length, score, row) for row, score in meant if (length := longest(row["words"], line, language))
        ]
        if named:
            _, score, row = max(named, key=lambda one: one[:2])
            if score >= self.herself_named:
                return row["reply"]
        row, score = found[0]
        return row["reply"] if score >= self.herself and not own else None

    def written_line(self, context: Context) -> str | None:
        """A reply that answers a line like the user's; None where none is near."""

        def wanted(row: Row) -> bool:
            return row["kind"] == "feelings" if careful(context) else row["kind"] not in ("crisis", "refusal")

        found = self._lines[context.language].best(self._query(context), wanted)
        near = [row for row, score in found[:NEAR] if score >= max(self.threshold, found[0][1] - ALIKE)]
        return self.fresh([row["reply"] for row in near], context) if near else None

    def fresh(self, replies: Sequence[str], context: Context) -> str:
        """The first reply that was not said in the last turns."""
        said = {reply for _, reply in context.history}
        return next((reply for reply in replies if reply not in said), replies[0])

    def template(self, name: str, context: Context, facts: Sequence[Fact] = (), value: str = "") -> str:
        """A written sentence with slots, another for another line; the first that may be shown."""
        value = value or (facts[0].value if facts else "")
        choices = turned(templates()[name][context.language], context.user)
        filled = [line.replace("{value}", value) for line in choices]
        good = [line for line in filled if not voice_faults(line, context.language)]
        return self.fresh(good or filled, context)

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


def careful(context: Context) -> bool:
    """Whether a cry for help lies only a few turns back."""
    return any(topic_of(user) == "crisis" for user, _ in context.history[-CAREFUL:])


def turned(choices: Sequence[str], line: str) -> list[str]:
    """Choices from another one on for another line."""
    start = int.from_bytes(hashlib.sha256(line.encode()).digest()[:4], "big") % len(choices)
    return [*choices[start:], *choices[:start]]


def answered_lines(language: Language) -> list[Row]:
    """The dialogue rows whose replies may be said again."""
    return [row for row in of_split("dialogues", "train") if usable(row, language)]


def asked_of_her(language: Language) -> list[Row]:
    """Every wording in which a fact about her is asked for, with the answer."""
    known = [row for row in rows("persona_answers") if row["language"] == language]
    return [{**row, "user": wording} for row in known for wording in row["asked"]]


def without_orders(facts: Sequence[Fact]) -> list[Fact]:
    """Facts without what their values order, those that are nothing else left out."""
    return [kept for kept in map(without_order, facts) if kept]


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
