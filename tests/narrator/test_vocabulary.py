"""A vocabulary cut to Korean and English: same tokens for their text, same model over the rest."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from ohlora.narrator.training import read_source
from ohlora.narrator.vocabulary import cut_embeddings, cut_tokenizer, needed, tokens_to_keep

RUSSIAN = ["хороший день для прогулки", "сегодня хорошая погода", "прогулка по городу"] * 20
KNOWN = {"stool", "open", "opened"}.__contains__


@pytest.fixture(scope="module")
def whole():
    """The content of a tokenizer.json made as Gemma's is: BPE over whole texts, byte fallback, no splits."""
    lines = [line.text for line in read_source()]
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.train_from_iterator([*lines, *RUSSIAN], trainers.BpeTrainer(vocab_size=3000, show_progress=False))
    content = json.loads(trained.to_str())
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<unused0>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *content["model"]["vocab"]]
    content["model"] |= {
        "vocab": {piece: number for number, piece in enumerate(pieces)},
        "unk_token": "<unk>",
        "byte_fallback": True,
        "fuse_unk": True,
    }
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content["added_tokens"] = [{"id": at, "content": name, **flags} for at, name in enumerate(special)]
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}},
    }
    content["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    }
    return content


@pytest.fixture(scope="module")
def keep(whole):
    return tokens_to_keep(whole, KNOWN)


def test_korean_and_english_are_cut_up_as_before_and_other_text_comes_back(whole, keep):
    cut = cut_tokenizer(whole, keep)
    before, after = (Tokenizer.from_str(json.dumps(content)) for content in (whole, cut))
    assert after.get_vocab_size() == len(keep) < before.get_vocab_size()
    for line in read_source():
        assert after.encode(line.text).tokens == before.encode(line.text).tokens
    for text in [*RUSSIAN[:3], "漢字 and 한글 😆"]:
        assert after.decode(after.encode(text).ids) == text
    assert not [token for token in cut["model"]["vocab"] if "о" in token or token == "<unused0>"]
    assert after.encode("a").ids[0] == after.token_to_id("<bos>")


def test_what_is_left_is_as_likely_as_before(whole, keep):
    config = Gemma3TextConfig(
        vocab_size=len(whole["model"]["vocab"]),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        layer_types=["sliding_attention", "full_attention"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Gemma3ForCausalLM(config).eval()
    cut = cut_tokenizer(whole, keep)
    line = read_source()[0].text
    before, after = (Tokenizer.from_str(json.dumps(content)).encode(line).ids for content in (whole, cut))
    with torch.inference_mode():
        expected = model(torch.tensor([before])).logits[..., keep]
        cut_embeddings(model, keep)
        found = model(torch.tensor([after])).logits
    assert model.config.vocab_size == found.shape[-1] == len(keep)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("token", "number", "kept"),
    [
        ("▁stool", 100_000, True),
        ("▁opened", 100_000, True),
        ("stool", 100_000, False),
        ("▁Stool", 50_000, True),
        ("▁stool", 200_000, False),
        ("▁combinatie", 100_000, False),
        ("▁combinatie", 10_000, True),
        ("▁GPU", 200_000, True),
        ("겠죠", 240_000, True),
        ("😆", 250_000, True),
        ("~~~~", 150_000, True),
        ("größe", 1_000, False),
        ("день", 1_000, False),
        ("漢", 1_000, False),
    ],
)
def test_what_is_needed(token, number, kept):
    assert needed(token, number, KNOWN) is kept
