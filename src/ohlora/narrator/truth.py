"""Is a line true of a match? `contradictions` is asked of every line, `says_who_won` of a model's as well.

The checker reads claims, not language: the tables in claims.yaml say which words claim what. What they do
not know passes `contradictions`: of 123 false lines written by hand without sight of it (held-out part of
tests/narrator/labelled_lines.jsonl, read since) it found 67. A model's line must therefore also say who won
in words that the tables know, with nothing beside them that may mean something else (`doubts`). A refused
line costs another draw, a false one costs trust. How it reads:

- A line falls into clauses. A claim belongs to the first attempt, the second, or both where its clause says
  so ("첫 판", "second try", "둘 다"), and else to the whole match, which the best attempt decides.
- Who won or lost is the nearest person before the verb ("내가", "you", a name); "나한테 졌어" and "lost to
  me" turn it around. With nobody named, the person of the sentence so far; else, beside an attempt, the
  challenger, whose attempts they are; else, for "이겼어" and "졌다", Oh-LoRA herself; else anybody, and then
  only a draw contradicts it.
- What somebody can or might do claims nothing; who hopes to win next time, or is consoled, has not won.
- A number must be one of the match's, to the digits shown, and of the kind and owner named beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from typing import Any, Literal, cast

import yaml

from ohlora.battle.result import MatchResult
from ohlora.battle.verdict import Verdict
from ohlora.narrator.facts import Facts, Side, as_number, names_of, numbers_in
from ohlora.narrator.voice import EMOJI

Party = Literal["me", "you", "them"]  # Oh-LoRA, whoever reads, a machine
Scope = Literal["first", "second", "both", "overall"]


NUMBER = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![A-Za-z_]*\d)")
SENTENCE_END = re.compile(rf"{EMOJI}|[!?…~]+|\.(?!\d)|[.]{{2,}}")
CLAUSE_END = re.compile(
    r",(?!\d)|[;—]|\s-\s|\b(?:but|then|and|yet|so|while|though|because|since)\b(?! (?:close|far|even))"
    r"|(?:지만|는데|은데|인데|더니|니까|면서|겼고|졌고|이기고|비기고|(?<![가-힣])지고|승리고|무승부고)(?=\s)"
)


@cache  # compiling takes half a second, which a wrong setting of a battle need not wait for
def read_claims() -> tuple[dict[str, list[tuple[re.Pattern[str], Any]]], dict[str, re.Pattern[str]]]:
    """claims.yaml as tables of (pattern, what it says), and its patterns that stand alone."""
    content = yaml.safe_load(files("ohlora.narrator").joinpath("claims.yaml").read_text(encoding="utf-8"))
    short = content.pop("short")

    def compiled(words: str) -> re.Pattern[str]:
        pattern = "|".join(filter(None, words.split("\n")))
        for name, meaning in short.items():
            pattern = pattern.replace(name, meaning)
        return re.compile(pattern)

    tables, patterns = {}, {}
    for name, rows in content.items():
        if isinstance(rows, str):
            patterns[name] = compiled(rows)
        else:
            says = [None if row["says"] == "nothing" else row["says"] for row in rows]
            tables[name] = [(compiled(row["words"]), said) for row, said in zip(rows, says, strict=True)]
    return tables, patterns


def table(name: str) -> list[tuple[re.Pattern[str], Any]]:
    return read_claims()[0][name]


def alone(name: str) -> re.Pattern[str]:
    return read_claims()[1][name]


@dataclass(frozen=True)
class Clause:
    """A piece of a line, the scopes its words name, and those of the sentence so far."""

    text: str
    scopes: tuple[Scope, ...]
    earlier: tuple[Scope, ...]  # named before in this sentence
    person: Party | None  # last subject before in this sentence


def contradictions(line: str, match: MatchResult) -> list[str]:
    """What in `line` is not true of `match`, in English; empty when all is."""
    facts = Facts.read(match)
    text = normal(line)
    plain = without_names(text, facts)
    faults = [*wrong_language(plain, facts), *wrong_names(plain, facts), *wrong_direction(text, facts)]
    for clause in clauses(text, facts):
        for check in (wrong_results, wrong_closeness, wrong_scopes, wrong_rate):
            faults += check(clause, facts)
    for clause in clauses(plain, facts):
        faults += wrong_numbers(clause, facts)
        faults += wrong_params(clause, facts)
    return list(dict.fromkeys(faults))


def normal(line: str) -> str:
    """One spelling for what looks alike, in lower case."""
    return unicodedata.normalize("NFKC", line).lower().replace("’", "'")


def without_names(text: str, facts: Facts) -> str:
    """`text` with this match's names blanked, so that CIFAR-10 brings no number and a name no language.

    Claims are read with names in place: a player called "I won" must not hide a false one.
    """
    for name in names_of(facts):
        pattern = rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])"
        text = re.sub(pattern, lambda found: "□" * len(found[0]), text)
    return text


@lru_cache(maxsize=4096)  # asked several times of every clause
def take(name: str, text: str) -> tuple[tuple[re.Match[str], Any], ...]:
    """Every row of a table found in `text`; an earlier row takes its text away from those after it."""
    taken: list[tuple[re.Match[str], Any]] = []
    for pattern, meaning in table(name):
        free = [found for found in pattern.finditer(text) if "\0" not in found[0]]
        taken += [(found, meaning) for found in free]
        for found in free:
            text = text[: found.start()] + "\0" * (found.end() - found.start()) + text[found.end() :]
    return tuple(taken)


def clauses(text: str, facts: Facts) -> Iterator[Clause]:
    """The clauses of `text` with what each takes over from its sentence."""
    start = 0
    for end in [*SENTENCE_END.finditer(text), None]:
        sentence = text[start : end.start() if end else len(text)] + (end[0] if end and "?" in end[0] else "")
        earlier: tuple[Scope, ...] = ()
        person: Party | None = None
        for piece in pieces(sentence):
            # In the order of the words, so that the nearest can be found.
            found = sorted(
                ((mark.start(), scope) for mark, scope in take("scopes", piece) if scope),
                key=lambda pair: pair[0],
            )
            scopes = tuple(scope for _, scope in found)
            yield Clause(piece, scopes, earlier, person)
            earlier = scopes or earlier
            named = [found for found in people(piece, facts) if not found[3]]
            subjects = [who for who in named if piece[who[0] : who[1]] != "me"]  # "you tied with me and lost"
            if subjects or (named and not person):
                person = (subjects or named)[-1][2]
        start = end.end() if end else start


def pieces(sentence: str) -> list[str]:
    """A sentence cut at its clauses; a piece that only names a scope ("first try, ...") joins another."""
    found: list[str] = []
    open_scope = ""
    at = 0
    for cut in [*CLAUSE_END.finditer(sentence), None]:
        piece = open_scope + sentence[at : cut.end() if cut else len(sentence)]
        open_scope = ""
        rest, names_scope = piece, False
        for mark, scope in take("scopes", piece):
            names_scope |= scope is not None
            rest = rest.replace(mark[0], "", 1)
        if names_scope and len(re.sub(r"[^a-z가-힣]", "", rest)) <= 2:
            if found and not any(scope for _, scope in take("scopes", found[-1])):
                found[-1] += piece
            else:
                open_scope = piece
        else:
            found.append(piece)
        at = cut.end() if cut else at
    return [*found, open_scope] if open_scope else found


Person = tuple[int, int, Party, bool]  # start, end, party, whether as an object


def people(text: str, facts: Facts) -> tuple[Person, ...]:
    """Who is spoken of in `text`, in order."""
    return people_in(text, facts.human, facts.player.lower())


@lru_cache(maxsize=4096)
def people_in(text: str, human: bool, player: str) -> tuple[Person, ...]:
    taken = text
    found: list[Person] = []
    challenger: Party = "you" if human else "them"
    names: list[tuple[str, Party]] = [(pattern.pattern, "them") for pattern, _ in table("machines")]
    # A player called "네가 이겼어" is read as the claim it is.
    if player and not take("results", player):
        names.append((rf"(?<![a-z0-9]){re.escape(player)}(?![a-z0-9])", challenger))
    particle = alone("object_particle").pattern
    rows: list[tuple[re.Pattern[str], Party | Literal["nobody"], bool]] = []
    for name, party in names:
        rows.append((re.compile(f"(?:{name}){particle}"), party, True))
        rows.append((re.compile(name), party, False))
    for pattern, said in table("people"):
        rows.append((pattern, cast(Party | Literal["nobody"], said.split()[0]), said.endswith("as object")))
    for pattern, party, is_object in rows:
        for match in list(pattern.finditer(taken)):
            if "\0" not in match[0]:
                if party != "nobody":
                    found.append((match.start(), match.end(), party, is_object))
                taken = taken[: match.start()] + "\0" * len(match[0]) + taken[match.end() :]
    return tuple(sorted(found))


def subject_of(
    found: re.Match[str], meaning: str, clause: Clause, facts: Facts
) -> Party | Literal["anybody"]:
    """Who won or lost, by the words around a claim (the module's docstring has the rules)."""
    everybody = people(clause.text, facts)
    other: dict[Party, Party] = {"me": "you" if facts.human else "them", "you": "me", "them": "me"}
    korean = bool(re.search(r"[가-힣]", found[0]))
    before = [person for person in everybody if person[1] <= found.start()]
    if not korean:  # "me" before an English verb is somebody else's object
        before = [person for person in before if clause.text[person[0] : person[1]] != "me"]
    after = [person for person in everybody if person[0] >= found.end()]
    inside = [person for person in everybody if found.start() <= person[0] < found.end()]
    if meaning.startswith("owner"):
        return after[0][2] if after else before[-1][2] if before else "anybody"
    if inside and korean:  # "나를 넘었": the verb's own object
        return other[inside[-1][2]]
    if before:
        _, _, party, is_object = before[-1]
        return other[party] if is_object else party
    if after:
        _, _, party, is_object = after[0]
        if korean:  # "이번 패배가 너한테 약이 될 거야": a noun that is the subject
            suffers = is_object and not re.match("[이가은는](?![가-힣])", clause.text[found.end() :])
        else:  # "the first won it for you"
            told_for = clause.text[: after[0][0]].endswith("for ")
            suffers = is_object or not (told_for or alone("owned").fullmatch(found[0]))
        return other[party] if suffers else party
    if clause.person:
        return clause.person
    if {"first", "second", "both"} & set(clause.scopes):
        return other["me"]
    ending = clause.text[found.end() :]
    if korean and alone("listener_ending").match(ending):
        return other["me"]
    return "me" if korean and alone("speaker_ending").match(ending) else "anybody"


def scoped(position: int, clause: Clause, facts: Facts) -> tuple[Scope, tuple[Verdict, ...]]:
    """The scope a claim at `position` of a clause belongs to, and its verdicts."""
    verdicts = facts.verdicts
    best = max(verdicts, key=list(Verdict).index)
    marks = sorted(((m.start(), scope) for m, scope in take("scopes", clause.text) if scope))
    before = [scope for start, scope in marks if start <= position]
    scope: Scope = before[-1] if before else marks[0][1] if marks else "overall"
    named = any(end <= position for _, end, _, is_object in people(clause.text, facts) if not is_object)
    if not marks and clause.earlier and not named:  # "the second was weaker and still beat me"
        scope = clause.earlier[-1]
    if scope == "overall":
        return scope, (best,)
    return scope, {"first": verdicts[:1], "second": verdicts[-1:], "both": verdicts}[scope]


MEANS: dict[str, set[str]] = {
    "won": {"won"},
    "lost": {"lost"},
    "drew": {"draw"},
    "not won": {"draw", "lost"},
    "not lost": {"draw", "won"},
    "not drew": {"won", "lost"},
}
MIRRORED = {"won": "lost", "lost": "won", "draw": "draw"}


@dataclass(frozen=True)
class ResultClaim:
    """Words that say how attempts ended."""

    said: str
    meaning: str
    party: Party | Literal["anybody"]  # of whom, where the meaning is no fact of the whole match
    scope: Scope


def result_claims(clause: Clause, facts: Facts) -> Iterator[ResultClaim]:
    """What a clause says about who won."""
    for found, meaning in take("results", clause.text):
        if meaning is None:
            continue
        said = found[0].strip() or clause.text.strip()
        scope, _ = scoped(found.start(), clause, facts)
        named, colon, rest = meaning.partition(": ")
        if colon:
            yield ResultClaim(said, rest, cast(Party, named), scope)
        elif meaning in WHOLE or "drew" in meaning:
            yield ResultClaim(said, meaning, "anybody", scope)
        else:
            party = subject_of(found, meaning, clause, facts)
            if party == "anybody" and meaning.startswith("owner"):
                continue  # a crown that is nobody's says nothing
            yield ResultClaim(said, meaning.removeprefix("owner "), party, scope)


Outcomes = Sequence[str]  # of the challenger's attempts: won | draw | lost
# Facts of a whole match.
WHOLE: dict[str, Callable[[Outcomes], bool]] = {
    "one each": lambda ended: sorted(ended) == ["lost", "won"],
    "lost then won": lambda ended: list(ended) == ["lost", "won"],
    "won then lost": lambda ended: list(ended) == ["won", "lost"],
    "comeback": lambda ended: len(ended) == 2 and ended[0] != "won" and ended[1] == "won",
    "no comeback": lambda ended: not (ended[0] != "won" and ended[-1] == "won"),
    "first decided": lambda ended: BETTER.index(ended[0]) >= BETTER.index(ended[-1]),
    "second decided": lambda ended: len(ended) == 2 and BETTER.index(ended[0]) <= BETTER.index(ended[-1]),
    "first only": lambda ended: list(ended[:1]) == ["won"] and ended[-1] != "won",
    "neither won": lambda ended: "won" not in ended,
    "lost one": lambda ended: "lost" in ended,
    "won one": lambda ended: "won" in ended,
    "no winner": lambda ended: "draw" in ended and "won" not in ended,
    "drew one": lambda ended: "draw" in ended,
    "won exactly one": lambda ended: list(ended).count("won") == 1,
    "drew twice": lambda ended: list(ended) == ["draw", "draw"],
    "congratulated": lambda ended: "won" in ended,
}
BETTER = ("lost", "draw", "won")


def holds(claim: ResultClaim, ended: Outcomes) -> bool:
    """Whether a claim is true of attempts that ended so."""
    if claim.meaning in WHOLE:
        return WHOLE[claim.meaning](ended)
    allowed = MEANS[claim.meaning]
    if claim.party == "me":
        allowed = {MIRRORED[outcome] for outcome in allowed}
    elif claim.party == "anybody" and "drew" not in claim.meaning:
        allowed = allowed | {MIRRORED[outcome] for outcome in allowed}
    best = max(ended, key=BETTER.index)
    spoken_of = {"first": ended[:1], "second": ended[-1:], "both": ended, "overall": (best,)}[claim.scope]
    return all(outcome in allowed for outcome in spoken_of)


def wrong_results(clause: Clause, facts: Facts) -> Iterator[str]:
    """Claims about who won that the scores deny."""
    outcomes = [verdict.outcome for verdict in facts.verdicts]
    for claim in result_claims(clause, facts):
        if claim.party in ("you", "them") and (claim.party == "you") != facts.human:
            yield f"'{claim.said}': {'the reader' if claim.party == 'you' else 'a machine'} did not play"
        elif not holds(claim, outcomes):
            of = "" if claim.meaning in WHOLE else f" of {claim.party} ({claim.scope})"
            yield f"'{claim.said}'{of}: the challenger's attempts ended {', '.join(outcomes)}"


def says_who_won(line: str, match: MatchResult) -> bool:
    """Whether a reader could tell from `line` alone who won, and nothing in it may mean something else.

    It must deny that the other side won, after a draw that either did, by claims that are no wish, condition
    or question. What a model writes in words that the tables do not know says nothing here, so it is not
    shown: it may be false.
    """
    facts = Facts.read(match)
    read = list(clauses(normal(line), facts))
    if any(any(doubts(clause, facts)) for clause in read):
        return False
    claims = [
        claim
        for clause in read
        if not alone("infinitive").search(clause.text)
        and not alone("unreal").search(unread(clause.text, "results", "closeness", "directions"))
        for claim in result_claims(clause, facts)
    ]
    count = len(facts.verdicts)
    for winner in {"challenger", "ohlora"} - {facts.winner}:
        others = [
            ended
            for ended in product(BETTER, repeat=count)
            if ("won" in ended if winner == "challenger" else set(ended) == {"lost"})
        ]
        if any(all(holds(claim, ended) for claim in claims) for ended in others):
            return False
    return True


def unread(text: str, *tables: str) -> str:
    """What no table has taken of a text."""
    for found, meaning in (row for name in tables for row in take(name, text)):
        if meaning is not None:
            text = text[: found.start()] + "\0" * len(found[0]) + text[found.end() :]
    return text


def doubts(clause: Clause, facts: Facts) -> Iterator[str]:
    """What in a clause may be false: a picture of another margin, a margin or an attempt in unknown words."""
    text = clause.text
    for found, allowed in take("margin_hints", text):
        _, verdicts = scoped(found.start(), clause, facts)
        if not any(verdict.margin in allowed for verdict in (verdicts if clause.scopes else facts.verdicts)):
            yield f"'{found[0]}': the difference is {', '.join(v.margin for v in verdicts)}"
    known = [*take("closeness", text), *take("margin_hints", text)]
    if not known and (found := alone("unread_margin").search(text)):
        yield f"'{found[0]}': how much is that?"
    told = [
        meaning for name in ("results", "closeness", "directions") for _, meaning in take(name, clause.text)
    ]
    acts = alone("acts").search(clause.text)
    if {"first", "second", "both"} & set(clause.scopes) and acts and not any(told):
        yield f"'{clause.text}': what came of that attempt?"


def wrong_closeness(clause: Clause, facts: Facts) -> Iterator[str]:
    """Words of closeness that the difference denies."""
    for found, allowed in take("closeness", clause.text):
        scope, verdicts = scoped(found.start(), clause, facts)
        if not all(verdict.margin in allowed for verdict in verdicts):
            yield f"'{found[0]}' ({scope}): the difference is {', '.join(v.margin for v in verdicts)}"
    read = [found.span() for found, _ in take("closeness", clause.text)]
    for found in alone("some_margin").finditer(clause.text):
        start, end = found.span()
        known = NUMBER.search(found[0]) or any(begin < end and start < stop for begin, stop in read)
        _, verdicts = scoped(start, clause, facts)
        if not known and not all(verdict.margin == "narrow" for verdict in verdicts):
            yield f"'{found[0].strip()}': how much is that?"


def wrong_scopes(clause: Clause, facts: Facts) -> Iterator[str]:
    """A second attempt in a match of one, a single one in a match of two, a third in any."""
    if facts.human:
        for found, number in take("attempt_counts", clause.text):
            if number != len(facts.challenger) and not alone("invitation").search(clause.text):
                yield f"'{found[0]}': there were {len(facts.challenger)} attempts"
    if facts.human and (found := alone("too_many").search(clause.text)):
        yield f"'{found[0]}': there were {len(facts.challenger)} attempts"
    if len(facts.challenger) == 1 and not alone("invitation").search(clause.text):
        claims = any(meaning for _, meaning in take("results", clause.text))
        for found, scope in take("scopes", clause.text):
            if scope == "second" or (scope in ("both", "first") and claims):
                yield f"'{found[0]}': there was one attempt"


def wrong_direction(text: str, facts: Facts) -> Iterator[str]:
    """Better and worse between two attempts."""
    if len(facts.challenger) == 2:
        first, second = (attempt.test_f1 for attempt in facts.challenger)
        for clause in re.split(rf"{EMOJI}|[,!?]|\.(?!\d)", text):
            for found, sign in take("directions", clause):
                if sign is not None and (second - first) * sign <= 1e-9:
                    yield f"'{found[0]}': the first scored {first:.4f}, the second {second:.4f}"


def wrong_rate(clause: Clause, facts: Facts) -> Iterator[str]:
    """A learning rate called high or low that lies on the other side of the other one's."""
    own = as_number(facts.ohlora.params.get("learning_rate"))
    rates = [as_number(attempt.params.get("learning_rate")) for attempt in facts.challenger]
    theirs = [rate for rate in rates if rate is not None]
    if own is None or not theirs:
        return
    for found, sign in take("rate_directions", clause.text):
        mine = owner_at(found.start(), clause.text, facts) == "me"
        if not any((own - rate if mine else rate - own) * sign > 0 for rate in theirs):
            yield f"'{found[0]}': hers is {own:g}, the challenger's {' and '.join(map(str, theirs))}"


def wrong_language(plain: str, facts: Facts) -> Iterator[str]:
    """Another language or script than the match's; names and technical words are spelled as they are."""
    if facts.language == "ko":
        plain = re.sub(r"oh-?lora|\bai\b", "", plain)
        for pattern, _ in (
            row for name in ("machines", "choices", "datasets", "roles") for row in table(name)
        ):
            plain = pattern.sub("", plain)
    # Some letters have no name.
    names = [unicodedata.name(letter, "") for letter in filter(str.isalpha, plain)]
    hangul = sum(name.startswith("HANGUL") for name in names)
    latin = sum(name.startswith("LATIN") for name in names)
    if len(names) > hangul + latin:
        yield "letters that are neither Korean nor English"
    if facts.language == "ko" and hangul <= latin:
        yield "the line is not in Korean"
    if facts.language == "en" and (hangul or not latin):
        yield "the line is not in English"


def wrong_names(plain: str, facts: Facts) -> Iterator[str]:
    """A dataset or a machine that was not there."""
    here = {name for _, names in take("datasets", f"{facts.title} {facts.dataset}".lower()) for name in names}
    for found, names in take("datasets", plain):
        if not here & set(names):
            yield f"'{found[0]}': the dataset was {facts.title or 'another'}"
    for found, kind in take("machines", plain):
        if kind != facts.kind:
            yield f"'{found[0]}': the challenger was {facts.kind}"


def owner_at(position: int, text: str, facts: Facts) -> Party | None:
    """Whose thing stands at `position`: the nearest person named before it in the clause."""
    before = [person for person in people(text, facts) if person[1] <= position]
    return before[-1][2] if before else None


def sides_of(owner: Party | None, facts: Facts) -> tuple[Side, ...]:
    if owner is None:
        return (*facts.challenger, facts.ohlora)
    return (facts.ohlora,) if owner == "me" else facts.challenger


def wrong_params(clause: Clause, facts: Facts) -> Iterator[str]:
    """A named choice (adam, cosine, ...) that its owner, or nobody, played."""
    for found, said in take("choices", clause.text):
        ((name, values),) = said.items()
        sides = sides_of(owner_at(found.start(), clause.text, facts), facts)
        played = {attempt.params[name] for attempt in sides if name in attempt.params}
        if played and not played & set(values):
            yield f"'{found[0]}': {name} was {' or '.join(sorted(map(str, played)))}"


def wrong_numbers(clause: Clause, facts: Facts) -> Iterator[str]:
    """Numbers that are not the match's, or not of the kind or owner named beside them."""
    roles = list(take("roles", clause.text))
    for found in NUMBER.finditer(clause.text):
        text, unit = found[0], alone("hundredths").match(clause.text, found.end())
        near = [(gap(found, word), word, role) for word, role in roles if gap(found, word) <= 20]
        _, word, role = min(near, key=lambda entry: entry[0], default=(0, found, ""))
        owner = owner_at(min(word.start(), found.start()), clause.text, facts)
        values = list(candidates(role or ("score or difference" if unit else ""), owner, facts))
        if unit:
            values += [value * 100 for value in values if abs(value) <= 1]
        if not any(shows(text, value, rounded=bool(unit)) for value in values):
            yield f"'{text}': no {role or 'number'} of this match" + (f" ({owner})" if owner and role else "")


def gap(one: re.Match[str], other: re.Match[str]) -> int:
    return max(one.start() - other.end(), other.start() - one.end(), 0)


def candidates(role: str, owner: Party | None, facts: Facts) -> Iterator[float]:
    """The numbers of the match that `role` may mean."""
    sides = sides_of(owner, facts)
    scores = [score for attempt in sides for score in (attempt.test_f1, attempt.val_f1) if score is not None]
    differences = [abs(attempt.test_f1 - facts.ohlora.test_f1) for attempt in facts.challenger]
    if role == "score or difference":
        yield from (*scores, *differences)
    elif role == "difference":
        yield from differences
        if len(facts.challenger) == 2:
            yield abs(facts.challenger[0].test_f1 - facts.challenger[1].test_f1)
    elif role == "score":
        yield from scores
        if owner in (None, "me") and facts.predicted_f1 is not None:
            yield facts.predicted_f1
    elif role == "predicted":
        if facts.predicted_f1 is not None:
            yield from (facts.predicted_f1, abs(facts.predicted_f1 - facts.ohlora.test_f1))
    elif role == "subset":
        yield from numbers_in(facts.subset)
    elif role:
        yield from (
            number
            for attempt in sides
            for name, value in attempt.params.items()
            if name.startswith(role) and (number := as_number(value)) is not None
        )
    else:
        yield from scores
        yield from differences
        yield from numbers_in(facts.subset)
        yield from (number for attempt in sides for number in numbers_in(attempt.params))
        yield from ([facts.predicted_f1] if facts.predicted_f1 is not None else [])
        yield from range(1, len(facts.challenger) + 1)


def shows(text: str, value: float, rounded: bool) -> bool:
    """Whether `text` is `value` to the digits it shows. A whole number is exact, unless `rounded` (82 %)."""
    digits, _, exponent = text.replace(",", "").partition("e")
    shown = float(digits) * 10 ** int(exponent or 0)
    decimals = len(digits.partition(".")[2])
    if shown == 0:  # 0.00 for 0.004 would say that nothing was there
        return value == 0
    if not decimals and not exponent and not rounded:
        return abs(value - shown) < 1e-9
    return abs(abs(value) - shown) <= 0.5 * 10.0 ** (int(exponent or 0) - decimals) * (1 + 1e-6)
