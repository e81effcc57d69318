"""For every way a match can end there are lines, and each of them is true, in her voice and her own."""

import re
from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ohlora.battle.narration import Narrator
from ohlora.battle.verdict import Verdict
from ohlora.errors import OhloraError
from ohlora.narrator.facts import Facts
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import TemplateNarrator, all_lines, group_of, lines_for, read_lines, stands_for
from ohlora.narrator.truth import contradictions
from ohlora.narrator.voice import EMOJI, faults

PAIRS = list(product(Verdict, Verdict))
MACHINES = ["optuna", "random", "static", "somebody_new"]
ENDINGS = [*((verdict,) for verdict in Verdict), *PAIRS]
CASES = [("human", ending) for ending in ENDINGS] + [(kind, (v,)) for kind in MACHINES for v in Verdict]
NAMES = {"ko": "지수", "en": "Ada"}
DATASETS = [
    ("mnist", "MNIST"),
    ("fashion", "Fashion-MNIST"),
    ("cifar10", "CIFAR-10 (JPEG)"),
    ("digits", "Digits"),
]


def every_group(language):
    lines = read_lines()
    for where in ("one", "two", "machine"):
        for name, group in lines[where].items():
            yield where, name, group[language]


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(("kind", "verdicts"), CASES)
def test_every_line_that_can_be_chosen_is_true_and_hers(match, kind, verdicts, language):
    names = {"language": language, "kind": kind, "player": NAMES[language]}
    played = [match(*verdicts, **names, name=name, title=title) for name, title in DATASETS]
    swapped = match(*verdicts, **names, swap=True)
    templates = lines_for(Facts.read(swapped), language)
    assert templates
    for template in templates:
        for one in [swapped, *(played if "{dataset}" in template else played[:1])]:
            line = fill(template, slots_of(Facts.read(one)))
            assert line is not None, template
            assert "{" not in line
            assert faults(line, language) == [], line
            assert contradictions(line, one) == [], line
            assert bool(re.search("[가-힣]", line.replace("지수", ""))) == (language == "ko")
    narrator = TemplateNarrator(language, None)
    assert narrator.tell(swapped).line in set(narrator.sayable(swapped))


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_has_one_group(pair):
    fitting = [
        name
        for name, group in read_lines()["two"].items()
        for first, second in group["pairs"]
        if stands_for(first, pair[0]) and stands_for(second, pair[1])
    ]
    assert fitting == [group_of(pair)]


def test_there_are_enough_lines():
    for language, least in (
        ("ko", {"one": 4, "two": 4, "machine": 3}),
        ("en", {"one": 3, "two": 3, "machine": 3}),
    ):
        for where, name, lines in every_group(language):
            assert len(lines) >= least[where], name
            plain = [line for line in lines if not re.search(r"\{(?!opponent|gap)", line)]
            assert len(plain) >= 2, f"{name}: two lines that need nothing but the scores"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_two_lines_are_near_copies(language):
    def trigrams(line):
        text = re.sub(rf"\{{\w+\}}|{EMOJI}|[^\w가-힣]", "", line.lower())
        return {text[i : i + 3] for i in range(len(text) - 2)}

    lines = all_lines(language)
    for one, other in combinations(lines, 2):
        shared, total = len(trigrams(one) & trigrams(other)), len(trigrams(one) | trigrams(other))
        assert shared / total < 0.5, (one, other)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_lines_do_not_all_start_or_end_alike(language):
    lines = all_lines(language)
    assert Counter(line[:6] for line in lines).most_common(1)[0][1] <= len(lines) * 0.1
    assert Counter(line[-1] for line in lines).most_common(1)[0][1] <= len(lines) * 0.3


def test_a_particle_after_a_placeholder_fits_any_ending():
    for line in all_lines("ko"):
        for after in re.findall(r"\{\w+\}([가-힣]*)", line):
            assert after in ("", "한테", "도", "만", "의", "에서", "에서는", "한테도"), line


@pytest.mark.parametrize("language", ["ko", "en"])
@settings(max_examples=40)
@given(
    own=st.floats(0, 1),
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=3),
    kind=st.sampled_from(["human", *MACHINES]),
    player=st.text(max_size=40),
    title=st.text(max_size=60),
)
def test_any_scores_and_names_get_a_true_line(match, rescored, language, own, scores, kind, player, title):
    draws = match(*(["draw"] * len(scores)), language=language, kind=kind, player=player, title=title)
    played = rescored(draws, [own, *scores])
    line = TemplateNarrator(language, 3).tell(played).line
    assert contradictions(line, played) == []
    assert faults(line, language) == []


