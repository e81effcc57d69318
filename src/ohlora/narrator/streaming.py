"""A language model's text as it is written, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ohlora.narrator.generation import hash_of, turns


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
    ids, cache, written, shown = asked["input_ids"], None, [], ""
    for _ in range(speaker.max_tokens):
        with torch.inference_mode():
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        token = draw(out.logits[0, -1].float().cpu(), speaker.temperature, speaker.top_p, chance)
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
        text = tokenizer.decode(written, skip_special_tokens=True)
        if not text.endswith("\ufffd"):  # a character whose bytes are not all there yet
            yield text[len(shown) :]
            shown = text
        ids = torch.tensor([[token]], device=model.device)


def draw(logits: torch.Tensor, temperature: float, top_p: float, chance: torch.Generator) -> int:
    """A token of the smallest set that holds `top_p` of the probability."""
    probabilities, tokens = torch.softmax(logits / temperature, dim=-1).sort(descending=True)
    kept = probabilities.cumsum(0) - probabilities < top_p
    return int(tokens[torch.multinomial(probabilities * kept, 1, generator=chance)])
