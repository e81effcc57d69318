"""A language model's text as it is written, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ohlora.narrator.generation import hash_of, turns

# Keys and values of what each model has read last, and its tokens. A conversation's prompts begin with the
# same persona, and a second draw has the same prompt: only what is new is read again.
LAST_READ: WeakKeyDictionary[Any, tuple[Any, list[int]]] = WeakKeyDictionary()


def stream_line(speaker: Any, prompt: str, language: str, seed: tuple[int, ...]) -> Iterator[str]:
    """Pieces of the text that answers a prompt, until its end token or `max_tokens`.

    `speaker` has loaded, persona, temperature, top_p and max_tokens. Nucleus sampling (arXiv:1904.09751).
    """
    tokenizer, model = speaker.loaded
    asked = tokenizer.apply_chat_template(
        turns(prompt, language, speaker.persona)["prompt"],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    ).to(model.device)
    chance = torch.Generator(device="cpu").manual_seed(hash_of(prompt, *seed))
    fresh, written, shown = asked["input_ids"][0].tolist(), [], ""
    cache, read = take_last_read(model, fresh)
    fresh = fresh[len(read) :]
    for _ in range(speaker.max_tokens):
        LAST_READ.pop(model, None)  # an interrupt may leave half of a token in the cache
        with torch.inference_mode():
            ids = torch.tensor([fresh], device=model.device)
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache, read = out.past_key_values, [*read, *fresh]
        LAST_READ[model] = cache, read
        token = draw(out.logits[0, -1].float().cpu(), speaker.temperature, speaker.top_p, chance)
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
        text = tokenizer.decode(written, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # a character whose bytes are not all there yet
            yield text[len(shown) :]
            shown = text
        fresh = [token]


def take_last_read(model: Any, prompt: list[int]) -> tuple[Any, list[int]]:
    """The cache of the tokens that `prompt` shares with what was read last, and these tokens."""
    cache, read = LAST_READ.pop(model, (None, []))
    shared = 0
    while shared < min(len(read), len(prompt) - 1) and read[shared] == prompt[shared]:
        shared += 1
    if shared and shared < len(read):
        # A layer whose sliding window has moved on has forgotten what a shorter text would need.
        with suppress(RuntimeError, ValueError, NotImplementedError):
            cache.crop(shared - len(read))
            return cache, prompt[:shared]
    elif shared:
        return cache, read
    return None, []


def draw(logits: torch.Tensor, temperature: float, top_p: float, chance: torch.Generator) -> int:
    """A token of the smallest set that holds `top_p` of the probability."""
    probabilities, tokens = torch.softmax(logits / temperature, dim=-1).sort(descending=True)
    kept = probabilities.cumsum(0) - probabilities < top_p
    return int(tokens[torch.multinomial(probabilities * kept, 1, generator=chance)])
