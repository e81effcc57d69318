"""One conversation: a line in, a checked reply, what is remembered and her mood out; all kept in one step."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ohlora.chat.answerer import Answer, Answerer, Context
from ohlora.chat.battles import KEY, Tally, sync
from ohlora.chat.fact import Fact, Language, language_of, make_fact, plain
from ohlora.chat.mood import Mood, MoodClassifier
from ohlora.chat.remembering import SEVERAL, ToRemember
from ohlora.chat.retrieval import Retriever, relevant
from ohlora.chat.rules import Topic, topic_of
from ohlora.chat.store import MemoryStore, Turn
from ohlora.errors import OhloraError

LONGEST_LINE = 2000  # characters of the user's
FACTS = 3  # that an answerer is handed
TURNS = 4
CALM = Mood("neutral", 0.0)  # in a crisis, whatever the classifier hears in the reply


@dataclass(frozen=True)
class Said:
    """A turn that is kept: what the line was about, what she replied, her mood, what she remembered."""

    user: str  # the line as it was read and kept
    topic: Topic | None
    answer: Answer
    mood: Mood
    remembered: tuple[Fact, ...]
    recalled: tuple[Fact, ...]


class Conversation:
    """Her memory, whoever answers, and who reads her mood."""

    def __init__(
        self,
        store: MemoryStore,
        retriever: Retriever,
        answerer: Answerer,
        moods: MoodClassifier,
        battles_dir: Path | None,
        language: Language,
    ) -> None:
        self.store, self.retriever, self.answerer, self.moods = store, retriever, answerer, moods
        self.battles_dir = battles_dir
        self.language: Language = language
        store.drop_expired()

    def say(self, line: str, token: str | None = None) -> Generator[str, None, Said]:
        """Pieces of her reply; returns the turn, which is on disk by then. `token` names it: kept once.

        Raises OhloraError for a line that is empty or too long.
        """
        user = checked_line(line)
        context = self.context(user)
        answer = yield from self.answerer.answer(context)
        now = datetime.now(UTC)
        known = {fact.key: fact.value for fact in self.store.facts()} if answer.remember else {}
        facts = tuple(filter(None, (fact_from(one, user, now, known) for one in answer.remember)))
        mood = CALM if context.topic == "crisis" else self.moods.mood(answer.reply)
        turn = Turn(token or uuid.uuid4().hex, now, user, answer.reply, mood.name, mood.intensity)
        self.store.add_turn(turn, facts, **(self.retriever.writing() if facts else {}))
        self.language = context.language
        return Said(user, context.topic, answer, mood, facts, context.memory)

    def context(self, user: str) -> Context:
        language = language_of(user, self.language)
        topic = topic_of(user)
        tally = self.tally()
        facts: tuple[Fact, ...] = ()
        if topic == "record":
            facts = (tally.fact(language),)
        elif topic is None:
            facts = tuple(one.fact for one in relevant(self.retriever, user, self.store, FACTS))
        history = tuple((turn.user, turn.reply) for turn in self.store.turns(last=TURNS))
        return Context(user, language, facts, history, tally, topic)

    def tally(self) -> Tally:
        """The battles so far, those played since the last look among them."""
        if self.battles_dir is None:
            return Tally.of(self.store.battles())
        return sync(self.store, self.battles_dir)


def checked_line(line: str) -> str:
    """The user's line without what a terminal or a prompt would take for something else."""
    if len(line) > LONGEST_LINE:
        raise OhloraError(
            f"{len(line):,} characters are more than {LONGEST_LINE:,}: say it in parts",
            ("line_too_long", {"n": len(line), "most": LONGEST_LINE}),
        )
    user = plain(line, LONGEST_LINE)
    if not user:
        raise OhloraError("nothing in that line can be read", ("line_unreadable", {}))
    return user


def fact_from(one: ToRemember, user: str, now: datetime, known: Mapping[str, str]) -> Fact | None:
    """The fact to write, given the values `known` by their keys."""
    if one.key == KEY:  # counted, not told
        return None
    ends = None if one.days is None else now + timedelta(days=one.days)
    value = added(known[one.key], one.value) if one.key in SEVERAL and one.key in known else one.value
    return make_fact(one.key, value, user, now, ends)


def added(known: str, value: str) -> str:
    """Things told before and another, each once."""
    before = [thing for thing in known.split(", ") if thing.lower() != value.lower()]
    return ", ".join([*before, value])
