"""The small model's own tokenizer."""

import copy

import pytest

from ohlora.narrator.facts import Facts
from ohlora.narrator.prompt import narrator_prompt, phrases
from ohlora.narrator.slots import SLOTS
from ohlora.narrator.tokenizer import add_facts
from ohlora.narrator.training import read_source


def test_every_line_comes_back(tokenizer):
    for line in read_source():
        ids = tokenizer(line.text)["input_ids"]
        assert tokenizer.unk_token_id not in ids, line.text
        assert tokenizer.decode(ids) == line.text


def test_a_slot_is_one_token_and_digits_stand_alone(tokenizer):
    for name in SLOTS:
        assert len(tokenizer(f"{{{name}}}")["input_ids"]) == 1
    assert len(tokenizer("12345")["input_ids"]) == 5


@pytest.fixture(scope="module")
def informed(tokenizer):
    """A tokenizer that knows facts; the other does not."""
    copied = copy.deepcopy(tokenizer)
    add_facts(copied)
    assert len(copied) > len(tokenizer)
    return copied


def test_a_prompt_s_fact_is_one_token_and_no_line_holds_one(informed):
    tokenizer = informed
    facts = phrases()
    assert len(tokenizer("\n".join(facts))["input_ids"]) == len(facts)
    alone = {tokenizer(fact)["input_ids"][0] for fact in facts}
    assert len(alone) == len(facts)
    for line in read_source():
        assert not alone & set(tokenizer(line.text)["input_ids"]), line.text


def test_a_prompt_is_facts_alone(informed, match):
    prompt = narrator_prompt(Facts.read(match("lost_clearly", "won_by_far")), "en")
    assert informed.convert_ids_to_tokens(informed(prompt)["input_ids"]) == [
        "data Fashion-MNIST",
        "first you lost clearly",
        "lr low",
        "second you won by far",
        "score higher",
        "lr low",
        "final: you win (first you lost clearly, second you won by far)",
    ]


def test_turns_are_closed(tokenizer):
    told = [{"role": "user", "content": "데이터 MNIST\n종합 무승부"}]
    text = tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False)
    assert text == "<user>데이터 MNIST\n종합 무승부<end><assistant>"
    whole = tokenizer.apply_chat_template([*told, {"role": "assistant", "content": "비겼다"}], tokenize=False)
    assert whole == f"{text}비겼다<end>"


@pytest.mark.parametrize("token", ["pad_token", "eos_token", "unk_token"])
def test_special_tokens_differ(tokenizer, token):
    others = {"pad_token", "eos_token", "unk_token"} - {token}
    assert getattr(tokenizer, token) not in {getattr(tokenizer, other) for other in others}
