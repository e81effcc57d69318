"""The answerer with a language model: any causal model of transformers, with or without a LoRA adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Le

from ohlora.chat.answerer import Answer, Answerer, Context, Pieces, whole, words
from ohlora.chat.checks import faults
from ohlora.chat.fact import Language
from ohlora.chat.forgetting import wants_forgotten
from ohlora.chat.prompt import chat_prompt, read_completion
from ohlora.chat.remembering import to_remember
from ohlora.chat.rules import about_her, about_user, is_order, is_question, topic_of
from ohlora.config import Count, Index, Name, Positive, config, deferred, having
from ohlora.hardware import Device
from ohlora.narrator.facts import Persona

UNSAID = ("crisis", "sexual", "harm")  # topics that no reply of a model has


@config
class CausalAnswerer:
    """Replies that a model writes, each checked before it is shown; else the embedded answerer's.

    A reply is shown word by word once it has passed the checks: what is wrong with it may be its end. Until
    then a piece comes empty for each token, so that whoever listens can stop it.
    """

    instead: ClassVar[str] = "answerer=embedded"  # where a model cannot be fetched
    model: Name  # a folder, a name on the Hub, or gemma3-270m
    adapter: Name | None  # a folder or name of a PEFT adapter for it
    persona: Persona  # system prompt, by language
    fallback: Annotated[Any, having("answer")]
    draws: Count  # replies drawn one after another until one passes
    temperature: Positive
    top_p: Annotated[float, Gt(0), Le(1)]
    max_tokens: Count
    device: Device
    seed: Index | None

    load = deferred("ohlora.narrator.generation", "load_narrator")
    stream = deferred("ohlora.narrator.streaming", "stream_line")
    write_each = deferred("ohlora.narrator.generation", "write_each")
    # How likely a completion is: (nats, tokens).
    nats = deferred("ohlora.narrator.generation", "nats_of")
    check_model = deferred("ohlora.narrator.model_folder", "check_narrator")

    def check(self) -> None:
        """Raise OhloraError where model or adapter is missing or damaged."""
        self.check_model()
        self.fallback.check()

    def hello(self, language: Language) -> str:
        who = f"{self.model}{' + LoRA' if self.adapter else ', not tuned to her voice'}"
        return {
            "ko": f"Oh-LoRA: 안녕! 작은 언어 모델({who})이 쓰는 말이라 엉뚱할 때가 있어. /help",
            "en": f"Oh-LoRA: Hi! A language model writes my replies ({who}), some miss the point. /help",
        }[language]

    def prepare(self) -> None:
        """Read the model before the first line comes, so that nobody waits for it then."""
        _ = self.loaded

    def answer(self, context: Context) -> Pieces:
        drawn = (self.write(context, number) for number in range(self.draws))
        return (yield from first_good(context, drawn, self.fallback))

    def write(self, context: Context, number: int) -> Iterator[str]:
        """What the model writes, piece by piece, unchecked."""
        turn = len(context.history)
        return self.stream(chat_prompt(context), context.language, ((self.seed or 0), number, turn))

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model, read when the first reply is wanted."""
        return self.load()


def trusted(context: Context) -> bool:
    """Whether a small model may answer: no topic, no fact about herself, no order in memory, no forgetting.

    Read with the adapter that ships, its replies to those invented a life, or did what they were told.
    """
    asked = is_question(context.user, context.language)
    own, hers = about_user(context.user, context.language), about_her(context.user, context.language)
    orders = any(is_order(f"{fact.key}: {fact.value}") for fact in context.memory)
    forgets = wants_forgotten(context.user, context.language)
    return context.topic is None and not (asked and hers and not own) and not orders and not forgets


def first_good(context: Context, drawn: Iterable[Iterable[str]], fallback: Answerer) -> Pieces:
    """The first text that passes the checks; the fallback's line where none does, or no model is trusted.

    `drawn` has texts as pieces.
    """
    refused: list[str] = []
    for written in drawn if trusted(context) else ():
        text = ""
        for piece in written:
            text += piece
            yield ""
        reply, remember = read_completion(text)
        if not faults(reply, context) and topic_of(reply) not in UNSAID:
            yield from words(reply)
            remember = remember or to_remember(context.user, context.language)
            return Answer(reply, remember, tuple(refused), written=False)
        refused.append(reply)
    line = whole(fallback.answer(context))
    yield from words(line.reply)
    return replace(line, refused=tuple(refused))
