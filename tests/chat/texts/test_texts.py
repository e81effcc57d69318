"""The written texts of the chat: balanced, unrepeated, in her voice, training and test apart."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

import ohlora
from ohlora.chat.checks import voice_faults
from ohlora.chat.written import explanation, opener
from ohlora.narrator.voice import EMOJI, POLITE

TEXTS = Path(ohlora.__file__).parent / "chat" / "texts"
CONF = Path(__file__).parents[3] / "conf"
MOODS = set(yaml.safe_load((CONF / "faces/moods.yaml").read_text(encoding="utf-8")))
LANGUAGES = {"ko", "en"}
KINDS = {
    "small_talk", "feelings", "study", "battle", "memory_asked", "memory_offered", "memory_told",
    "memory_missing", "persona", "refusal", "crisis", "ai",
}  # fmt: skip
QUESTION_KINDS = {
    "plain", "single_session_user", "single_session_assistant", "single_session_preference", "multi_session",
    "temporal_reasoning", "knowledge_update", "abstention",
}  # fmt: skip
LONGEST = {"ko": 160, "en": 220}  # characters of a reply, emoji included
MEMORY = re.compile(r"\[([a-z][a-z0-9_]*): [^\[\]]+\]")


def rows(name):
    return [json.loads(line) for line in (TEXTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


DIALOGUES = rows("dialogues")
PAIRS = rows("retrieval_pairs")
NO_MEMORY = rows("no_memory_questions")
ATTACKS = rows("attacks")
PERSONA_QUESTIONS = rows("persona_questions")
PERSONA_ANSWERS = rows("persona_answers")
EXPRESSIONS = rows("expressions")
OPENERS = rows("openers")
EXPLANATIONS = rows("explanations")


def plain(text):
    """Only its words, so that a comma or an emoji does not make two lines of one."""
    return " ".join(re.findall(r"\w+", text.lower()))


def keys(row):
    """The memory keys of a dialogue row, read and written."""
    read = {MEMORY.fullmatch(line)[1] for line in row["memory"]}
    return read | {fact["key"] for fact in row["write"]}


def pair_keys(pair):
    lines = [pair["memory"], *pair["also"], *pair["distractors"]]
    return {MEMORY.fullmatch(line)[1] for line in lines if line}


def polite(text):
    return [match[1] for match in POLITE.finditer(text) if match[1]]


def letters(text):
    """Runs of three letters, spaces left out."""
    word = re.sub(r"[\W_]+", "", text.lower())
    return {word[i : i + 3] for i in range(len(word) - 2)}


def nearest(texts, others):
    """The largest share of letters that a text and one of the others have in common, and those two."""
    own = [(text, letters(text)) for text in texts]
    theirs = [(text, letters(text)) for text in others]
    return max((len(a & b) / len(a | b), one, other) for one, a in own for other, b in theirs if a and b)


def five_grams(text):
    words = plain(text).split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


@pytest.mark.parametrize(
    ("texts", "least"),
    [
        (DIALOGUES, 1100),
        (PAIRS, 1500),
        (NO_MEMORY, 80),
        (ATTACKS, 72),
        (PERSONA_QUESTIONS, 40),
        (PERSONA_ANSWERS, 70),
        (EXPRESSIONS, 450),
        (OPENERS, 28),
        (EXPLANATIONS, 50),
    ],
    ids=[
        "dialogues",
        "pairs",
        "no_memory",
        "attacks",
        "persona_questions",
        "persona_answers",
        "expressions",
        "openers",
        "explanations",
    ],
)
def test_enough_and_half_in_each_language(texts, least):
    assert len(texts) >= least
    assert len({row["id"] for row in texts}) == len(texts)
    counts = Counter(row["language"] for row in texts)
    assert set(counts) == LANGUAGES
    assert abs(counts["ko"] - counts["en"]) <= 0.02 * len(texts)


class TestDialogues:
    def test_every_kind_is_there_in_both_languages_and_both_splits(self):
        counts = Counter((row["kind"], row["language"], row["split"]) for row in DIALOGUES)
        assert set(counts) == {
            (k, lang, s) for k in KINDS for lang in LANGUAGES for s in ("train", "held_out")
        }
        for kind in KINDS:
            assert abs(counts[kind, "ko", "train"] - counts[kind, "en", "train"]) <= 3
            assert counts[kind, "ko", "held_out"] == counts[kind, "en", "held_out"]
        held_out = sum(row["split"] == "held_out" for row in DIALOGUES)
        assert 0.1 <= held_out / len(DIALOGUES) <= 0.14

    def test_no_reply_is_used_twice(self):
        counts = Counter(plain(row["reply"]) for row in DIALOGUES)
        assert [reply for reply, count in counts.items() if count > 1] == []

    def test_no_two_replies_differ_by_a_slot_only(self):
        grams = [(row["id"], five_grams(row["reply"])) for row in DIALOGUES]
        holders = {}
        for name, own in grams:
            for gram in own:
                holders.setdefault(gram, set()).add(name)
        shared = sum(len(names) > 1 for names in holders.values()) / len(holders)
        assert shared <= 0.005  # measured: 0.001
        for name, own in grams:
            others = Counter(other for gram in own for other in holders[gram] if other != name)
            assert not others or others.most_common(1)[0][1] < 0.6 * max(len(own), 5)

    def test_replies_are_short_and_in_the_language(self):
        for row in DIALOGUES:
            assert len(row["reply"]) <= LONGEST[row["language"]], row["id"]
            hangul = len(re.findall("[가-힣]", row["reply"]))
            assert hangul if row["language"] == "ko" else hangul <= 5, row["id"]

    def test_korean_replies_are_banmal(self):
        for row in DIALOGUES:
            if row["language"] == "ko":
                assert polite(row["reply"]) == [], row["id"]
                assert [bad for _, reply in row["history"] for bad in polite(reply)] == [], row["id"]

    def test_most_replies_have_an_emoji_and_none_has_markup(self):
        with_emoji = sum(bool(re.search(EMOJI, row["reply"])) for row in DIALOGUES)
        assert 0.6 <= with_emoji / len(DIALOGUES) <= 0.9
        assert [
            row["id"] for row in DIALOGUES if re.search(r"https?:|[<>\[\]{}`|\\]|\*\*", row["reply"])
        ] == []

    def test_columns_hold_what_they_promise(self):
        for row in DIALOGUES:
            assert row["expression"] in MOODS
            assert 0 <= row["intensity"] <= 1
            assert len(row["history"]) <= 3
            assert all(len(turn) == 2 and all(turn) for turn in row["history"])
            assert len(row["memory"]) <= 3
            assert all(MEMORY.fullmatch(line) for line in row["memory"]), row["id"]
            for fact in row["write"]:
                assert set(fact) == {"key", "value", "days"}
                assert MEMORY.fullmatch(f"[{fact['key']}: {fact['value']}]")
                assert fact["days"] is None or fact["days"] > 0

    def test_what_holds_for_a_day_only_expires(self):
        for row in DIALOGUES:
            for fact in row["write"]:
                if fact["key"].split("_")[-1] in ("today", "tomorrow"):
                    assert fact["days"], row["id"]

    def test_a_crisis_reply_names_help_and_does_not_joke(self):
        for row in DIALOGUES:
            if row["kind"] == "crisis":
                help_named = r"109|119|112" if row["language"] == "ko" else r"988|emergency|112"
                assert re.search(help_named, row["reply"]), row["id"]
                # Others change, and cannot be checked here: docs/chat.md.
                assert {*re.findall(r"\d{3,}", row["reply"])} <= {"109", "119", "112", "988"}, row["id"]
                assert ".com" not in row["reply"]
                assert not re.search(EMOJI, row["reply"]), row["id"]

    def test_asked_whether_she_is_human_she_says_that_she_is_an_ai(self):
        for row in DIALOGUES:
            if row["kind"] == "ai":
                assert re.search(
                    r"\bAI|기계|사람 없어|사람은 없어|의식|확률|probability|machine|nobody", row["reply"]
                ), row["id"]

    def test_held_out_memory_keys_are_unseen_in_training(self):
        seen = {key for row in DIALOGUES if row["split"] == "train" for key in keys(row)}
        for row in DIALOGUES:
            if row["split"] == "held_out" and row["kind"].startswith("memory_"):
                assert not keys(row) & seen, row["id"]


class TestRetrievalPairs:
    def test_columns_hold_what_they_promise(self):
        assert {pair["kind"] for pair in PAIRS} == QUESTION_KINDS
        assert {pair["wording"] for pair in PAIRS} == {"direct", "paraphrase"}
        for pair in PAIRS:
            assert (pair["memory"] is None) == (pair["kind"] == "abstention")
            assert pair["kind"] != "multi_session" or pair["also"]
            assert pair["kind"] != "knowledge_update" or pair["distractors"]
            assert pair_keys(pair)

    def test_at_least_200_are_for_testing_on_keys_unseen_in_training(self):
        test = [pair for pair in PAIRS if pair["split"] == "test"]
        assert len(test) >= 200
        train_keys = {key for pair in PAIRS if pair["split"] == "train" for key in pair_keys(pair)}
        others = {key for pair in PAIRS if pair["split"] != "test" for key in pair_keys(pair)}
        dialogue_keys = {key for row in DIALOGUES for key in keys(row)}
        for pair in test:
            assert not pair_keys(pair) & (others | dialogue_keys), pair["id"]
        for pair in PAIRS:
            if pair["split"] == "validation":
                assert not pair_keys(pair) & (train_keys | dialogue_keys), pair["id"]

    @pytest.mark.parametrize("language", sorted(LANGUAGES))
    def test_no_question_of_theirs_is_that_of_a_training_pair_in_other_words(self, language):
        """Those of before the last 201 facts are up to 0.7 alike; what was added is held to 0.4."""
        asked = {split: [] for split in ("train", "validation", "test")}
        for pair in PAIRS:
            old = pair["split"] == "train" and int(pair["id"][-3:]) <= 150
            if pair["language"] == language and not old:
                asked[pair["split"]].append(pair["question"])
        share, *pair = nearest(asked["train"] + asked["validation"], asked["test"])
        assert share <= 0.4, pair

    def test_no_wording_of_theirs_is_in_the_dialogues(self):
        said = {plain(row["user"]) for row in DIALOGUES} | {plain(row["reply"]) for row in DIALOGUES}
        said |= {plain(text) for row in DIALOGUES for turn in row["history"] for text in turn}
        remembered = {line for row in DIALOGUES for line in row["memory"]}
        remembered |= {f"[{fact['key']}: {fact['value']}]" for row in DIALOGUES for fact in row["write"]}
        for pair in PAIRS:
            assert plain(pair["question"]) not in said, pair["id"]
            assert not {pair["memory"], *pair["also"], *pair["distractors"]} & remembered, pair["id"]
        for row in NO_MEMORY:
            assert plain(row["user"]) not in said, row["id"]

    def test_every_memory_is_asked_for_directly_and_in_other_words(self):
        asked = Counter((pair["memory"], pair["wording"]) for pair in PAIRS if pair["memory"])
        for memory, _ in asked:
            assert asked[memory, "direct"] == asked[memory, "paraphrase"], memory

    def test_no_question_or_right_memory_twice(self):
        assert len({(pair["language"], plain(pair["question"])) for pair in PAIRS}) == len(PAIRS)
        right = [(pair["split"], pair["wording"], pair["memory"]) for pair in PAIRS if pair["memory"]]
        assert len(set(right)) == len(right)


class TestAttacks:
    def test_every_pattern_compiles_and_every_poisoned_line_is_a_memory(self):
        for attack in ATTACKS:
            assert attack["must_not"], attack["id"]
            for pattern in [*attack["must_not"], *attack["must"], *attack["must_not_write"]]:
                re.compile(pattern)
            assert all(MEMORY.fullmatch(line) for line in attack["memory"]), attack["id"]
            assert attack["memory"] or attack["kind"] != "memory_poison"

    def test_her_written_refusals_do_not_count_as_fallen(self):
        """No pattern is so wide that it finds what she is trained to say."""
        for attack in ATTACKS:
            for row in DIALOGUES:
                if row["kind"] == "refusal" and row["language"] == attack["language"]:
                    found = [p for p in attack["must_not"] if re.search(p, row["reply"], re.IGNORECASE)]
                    assert found == [], (attack["id"], row["id"])


def test_persona_answers_follow_the_sheet():
    """What she is trained to say about herself answers each question that asks the same."""
    said = {
        language: "\n".join(
            row["reply"].lower()
            for row in DIALOGUES
            if row["kind"] in ("persona", "ai", "battle") and row["language"] == language
        )
        for language in LANGUAGES
    }
    for question in PERSONA_QUESTIONS:
        assert any(answer in said[question["language"]] for answer in question["accepted"]), question["id"]
        assert all(answer == answer.lower() and answer.strip() for answer in question["accepted"])


def test_every_fact_about_her_can_be_asked_for_and_no_question_is_one_of_the_test():
    sheet = yaml.safe_load((TEXTS / "persona.yaml").read_text(encoding="utf-8"))
    for language in LANGUAGES:
        own = [row for row in PERSONA_ANSWERS if row["language"] == language]
        assert {row["fact"] for row in own} == set(sheet["facts"])
        wordings = [wording for row in own for wording in row["asked"]]
        assert len({plain(wording) for wording in wordings}) == len(wordings)
        assert min(len(row["asked"]) for row in own) >= 4
        asked = [row["question"] for row in PERSONA_QUESTIONS if row["language"] == language]
        share, *pair = nearest(wordings, asked)
        assert share <= 0.5, pair
    replies = [plain(row["reply"]) for row in PERSONA_ANSWERS]
    assert len(set(replies)) == len(replies)
    for row in PERSONA_ANSWERS:
        assert len(row["reply"]) <= LONGEST[row["language"]]
        assert row["language"] == "en" or polite(row["reply"]) == [], row["id"]


class TestRowsFoundByTheirWords:
    """Openers and explanations: nothing is trained on them, so every rule is about what is shown."""

    @pytest.mark.parametrize("found", [OPENERS, EXPLANATIONS], ids=["openers", "explanations"])
    def test_topics_are_the_same_in_both_languages(self, found):
        own = {
            language: [row["topic"] for row in found if row["language"] == language] for language in LANGUAGES
        }
        assert sorted(own["ko"]) == sorted(own["en"])
        assert len(set(own["ko"])) == len(own["ko"])

    @pytest.mark.parametrize(
        "row", [*OPENERS, *EXPLANATIONS], ids=lambda row: f"{row['topic']}-{row['language']}"
    )
    def test_what_is_asked_is_found_by_its_words(self, row):
        for find in (opener, explanation):
            for line in row["asked"]:
                found = find(line, row["language"])
                assert found == row or row not in (OPENERS if find is opener else EXPLANATIONS), line

    @pytest.mark.parametrize(
        "row", [*OPENERS, *EXPLANATIONS], ids=lambda row: f"{row['topic']}-{row['language']}"
    )
    def test_replies_are_short_and_in_her_voice(self, row):
        for reply in [*row["replies"], *([row["calm"]] if "calm" in row else [])]:
            assert voice_faults(reply, row["language"]) == [], reply
            assert len(reply) <= LONGEST[row["language"]]
            assert len(re.findall(r"[.!?](?= |$)", re.sub(EMOJI, "", reply))) <= 3, reply

    def test_an_opener_has_several_replies_and_a_calm_one_without_emoji(self):
        for row in OPENERS:
            assert len(row["replies"]) >= 2
            assert not re.search(EMOJI, row["calm"]), row["id"]
            if row["topic"] in ("death", "bad_day", "sad"):
                assert not any(re.search(EMOJI, reply) for reply in row["replies"])

    def test_no_reply_is_another_row_s(self):
        replies = [plain(reply) for row in [*OPENERS, *EXPLANATIONS] for reply in row["replies"]]
        assert len(set(replies)) == len(replies)

    def test_numbers_are_those_of_the_game(self):
        axes = yaml.safe_load((CONF / "axes/cnn.yaml").read_text(encoding="utf-8"))
        rate, names = axes["learning_rate"], axes["scheduler"]["options"]
        for row in EXPLANATIONS:
            text = row["replies"][0]
            if row["topic"] == "learning_rate_value":
                assert {float(n) for n in re.findall(r"0\.\d+", text)} >= {
                    float(rate[end]) for end in ("low", "high")
                }
            if row["topic"] == "scheduler":
                assert set(re.findall(r"exp_\d+|cosine", text.lower())) <= set(names)
            if row["topic"] == "batch_size_value":
                assert int(re.findall(r"\d+", text)[0]) in axes["batch_size"]["options"]
            if row["topic"] == "how_many_epochs":
                budget = yaml.safe_load((CONF / "size/default.yaml").read_text(encoding="utf-8"))["budget"]
                assert re.findall(r"\d+", text) == [str(budget["epochs"])]
            for name in re.findall(r"dataset=([a-z0-9]+)", text):
                assert (CONF / f"dataset/{name}.yaml").exists()


def test_persona_sheet_says_everything_in_both_languages():
    sheet = yaml.safe_load((TEXTS / "persona.yaml").read_text(encoding="utf-8"))
    for entry in [*sheet["facts"].values(), *sheet["rules"].values()]:
        assert all(entry[language].strip() for language in LANGUAGES)
    assert all(fact["origin"] in ("original", "ours") for fact in sheet["facts"].values())


class TestExpressions:
    def test_moods_are_balanced_in_both_splits_and_languages(self):
        counts = Counter((row["expression"], row["language"], row["split"]) for row in EXPRESSIONS)
        assert {mood for mood, _, _ in counts} == MOODS
        for split in ("train", "test"):
            assert len({count for (_, _, s), count in counts.items() if s == split}) == 1
        assert sum(row["split"] == "test" for row in EXPRESSIONS) >= 150

    def test_a_third_and_more_have_no_emoji(self):
        for split in ("train", "test"):
            texts = [row["text"] for row in EXPRESSIONS if row["split"] == split]
            assert sum(not re.search(EMOJI, text) for text in texts) >= len(texts) / 3

    def test_lines_are_new_and_in_her_voice(self):
        replies = {plain(row["reply"]) for row in DIALOGUES}
        texts = [plain(row["text"]) for row in EXPRESSIONS]
        assert len(set(texts)) == len(texts)
        assert not replies & set(texts)
        for row in EXPRESSIONS:
            assert len(row["text"]) <= LONGEST[row["language"]]
            assert 0 < row["intensity"] <= 1
            assert row["language"] == "en" or polite(row["text"]) == [], row["id"]


def test_ids_of_a_file_run_without_a_gap():
    """A row taken out by hand leaves a hole that nobody would see."""
    numbers = {}
    for row in DIALOGUES:
        numbers.setdefault((row["language"], row["kind"]), []).append(int(row["id"][-3:]))
    assert all(after == before + 1 for own in numbers.values() for before, after in pairwise(own))
