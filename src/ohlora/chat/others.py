"""Whose things a line asks for where they are another's ("my dog's name"), and which facts are about whom."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import yaml

from ohlora.chat.fact import HANGUL, Fact
from ohlora.chat.rules import is_question, normal

Others = tuple[frozenset[str], ...]  # every word for each of them

PARTICLE = "(?:이|가|은|는|을|를|의|도|야|이야)"
# In front of 's but nobody: contractions ("what's"), times, and her own name.
NOBODY = (
    "(?:what|who|where|when|why|how|it|that|this|there|here|let|he|she|everyone|someone|today|tomorrow|yesterday"
    "|tonight|year|week|month|day|lora)"
)
# "my dog's called Rex": no thing of the dog's.
NO_POSSESSION = r"(?:called|named|been|not|so|too|very|an?|the|my|your|\w+ing)"
OWNED_EN = "(?:name|birthday|age|job|breed|colou?r|address|number|hobby|nickname|school)"
OWNED_KO = "(?:이름|성함|생일|생신|나이|직업|취미|별명|혈액형|번호|전화번호|주소|고향|전공)"
# Asks for something else than a name, which a fact that is a name alone does not answer.
ATTRIBUTE = re.compile(
    rf"\b(?!name|nickname){OWNED_EN}s?\b|\bhow (?:old|tall|many|much)\b|\b(?:when|where)\b"
    r"|\bwhat (?:does|did|do) (?:my|our)\b"
    rf"|(?!이름|성함|별명){OWNED_KO}|몇|얼마|언제|어디|(?:뭐|무슨) ?(?:해|하|일)"
)
ONE_NAME = re.compile(r"[^\W\d_]+(?: \([^()]*\))?")
# Before 이름 or 생일 but nobody: pronouns, her name, times, adverbs, particles and adnominals.
NOBODY_KO = re.compile(
    r"(?:내|제|나|저|네|니|너|나의|너의|우리|오로라|그|이|야|아|음|어|참|그럼|근데|그래서|혹시|진짜|정말|다시|지금|아까"
    r"|전에|그때|방금|오늘|올해|이번|다음|지난|영어|한국|원래|새|옛|제일|가장|집|몇|무슨|어떤|양력|음력|왜|하필"
    r"|.*(?:는|은|한|던|된|할|준|을|를|가|에|도|랑|로|서|게|지|고|면|날이|온|쓴|진))$"
)
OWNERS = (
    rf"(?:^|[\s-])(?!{NOBODY}'s\b)([a-z]+(?:-[a-z]+)*)'s (?!{NO_POSSESSION}\b)[a-z]",
    r"\b(?:my|our) ([a-z]+(?:-[a-z]+)*)'s\W*$",
    rf"\b{OWNED_EN} of (?:my|our) (?:\w+ )*?([a-z]+)\W*$",
    rf"(?<![가-힣])(?:내|제|나의|우리) (?:[가-힣]+ )?([가-힣]{{1,6}}?)(?:의|네)? {OWNED_KO}",
    rf"(?<![가-힣])([가-힣]{{1,6}}?)(?:의|네)? {OWNED_KO}(?<!이름)(?<!번호)(?<!주소)(?<!전공)",
)
# What the user does with them is no thing of theirs: "what did I buy my dad?", but "what do I call my dog?".
USER_DOES = re.compile(
    r"\bi\b(?! (?:call|name)d?\b)|(?<!tell )(?<!remind )(?<!give )\bme\b"
    r"|(?<![가-힣])(?:내가|제가|나는|난|나를|날)(?![가-힣])"
)
MINE = r"\b(?:my|our) (?:[a-z]+ ){0,2}?"
# Keys of what is true of the user alone.
OF_USER_ALONE = {
    *("user_name", "name", "nickname", "birthday", "age", "job", "major", "hobby", "living", "hometown"),
    *("school", "mbti", "blood_type"),
    *("별명", "나이", "직업", "전공", "취미", "고향", "학교", "혈액형", "회사", "동네"),
}


@cache
def groups() -> dict[str, frozenset[str]]:
    """others.yaml: every word for each of those whom a line may be about."""
    text = files("ohlora.chat").joinpath("others.yaml").read_text(encoding="utf-8")
    return {name: frozenset(words) for name, words in yaml.safe_load(text).items()}


@cache
def members() -> tuple[tuple[re.Pattern[str], str], ...]:
    """How each word for another is found in a line, the longest first."""
    words = sorted({word for group in groups().values() for word in group}, key=len, reverse=True)
    return tuple((re.compile(member(word)), word) for word in words)


def member(word: str) -> str:
    if HANGUL.match(word):
        asked = rf"(?: (?:{OWNED_KO}|뭐|무슨|어디|언제|몇|누구|어떻|알아|기억)|\W*$)"
        return rf"(?<![가-힣]){word}(?:(?:는|은|이|가|의|네|도)(?![가-힣])|(?={asked}))"
    return rf"{MINE}{word}s?\b(?!-)"


def name_of(word: str) -> str:
    """The name by which keys of memory have another; the word itself where it is nobody's."""
    return next((name for name, group in groups().items() if word in group), word)


def same(word: str) -> frozenset[str]:
    """Every word for whom a word means."""
    return frozenset({word}).union(*(group for group in groups().values() if word in group))


def others(line: str) -> Others:
    """Those whose things a line asks for; empty where it asks for the user's own."""
    plain = normal(line)
    found = [match[1] for pattern in OWNERS for match in re.finditer(pattern, plain)]
    found = [word for word in found if not NOBODY_KO.match(word)]
    if any(is_question(line, language) for language in ("ko", "en")) and not USER_DOES.search(plain):
        found += [word for pattern, word in members() if pattern.search(plain)]
    return tuple(dict.fromkeys(map(same, found)))


def about(fact: Fact, whom: Others) -> bool:
    """Whether a fact may be about one of them: it names them, or they are strangers and it names nobody."""
    if names(fact, whom):
        return True
    known = tuple(groups().values())
    strangers = all(len(words) == 1 for words in whom)
    return strangers and fact.key not in OF_USER_ALONE and not names(fact, known)


def answers(line: str, fact: Fact, whom: Others) -> bool:
    """Whether a fact may answer what a line asks of others: about them, no name where a date is asked for."""
    named = fact.key in groups() or fact.key.startswith("pet_") or fact.key.endswith("_name")
    is_name = named and ONE_NAME.fullmatch(fact.value) is not None
    return about(fact, whom) and not (is_name and ATTRIBUTE.search(normal(line)))


def names(fact: Fact, whom: Others) -> bool:
    """Whether key or value of a fact has a word for one of them."""
    text = normal(f"{fact.key.replace('_', ' ')} {fact.value}")
    return any(has_word(text, word) for words in whom for word in words)


def has_word(text: str, word: str) -> bool:
    """Whether a text has a word of either language, a plural or a Korean particle with it."""
    if HANGUL.match(word):
        return has_korean_word(text, word)
    spelled = re.escape(word).replace(r"\-", "[- ]")
    return re.search(rf"\b{spelled}s?\b(?![- ]in[- ]law)", text) is not None


def has_korean_word(text: str, word: str) -> bool:
    """Whether a text has a Korean word, with or without a particle; one syllable begins many other words."""
    if not HANGUL.match(word):
        return False
    end = rf"{PARTICLE}?(?![가-힣])" if len(word) == 1 else ""
    return re.search(rf"(?<![가-힣]){word}{end}", text) is not None
