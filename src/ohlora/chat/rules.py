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
# All but letters that laugh or cry, which NFKC would make into parts of a syllable.
SPELLED = re.compile(r"(?:(?![ㄱ-ㅎ]+(?![ㄱ-ㅣ]))(?!(?<![ㄱ-ㅎ])[ㅠㅜ]).)+", re.DOTALL)
QUESTION = {
    "ko": re.compile(
        r"\?|뭐|뭘|무슨|무엇|어디|언제|누구|누가|몇|얼마|왜|어떻|어떤|어느|기억(해|나|하)|알아(?!서)|아니$"
        r"|까$|니$|냐$|지$|게$|더라|랬|댔|말해 ?봐|맞혀|맞춰"
        r"|^(그럼 |그리고 )?(내|제|우리) (\S+ )?(이름|생일|생신|나이|직업|별명|취미|혈액형|번호|주소)"
        r"[은는이가]?$"
    ),
    "en": re.compile(
        r"\?|^(so |and |hey |ok |well )?(what|where|when|who|whose|which|why|how|do|does|did|is|are"
        r"|was|were|am|can|could|will|have|has|should)\b"
        r"|\b(remember|remind me|guess|tell me|name (my|the))\b|\b(what|where|when|who|which|how)\b"
        r"|^(and |so |then )?(my|our) ([a-z'-]+ )+(name|birthday|age|job|number|address)$"
    ),
}
NAMING_USER = {
    "ko": re.compile(r"(?<![가-힣])(나|난|내|내가|나는|나한테|나의|나를|날|제|제가|저|저는|우리)(?![가-힣])"),
    "en": re.compile(r"\b(i|i'm|i've|i'd|i'll|my|mine|me|we|our|us)\b"),
}
TOLD = re.compile(r"라고 ?했|랬지|댔지|했더라|였더라")  # "what did I (or you) say ..."
# What a user may have told her: asked for in memory alone.
OF_USER = {
    "ko": re.compile(
        r"(?<![가-힣])(내|나의|제|우리)(?![가-힣])"
        r"|(?<![가-힣])(나|난|나는|내가|제가|저|저는)(?![가-힣]).*(기억|알아|알지|말했|말해 ?봐|했지"
        r"|했어|였지|이지|살아|다녀|누구|무슨|어떤|얼마|몇|맞혀|맞춰|맞지|게\W*$)"
    ),
    "en": re.compile(
        r"\b(my|mine|our)\b|\b(am|do|did|have|had|was|can't|don't) i\b"
        r"|\bi (said|told|mentioned|was|am|like|do|have|live)\b"
        r"|\b(did|have|are|do) we\b|\bwe (met|meet|first)\b|\b(i'm|i've)\b|\bof me\b|\babout me\b"
    ),
}
# ... and what it is not: a wish for advice, or to be told something new.
ADVICE = {
    "ko": re.compile(
        r"[가-힣](까|래)\W*$|어떻게 ?해|어떡|어쩌|해야|될지|할지|해 ?줘|좀 .{0,8}줘|(뭐|뭘|어디|언제).{0,6}"
        r"(하|먹|입|가|사|보|쓰)지\W*$"
    ),
    "en": re.compile(
        r"\bhow (can|could|should|would|shall) (i|we)\b|\bhow do i (?!take|like|feel)"
        r"|\b(should|can|could|shall|will|would|may) (i|we|my)\b"
        r"|\b(tell|give|sing|teach|show) (me|us) (an?|some|another)\b"
    ),
}
# What one asks oneself.
DELIBERATING = {
    "ko": re.compile(r"[가-힣]까\W*$|(뭐|뭘|어디|언제).{0,6}(하|먹|입|가|사|보|쓰)지\W*$"),
    "en": re.compile(r"\b(should|shall) (i|we)\b"),
}
# A line that says something and asks for nothing.
STATEMENT = {
    "ko": re.compile(
        r"(?:다|어|아|네|해|야|음|함|임|죠|요|스|애|게|려|셔|쳐|워|와|여)(?<!알려)(?<!있어)(?<!없어)(?<!궁금해)$"
    ),
    "en": re.compile(
        r"^\W*(?:(?:oh|well|but|and|so|yes|no|yeah|ok|okay|great|thanks|hey|haha|wow|sorry)\W+)*"
        r"(?:(?:i|we|he|she|they|it|that|there|you)(?:'\w+)? \w"
        r"|(?:the|an?|my|our|his|her|their|this|these|those|some|everyone|nobody)\b.* "
        r"(?:is|was|are|were|has|had|have|will|would|can|did|does|went|got|\w+ed|\w+s)\b)"
    ),
}
FEW = 3  # words of a line that asks of her without naming her: "summer or winter"
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
    text = SPELLED.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text).lower().replace("’", "'")
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


def asks_memory(text: str, language: str) -> bool:
    """Whether a question is one that only what the user told can answer."""
    plain = normal(text)
    of_user = OF_USER[language].search(plain) or (language == "ko" and TOLD.search(plain))
    return bool(of_user) and not wants_advice(text, language)


def wants_advice(text: str, language: str) -> bool:
    """Whether a line asks what to do, or for something new, which memory does not hold."""
    return bool(ADVICE[language].search(normal(text)))


def asks(text: str, language: str) -> bool:
    """Whether a line asks for something, as a question or without a verb, and does not tell."""
    plain = normal(text).rstrip(" .!~ㅋㅎㅠ")
    return is_question(text, language) or not STATEMENT[language].search(plain)


def deliberates(text: str, language: str) -> bool:
    """Whether a line asks what its writer should do: nothing about her."""
    return bool(DELIBERATING[language].search(normal(text)))


def may_mean_her(text: str, language: str) -> bool:
    """Whether what a line asks may be asked of her; in Korean nobody need be named."""
    return language == "ko" or about_her(text, language) or len(text.split()) <= FEW


def is_order(text: str) -> bool:
    """Whether a fact is no fact but tells her what to do, or who she is; the words of a key count, too."""
    plain = normal(text).replace("_", " ")
    if SAID_BY_HER.search(plain):
        return False
    return bool(COMMANDS.search(plain)) or topic_of(plain) in ("order", "sexual", "harm")