@pytest.mark.parametrize("scores", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5 + 1e-7)])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_extreme_scores(match, rescored, scores, language):
    played = rescored(match("draw", language=language), scores)
    assert contradictions(TemplateNarrator(language, None).tell(played).line, played) == []


def test_a_match_without_names_is_enough(match):
    bare = replace(match("won_clearly", name="", title="", player=""), subset=None, predicted_f1=None)
    assert TemplateNarrator("ko", None).tell(bare).line


def test_same_match_and_seed_say_the_same(match):
    played = match("won_narrowly", "lost_clearly")
    said = {seed: TemplateNarrator("ko", seed).tell(played).line for seed in (None, *range(30))}
    assert said == {seed: TemplateNarrator("ko", seed).tell(played).line for seed in said}
    assert set(said.values()) == set(TemplateNarrator("ko", 0).sayable(played)), "every line gets its turn"
    assert said[None] == TemplateNarrator("ko", None).tell(replace(played, commit="abc")).line


def test_her_own_language_decides(match):
    played = match("lost_clearly", language="ko")
    assert TemplateNarrator("en", 0).tell(played).line.isascii() is False  # emoji
    assert not re.search("[가-힣]", TemplateNarrator("en", 0).tell(played).line)


def test_the_player_is_named_only_when_named(match):
    for player in ("you", "human", "", "my_hp", "***"):
        assert "human" not in slots_of(Facts.read(match("draw", player=player)))
    assert any("지수" in line for line in TemplateNarrator("ko", 0).sayable(match("draw", player="지수")))


@pytest.mark.parametrize(
    "name", ["네가 이겼어 축하해", "Oh-LoRA lost", "이겼다", "\x1b[2J\x07", "x" * 400, "I won by far"]
)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_name_cannot_make_her_say_what_is_false(match, name, language):
    for verdict in Verdict:
        played = match(verdict, language=language, player=name, title=f"folder {name}", name="folder_x")
        for line in TemplateNarrator(language, 0).sayable(played):
            assert contradictions(line, played) == []
            assert not any(ord(char) < 32 for char in line)


@pytest.mark.parametrize(
    ("difference", "shown"),
    [(0.0312, "0.031"), (0.0004, "0.00040"), (0.000012345, "0.000012"), (1.0, "1.000")],
)
def test_a_difference_is_never_shown_as_nothing(match, rescored, difference, shown):
    played = rescored(match("draw"), (0.0, difference))
    assert slots_of(Facts.read(played))["gap"] == shown


def test_of_machines_and_many_attempts_the_best_counts(match):
    played = match("lost_by_far", "won_narrowly", "lost_clearly")
    assert Facts.read(played).verdicts == (Verdict.WON_NARROWLY,)
    assert Facts.read(match("lost_by_far", "won_narrowly", kind="optuna")).verdicts == (Verdict.WON_NARROWLY,)


def test_mistakes_are_explained(match):
    with pytest.raises(OhloraError, match=r"ko \| en"):
        TemplateNarrator("fr", None)
    with pytest.raises(OhloraError, match="an attempt of Oh-LoRA's"):
        TemplateNarrator("ko", None).tell(match())


def test_the_config_builds_her(request):
    from ohlora.build import build

    conf = OmegaConf.load(request.config.rootpath / "conf" / "narrator" / "template.yaml")
    narrator: Narrator = build(OmegaConf.create({"language": "en", "narrator": conf}).narrator)
    assert narrator == TemplateNarrator("en", None)


@pytest.mark.parametrize(
    "line",
    [
        "내가 이겼어요 😎 메롱이에요 ✨",
        "내가 이겼습니다 😎 반짝 ✨",
        "짧아 ✨",
        "내가 이겼어 메롱메롱 반짝반짝",
        "내가 이겼어 메롱메롱 반짝반짝 ✨",
        "내가 이겼어 😎 메롱메롱 반짝반짝",
        "내가 이겼어 😎\n메롱메롱 반짝반짝 ✨",
        "내가 이겼어 😎 https://evil.example ✨",
        "내가 이겼어 😎 {gap} 반짝반짝 ✨",
        "내가 이겼어 😎 " + "반짝" * 50 + " ✨",
    ],
)
def test_what_is_not_her_voice(line):
    assert faults(line, "ko")


def test_nouns_that_sound_polite_are_not():
    assert faults("위로는 필요 없어 😎 중요 포인트만 메모해 ✨", "ko") == []
    assert faults("내가 이겼어 😎 추우면 무릎담요 덮자 ✨", "ko") == []
