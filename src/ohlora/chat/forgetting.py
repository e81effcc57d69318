"""A wish that she forget something: said in a sentence it deletes nothing, so she says which command does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ohlora.chat.fact import Fact, Language
from ohlora.chat.others import names, others
from ohlora.chat.retrieval import named_facts
from ohlora.chat.rules import normal

ALL = "all"
# An order to her: "I forget", "did you forget", "don't forget" are none.
WISH = {
    "en": re.compile(
        r"^\W*(?:(?:please|pls|kindly|can you|could you|would you|will you|i (?:want|need) you to"
        r"|i'd like you to|you can|you should|now|ok(?:ay)?|hey|oh-?lora|just|also|then|and)[,\s]+)*"
        r"(?P<verb>forget|delete|erase|remove|wipe|clear)\b(?P<what>.+)$"
    ),
    "ko": re.compile(
        r"^(?!.*(?:어떻게|방법|왜 ))(?P<what>.+?)(?P<verb>잊어|까먹어|지워|삭제해|없애)(?: ?버려)? ?"
        r"(?:줘|줄래|주라|주세요|줄 수 있(?:어|니|나요)|달라고"
        r"|(?<=버려)|(?<=버려 )|(?<=지워)|(?<=지워 )|(?<=삭제해)|(?<=삭제해 ))(?:요)?\W*$"
    ),
}
HABIT = re.compile(
    r"^(?:나|난|나는|내가|저는|제가) |자꾸|맨날|항상|자주|가끔|(?<![가-힣])또 "
)  # "I keep forgetting"
# What may be deleted that is not hers needs a word for her memory beside it: "delete my photos".
MEMORY = re.compile(
    r"\bmemor(?:y|ies)\b|\bnotes?\b|\b(?:you|i) (?:know|remember|have|noted|told|said)\b"
    r"|\babout (?:me|my|us)\b|기억|메모|적어|아는|알고|말한"
    r"|(?:나|내|우리|저|제).{0,8}(?:에 대해|에 대한|에 관한)"
)
THING_OF_USER = re.compile(r"\b(?:my|our|me|mine)\b|(?<![가-힣])(?:내|제|나|날|나의|우리|나를)(?![가-힣])")
TOLD = re.compile(r"\b(?:name|birthday)\b|이름|생일")
EVERYTHING = re.compile(
    r"\b(?:everything|all|anything|whatever)\b|(?<![가-힣])(?:다|전부|모두|싹|모든|몽땅)(?![가-힣])"
)
ABOUT_USER = re.compile(
    r"\babout (?:me|us)\b|\bforget me\b|(?<![가-힣])(?:나|저|우리)(?:에 대해|에 대한|에 관한)"
)


def wants_forgotten(line: str, language: Language) -> bool:
    """Whether a line tells her to forget what she knows of its writer."""
    plain = normal(line)
    wish = WISH[language].search(plain)
    if not wish or (language == "ko" and "버려" in plain and HABIT.search(plain)):
        return False
    what = wish["what"]
    if MEMORY.search(what):
        return True
    told = wish["verb"] in ("forget", "잊어", "까먹어") or others(line) or TOLD.search(what)
    return bool(THING_OF_USER.search(what) and told)


def to_forget(line: str, facts: Sequence[Fact]) -> list[str]:
    """The keys a wish means, of the facts that fit it; `all`; empty where nothing that is kept is named."""
    whom, plain = others(line), normal(line)
    named = named_facts(line, facts)
    if whom:
        return [fact.key for fact in named if names(fact, whom)]
    if ABOUT_USER.search(plain) or (EVERYTHING.search(plain) and not named):
        return [ALL]
    return [fact.key for fact in named[:1]]
