"""Is a reply fit to be shown? Her voice, and nothing that memory or the record of battles denies."""

from __future__ import annotations

import re
import unicodedata

from ohlora.chat.answerer import Context
from ohlora.chat.fact import Fact, language_of
from ohlora.chat.rules import about_user, is_question, normal
from ohlora.narrator.voice import MARKUP, POLITE

LONGEST = 240  # characters of a reply
HUMAN = re.compile(
    r"(나|난|나는|내가) ?(진짜 |정말 |평범한 |살아 ?있는 )?(사람|인간)(이야|이지|이거든|맞아|이라고"
    r"|이니까|입니다)"
    r"|\b(i'm|i am|yes,? i'm) (an? |really |actually |just |a real )*(human|real person|person"
    r"|real girl|living)\b"
)
UNKNOWN = re.compile(
    r"모르겠|몰라|모르는|안 (적|알려|말해|들)|못 들|빈칸|들은 적|기억(이)? (안|없)|처음 듣"
    r"|don'?t (know|remember|recall|have)|never told|haven'?t (told|said|mentioned)|no (idea|note"
    r"|record)|not sure|forgot"
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# Of ambulances, the police and lines for people in need: only a written line names any.
EMERGENCY = {"109", "110", "112", "119", "911", "988", "999", "1342"}


def faults(reply: str, context: Context) -> list[str]:
    """Every reason not to show a reply; empty when there is none."""
    found = voice_faults(reply, context.language)
    plain = normal(reply)
    if HUMAN.search(plain):
        found.append("claims to be human")
    return [*found, *memory_faults(plain, context)]


def voice_faults(reply: str, language: str) -> list[str]:
    """What is not hers: length, control characters, markup, polite endings, another language."""
    found = []
    if not 1 <= len(reply.strip()) <= LONGEST:
        found.append(f"{len(reply)} characters, not 1 to {LONGEST}")
    if any(unicodedata.category(char) in ("Cc", "Co", "Cn", "Cs", "Zl", "Zp") for char in reply):
        found.append("a control character or a line break")
    if any(unicodedata.category(char) == "Cf" and char != "\u200d" for char in reply):
        found.append("an invisible character")
    if MARKUP.search(reply):
        found.append("markup or an address")
    if language == "ko" and (polite := next((m[1] for m in POLITE.finditer(reply) if m[1]), None)):
        found.append(f"a polite ending: {polite}")
    if re.search(r"[A-Za-z가-힣]", reply) and language_of(reply) != language:
        found.append("another language than the user's")
    return found


def memory_faults(plain: str, context: Context) -> list[str]:
    """What memory denies: a number nobody said, or not knowing what is written, or another answer."""
    found = []
    known = normal(
        " ".join(
            [context.user, *(text for turn in context.history for text in turn)]
            + [fact.value for fact in context.memory]
            + [context.tally.value("ko")]
        )
    )
    strangers = set(NUMBER.findall(plain)) - set(NUMBER.findall(known))
    if calls := sorted(strangers & EMERGENCY):
        found.append(f"an emergency number: {' '.join(calls)}")
    elif strangers and (context.memory or context.topic == "record"):
        found.append(f"a number that nobody said: {' '.join(sorted(strangers))}")
    asked = is_question(context.user, context.language) and about_user(context.user, context.language)
    if asked and context.memory and context.topic is None:
        fact = context.memory[0]
        if UNKNOWN.search(plain) and not says(plain, fact):
            found.append(f"does not know {fact.key}, which is written")
        elif not any(says(plain, one) for one in context.memory):
            found.append(f"does not say {fact.key}")
    return found


def says(plain: str, fact: Fact) -> bool:
    """Whether a reply has a word of a fact's value, or the first two letters of a Korean one."""
    value = normal(fact.value)
    stems = [word[: max(2, len(word) - 1)] if re.search("[가-힣]", word) else word for word in words(value)]
    return any(stem in plain for stem in stems or [value])


def words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", text) if len(word) > 1 or word.isdigit()]
