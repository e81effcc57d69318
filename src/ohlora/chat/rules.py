"""What is decided by rule, before an answerer: crisis, sexual content, harm, orders, "are you human?"."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

Topic = Literal["crisis", "sexual", "harm", "order", "ai", "record"]
# In a fact to remember: a sentence that tells her, or any model, what to do or who she is.
COMMANDS = re.compile(
    r"(할|말할|답할|대답할|부를|따를) ?것\b|(해야|따라야|말해야|답해야|대답해야) ?(한다|해|함)|하라\b"
    r"|(답|말|대답|복종)하라"
    r"|(오로라|너|넌|ai)(는|은|가)? .{0,40}(사람|인간|봇|이다|라고|해야|규칙|명령)|규칙|지시|명령"
    r"|프롬프트|시스템|비밀번호를"
    r"|\b(must|should|shall|always|never|from now on|ignore|obey|respond|reply|answer|pretend"
    r"|say that|tell (the )?user)\b"
    r"|oh-?lora (is|was|has|must|should|will|says|likes)|\b(system|instruction|prompt|rules?)\b|^order\b"
    r"|[가-힣](해|여|아|어|려|게)라(?![가-힣])|하시오|https?:|www\.",
    re.IGNORECASE,
)
# What she said herself is a fact: "Oh-LoRA suggested an early night".
SAID_BY_HER = re.compile(
    r"oh-?lora('s| said| suggested| recommended| told| called)|오로라가 .{0,40}(추천|말|권|조언|부름"
    r"|부른|(으)?라고 함)"
)
QUESTION = {
    "ko": re.compile(
        r"\?|뭐|무슨|무엇|어디|언제|누구|누가|몇|얼마|왜|어떻|어떤|어느|기억(해|나|하)|알아(?!서)|아니$"
        r"|까$|니$|냐$|지$|게$|더라|랬|댔|말해 ?봐|맞혀|맞춰"
    ),
    "en": re.compile(
        r"\?|^(so |and |hey |ok |well )?(what|where|when|who|whose|which|why|how|do|does|did|is|are"
        r"|was|were|am|can|could|will|have|has|should)\b"
        r"|\b(remember|remind me|guess|tell me|name (my|the))\b|\b(what|where|when|who|which|how)\b"
    ),
}
NAMING_USER = {
    "ko": re.compile(r"(?<![가-힣])(나|난|내|내가|나는|나한테|나의|나를|날|제|제가|저|저는|우리)(?![가-힣])"),
    "en": re.compile(r"\b(i|i'm|i've|i'd|i'll|my|mine|me|we|our|us)\b"),
}
TOLD = re.compile(r"라고 ?했|랬지|댔지|했더라|였더라")  # "what did I (or you) say ..."
ABOUT_HER = {
    "ko": re.compile(r"(?<![가-힣])(너|넌|네|네가|니가|너는|너의|너도|너한테|너희|오로라)(?![가-힣])|오로라"),
    "en": re.compile(r"\b(you|your|you're|yours|yourself|u|oh-?lora)\b"),
}


@cache
def patterns() -> dict[Topic, re.Pattern[str]]:
    """rules.yaml, the lines of both languages joined."""
    content = yaml.safe_load(files("ohlora.chat").joinpath("rules.yaml").read_text(encoding="utf-8"))
    return {
        topic: re.compile("|".join(line for text in words.values() for line in text.split("\n")))
        for topic, words in content.items()
    }


def normal(text: str) -> str:
    """One spelling for what looks alike, in lower case, without invisible characters."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc"))


def topic_of(text: str) -> Topic | None:
    """The first topic, in the order of rules.yaml, whose words a line has."""
    plain = normal(text)
    return next((topic for topic, pattern in patterns().items() if pattern.search(plain)), None)


def is_question(text: str, language: str) -> bool:
    return bool(QUESTION[language].search(normal(text).rstrip(" .!~ㅋㅎㅠ")))


def about_user(text: str, language: str) -> bool:
    plain = normal(text)
    return bool(NAMING_USER[language].search(plain) or (language == "ko" and TOLD.search(plain)))


def names_user(text: str, language: str) -> bool:
    """Whether a line has a word for its writer."""
    return bool(NAMING_USER[language].search(normal(text)))


def about_her(text: str, language: str) -> bool:
    return bool(ABOUT_HER[language].search(normal(text)))


def is_order(text: str) -> bool:
    """Whether a fact is no fact but tells her what to do, or who she is; the words of a key count, too."""
    plain = normal(text).replace("_", " ")
    if SAID_BY_HER.search(plain):
        return False
    return bool(COMMANDS.search(plain)) or topic_of(plain) in ("order", "sexual", "harm")
