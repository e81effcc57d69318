"""A made-up conversation whose truth is known, told to a memory by a process that is killed in between."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ohlora.chat.fact import make_fact
from ohlora.chat.remembering import to_remember
from ohlora.chat.store import MemoryStore, Turn

FILLERS = (
    ("ko", ("오늘 좀 피곤하다", "과적합이 뭐야?", "심심해", "ㅋㅋ 웃기다", "점심 뭐 먹지")),
    ("en", ("long day today", "what is dropout?", "I'm bored", "haha nice", "what should I eat")),
)
TOLD = {
    "ko": (
        ("내 이름은 {}이야", "user_name", ("서준", "하린", "도윤")),
        ("내 생일은 {}이야", "birthday", ("3월 9일", "7월 21일")),
        ("우리 강아지 이름은 {}야", "pet_dog", ("보리", "두부")),
        ("내가 제일 좋아하는 음식은 {}이야", "favourite_음식", ("비빔밥", "떡볶이")),
        ("나 {} 알레르기 있어", "allergy", ("땅콩", "복숭아")),
    ),
    "en": (
        ("my name is {}", "user_name", ("Maya", "Owen", "Priya")),
        ("my birthday is {}", "birthday", ("9 March", "21 July")),
        ("my dog is called {}", "pet_dog", ("Biscuit", "Tofu")),
        ("my favourite food is {}", "favourite_food", ("ramen", "lasagne")),
        ("I'm allergic to {}", "allergy", ("peanuts", "peaches")),
    ),
}


@dataclass(frozen=True)
class Line:
    """What the user says at one turn, and the fact it tells, if any."""

    text: str
    key: str | None = None
    value: str | None = None


def script(turns: int, seed: int, language: str) -> list[Line]:
    """Facts told now and then, some told anew with another value, small talk in between."""
    rng = random.Random(seed)
    lines = []
    for _ in range(turns):
        if rng.random() < 0.15:
            sentence, key, values = rng.choice(TOLD[language])
            value = rng.choice(values)
            lines.append(Line(sentence.format(value), key, value))
        else:
            lines.append(Line(rng.choice(dict(FILLERS)[language])))
    return lines


def truth(lines: Sequence[Line]) -> dict[str, str]:
    """What is true after so many lines: the last value told of each key."""
    return {line.key: str(line.value) for line in lines if line.key}


def talk(path: Path, turns: int, seed: int, language: str) -> None:
    """Go on where the memory's last turn was; each is told on the screen once it is on disk."""
    lines = script(turns, seed, language)
    with MemoryStore(path) as store:
        for number in range(len(store.turns()), turns):
            now, text = datetime.now(UTC), lines[number].text
            wanted = to_remember(text, language)  # type: ignore[arg-type]
            facts = [make_fact(one.key, one.value, text, now) for one in wanted]
            turn = Turn(f"{seed}-{number}", now, text, f"reply {number}", "happy", 0.5)
            store.add_turn(turn, [fact for fact in facts if fact])
            print(number, flush=True)


def killed_conversation(path: Path, turns: int, seed: int, language: str) -> dict[str, int]:
    """Run `talk` in a process that is killed again and again; count what was lost and what is there twice."""
    rng = random.Random(seed)
    kills = told = 0
    while True:
        words = [sys.executable, "-m", "ohlora.chat.simulation", str(path), str(turns), str(seed), language]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert child.stdout
        for line in child.stdout:
            told = int(line) + 1
            if kills < 5 and told < turns and rng.random() < 0.05:
                time.sleep(rng.uniform(0, 0.02))
                child.kill()
                kills += 1
                break
        child.stdout.close()
        if child.wait() == 0:
            break
    with MemoryStore(path) as store:
        texts = [turn.user for turn in store.turns()]
        facts = {fact.key: fact.value for fact in store.facts()}
    expected = [line.text for line in script(turns, seed, language)]
    known = truth(script(turns, seed, language))
    wrong = sum(not facts.get(key, "").startswith(value) for key, value in known.items())
    return {
        "turns": turns,
        "kills": kills,
        "turns_lost": max(0, turns - len(texts)),
        "turns_twice": max(0, len(texts) - turns),
        "out_of_place": sum(one != other for one, other in zip(texts, expected, strict=False)),
        "facts": len(known),
        "facts_wrong": wrong + len(facts.keys() - known.keys()),
    }


def asked_long_after() -> Iterator[tuple[str, str, list[str], str, str | None]]:
    """(kind, language, lines told, question, right word): the kinds of LongMemEval (arXiv:2410.10813).

    None is the right word of what was never told, and of what has expired.
    """
    for number in range(3):
        ko, en = ("하린", "도윤", "지우")[number], ("Maya", "Owen", "Priya")[number]
        yield "asked long after", "ko", [f"내 이름은 {ko}야"], "내 이름이 뭐라고 했지?", ko
        yield "asked long after", "en", [f"my name is {en}"], "what's my name?", en
        food, other = ("비빔밥", "냉면", "떡볶이")[number], ("쌀국수", "만두", "김밥")[number]
        told = [f"내가 제일 좋아하는 음식은 {food}이야", f"내가 제일 좋아하는 음식은 {other}이야"]
        yield "updated", "ko", told, "내가 제일 좋아하는 음식 뭐야?", other
        new = ("Rex", "Luna", "Max")[number]
        told = ["my dog is called Biscuit", f"my dog is called {new}"]
        yield "updated", "en", told, "what is my dog called?", new
        day = ("3월 9일", "7월 21일", "12월 2일")[number]
        yield "of time", "ko", [f"내 생일은 {day}이야"], "내 생일이 언제였지?", day
        day = ("9 March", "21 July", "2 December")[number]
        yield "of time", "en", [f"my birthday is {day}"], "when is my birthday?", day
        likes = ("spicy ramen", "lasagne", "dumplings")[number]
        yield "preference", "en", [f"my favourite food is {likes}"], "which food do I like best?", likes
        yield "never told", "ko", [f"내 이름은 {ko}야"], "내 혈액형이 뭐야?", None
        yield "never told", "en", [f"my name is {en}"], "what's my blood type?", None


if __name__ == "__main__":
    talk(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
