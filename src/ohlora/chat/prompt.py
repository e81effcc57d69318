"""The one prompt of training and use: what a model reads before it answers, and how its answer is read.

What comes from the user or from memory is data: one line each, brackets and angle brackets replaced, so that
none of it can close a memory line, begin another turn, or spell a special token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ohlora.chat.answerer import Context
from ohlora.chat.fact import Language, plain, plain_key
from ohlora.chat.remembering import ToRemember
from ohlora.chat.rules import is_order

USER_LENGTH = 400  # characters of a line that a model reads
TURNS = 3  # of the conversation before it
FACTS = 3
LONGEST_DAYS = 3660
WORDS: dict[Language, dict[str, str]] = {
    "ko": {"memory": "기억", "none": "없음", "user": "사용자", "her": "오로라"},
    "en": {"memory": "Memory", "none": "none", "user": "User", "her": "Oh-LoRA"},
}
NOTE = re.compile(r"\[\+ ([^\[\]:;]{1,60}): ([^\[\];]{1,200}?)(?:; (\d{1,4}))?\]")


def chat_prompt(context: Context) -> str:
    """Memory lines, the last turns and the user's line."""
    words = WORDS[context.language]
    lines = [fact.line for fact in context.memory[:FACTS]]
    turns = [
        f"{words[who]}: {plain(text, USER_LENGTH)}"
        for turn in context.history[-TURNS:]
        for who, text in zip(("user", "her"), turn, strict=True)
    ]
    user = f"{words['user']}: {plain(context.user, USER_LENGTH)}"
    return "\n".join([f"{words['memory']}: {' '.join(lines) or words['none']}", *turns, user])


def completion(reply: str, remember: Sequence[ToRemember]) -> str:
    """An answer as a model is to write it: the reply, then a line for each fact to remember."""
    return "\n".join([reply, *map(note, remember)])


def note(one: ToRemember) -> str:
    days = "" if one.days is None else f"; {one.days}"
    return f"[+ {one.key}: {one.value}{days}]"


def read_completion(text: str) -> tuple[str, tuple[ToRemember, ...]]:
    """Reply and facts of what a model wrote; notes out of the format, and orders, are dropped."""
    reply, *lines = text.strip().split("\n")
    found = []
    for line in lines:
        match = NOTE.fullmatch(line.strip())
        if not match:
            continue
        key, value = plain_key(match[1]), plain(match[2], 200)
        days = int(match[3]) if match[3] else None
        sensible = days is None or 0 < days <= LONGEST_DAYS
        if key and value and sensible and not is_order(f"{key.replace('_', ' ')}: {value}"):
            found.append(ToRemember(key, value, days))
    return reply.strip(), tuple(found[:3])
