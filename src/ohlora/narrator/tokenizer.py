"""A tokenizer for a small model: every slot is one token, her emoji are known; facts are learned later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ohlora.narrator.prompt import phrases
from ohlora.narrator.slots import SLOTS

EMPHASIS = 100  # each line counts as so many documents: her words become tokens, English ones above all
UNKNOWN, PAD, END = "<unk>", "<pad>", "<end>"
TURNS = {role: f"<{role}>" for role in ("system", "user", "assistant")}
# The end closes every turn, so a generated line stops where she stops talking.
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}" + TURNS["assistant"] + "{% endif %}"
)


def train_tokenizer(
    corpus: Sequence[str], lines: Sequence[str], vocab_size: int, max_length: int
) -> PreTrainedTokenizerFast:
    """Byte-pair encoding (arXiv:1508.07909), learned from a corpus and from what she reads and says.

    A character that is rare in the corpus and foreign to `lines` is unknown.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="never"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SLOTS),
        special_tokens=[UNKNOWN, PAD, END, *TURNS.values()],
        initial_alphabet=sorted({char for line in lines for char in line}),
        limit_alphabet=2000,
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain(corpus, *[lines] * EMPHASIS), trainer)
    tokenizer.add_tokens([AddedToken(f"{{{name}}}", normalized=False) for name in SLOTS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(TURNS.values()),
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def add_facts(tokenizer: PreTrainedTokenizerFast) -> None:
    """Make every fact of a prompt one token: of many, a small model takes first attempts for second ones."""
    facts = [AddedToken(fact, normalized=False, lstrip=True) for fact in phrases()]
    tokenizer.add_tokens(facts)  # type: ignore[arg-type]  # another name for the same class
