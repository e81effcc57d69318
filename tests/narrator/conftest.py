"""Matches with any verdicts."""

from dataclasses import replace

import pytest

from ohlora.battle.result import DatasetName, MatchResult, Played, SubsetSummary
from ohlora.battle.verdict import Verdict

OWN_F1 = 0.5
# Differences well inside each verdict, and scores that a first and a second attempt do not share.
DIFFERENCE = {
    Verdict.LOST_BY_FAR: (-0.2113, -0.1874),
    Verdict.LOST_CLEARLY: (-0.0842, -0.0617),
    Verdict.LOST_NARROWLY: (-0.0131, -0.0078),
    Verdict.DRAW: (0.0, 0.0),
    Verdict.WON_NARROWLY: (0.0124, 0.0093),
    Verdict.WON_CLEARLY: (0.0713, 0.0934),
    Verdict.WON_BY_FAR: (0.1812, 0.2315),
}
CHALLENGER = {
    "learning_rate": 0.00123,
    "optimizer": "adamw",
    "scheduler": "cosine",
    "activation": "relu",
    "dropout_fc": 0.35,
    "batch_size": 64,
}
OHLORA = {
    "learning_rate": 0.0031,
    "optimizer": "adam",
    "scheduler": "exp_90",
    "activation": "leaky_relu",
    "dropout_fc": 0.12,
    "batch_size": 32,
}


def a_match(
    *verdicts, language="ko", kind="human", player="you", title="Fashion-MNIST", name="fashion", swap=False
):
    """A match whose attempts end as `verdicts` say; `swap` exchanges which equal verdict scored more."""
    attempts = [
        Played(
            contestant=player if kind == "human" else kind,
            kind=kind,
            params=CHALLENGER,
            val_f1=0.4321,
            test_f1=OWN_F1 + DIFFERENCE[Verdict(verdict)][place != swap],
        )
        for place, verdict in enumerate(verdicts)
    ]
    return MatchResult(
        dataset=DatasetName(name, title),
        subset=SubsetSummary("varied", 1000007, ("a", "b", "c"), (120, 85, 240), 120, 500),
        rules="house",
        attempts=(Played("Oh-LoRA", "ohlora", OHLORA, 0.5123, OWN_F1), *attempts),
        verdicts=tuple(map(Verdict, verdicts)),
        winner="draw",
        predicted_f1=0.5456,
        predicted_sd=0.02,
        seal=None,
        language=language,
        commit="",
    )


def with_scores(played, scores):
    """The match with other test scores, Oh-LoRA's first."""
    attempts = zip(played.attempts, scores, strict=True)
    return replace(played, attempts=tuple(replace(attempt, test_f1=score) for attempt, score in attempts))


@pytest.fixture(scope="session")
def rescored():
    return with_scores


@pytest.fixture(scope="session")
def match():
    return a_match


PARROT_LINE = "내가 크게 이겼어 😎 {gap} 차이라니 눈부시지 ✨"


@pytest.fixture(scope="session")
def tokenizer():
    """A real tokenizer that has read Oh-LoRA's lines only."""
    from ohlora.narrator.tokenizer import train_tokenizer
    from ohlora.narrator.training import read_source

    lines = [line.text for line in read_source()]
    return train_tokenizer(lines, lines, vocab_size=2500, max_length=256)


def small_model(tokenizer):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )


@pytest.fixture(scope="session")
def babbler(tokenizer, tmp_path_factory):
    """The folder of a language model that has learned nothing."""
    folder = tmp_path_factory.mktemp("babbler")
    small_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def parrot(tokenizer, tmp_path_factory):
    """The folder of a language model that says PARROT_LINE whatever it is told."""
    import torch

    from ohlora.narrator.training import read_rows

    model = small_model(tokenizer)
    prompts = [f"<user>{row['prompt']}<end>" for row in read_rows()[::40]]
    line = tokenizer(f"<assistant>{PARROT_LINE}<end>")["input_ids"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(120):
        told = tokenizer(prompts[step % len(prompts)])["input_ids"]
        ids = torch.tensor([told + line])
        labels = torch.tensor([[-100] * len(told) + line])
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01
    folder = tmp_path_factory.mktemp("parrot")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
