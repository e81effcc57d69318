"""Rows found by whole words, before any vector is asked: openers, explanations, facts about her."""

from __future__ import annotations

import re
from functools import cache

from ohlora.chat.fact import HANGUL, Language
from ohlora.chat.others import groups
from ohlora.chat.rules import asks, normal
from ohlora.chat.text_files import Row, rows

# What `words` may have in angle brackets.
PARTS: dict[Language, dict[str, str]] = {
    "ko": {
        "start": r"^[\W_]*",
        "end": r"[\W_ㅋㅎㅠㅜ]*$",
        "asked": (
            r"(?:이란|란|이|가|은|는|을|를)? ?(?:좀 |대체 |도대체 )?"
            r"(?:뭐|뭔|무엇|무슨 (?:뜻|말|역할)|설명|어떤 (?:거|뜻)|왜 (?:써|쓰|필요|하는))"
            r"(?! ?(?:써|쓸|쓰지|쓰니|쓸까|좋|골라|고르|추천|해야|가 (?:제일|좋)))"
        ),
    },
    "en": {
        "start": r"^[\W_]*",
        "end": r"[\W_]*$",
        "what": (
            r"(?:what(?:'s| is| are| does| do)?|whats|define|explain|describe|meaning of"
            r"|(?:purpose|point) of|tell me what)(?: (?:an?|the|by|is|are|actually|exactly))*"
        ),
        "is": r"(?:is|are|would|was)",
    },
}
# A favourite thing is somebody's: no explanation is asked for.
FAVOURITE = re.compile(r"favou?rite|you (?:like|love|prefer)\b|your (?:opinion|heart)|좋아하|최애|아끼")


@cache
def pattern(words: str, language: Language) -> re.Pattern[str]:
    """The words of a row with their parts filled in, as whole words: "eat" is not found in "cheat".

    A Korean word may have a pronoun before it without a space, and endings after it, limited by its row.
    """
    filled = re.sub(r"<([a-z]+)>", lambda name: part(name[1], language), words)
    if language == "ko":
        return re.compile(rf"(?<![가-힣])(?:(?:네|니|너|내|나|우리)(?=\S))?(?:{filled})")
    return re.compile(rf"(?<!\w)(?:{filled})(?!\w)")


def part(name: str, language: Language) -> str:
    if name != "loved":
        return PARTS[language][name]
    loved = {word for group in groups().values() for word in group}
    mine = sorted((word for word in loved if bool(HANGUL.match(word)) == (language == "ko")), key=len)
    return f"(?:{'|'.join(reversed(mine))})"


def longest(words: str, line: str, language: Language) -> int:
    """Letters of the longest match of a row's words in a line, 0 where there is none."""
    return max((len(match[0]) for match in pattern(words, language).finditer(normal(line))), default=0)


def opener(line: str, language: Language) -> Row | None:
    """The greeting, thanks, grief, success, ... that a line is."""
    return best("openers", line, language)


def explanation(line: str, language: Language) -> Row | None:
    """What a line asks of the game and its hyperparameters."""
    wanted = asks(line, language) and not FAVOURITE.search(normal(line))
    return best("explanations", line, language) if wanted else None


def best(name: str, line: str, language: Language) -> Row | None:
    """The row of a file whose words match the most of a line; None where none do."""
    known = [
        (longest(row["words"], line, language), row) for row in rows(name) if row["language"] == language
    ]
    length, row = max(known, key=lambda one: one[0])
    return row if length else None
