"""Language models of transformers: loaded, and asked for lines."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from ohlora.errors import OhloraError, need_packages
from ohlora.narrator.language_model import LanguageModelNarrator
from ohlora.narrator.model_folder import find_model, note_reading

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def write_lines(narrator: LanguageModelNarrator, prompt: str, seed: tuple[int, int]) -> list[str]:
    """`draws` raw lines for a prompt; the seed is mixed with the prompt's text."""
    tokenizer, model = narrator.loaded
    asked = tokenizer.apply_chat_template(
        turns(prompt, narrator.language, narrator.persona)["prompt"],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    ).to(model.device)
    return sampled(narrator, asked, hash_of(prompt, *seed), narrator.draws)


def write_each(speaker: Any, prompts: Sequence[tuple[str, str]], seed: tuple[int, ...]) -> list[str]:
    """One raw text for each (prompt, language), all drawn at once: for many that nobody waits for."""
    tokenizer, model = speaker.loaded
    asked = tokenizer.apply_chat_template(
        [turns(prompt, language, speaker.persona)["prompt"] for prompt, language in prompts],
        add_generation_prompt=True,
        padding=True,
        tokenizer_kwargs={"padding_side": "left"},
        return_tensors="pt",
        return_dict=True,
    ).to(model.device)
    return sampled(speaker, asked, hash_of("\0".join(prompt for prompt, _ in prompts), *seed), 1)


def sampled(speaker: Any, asked: Any, seed: int, draws: int) -> list[str]:
    """`draws` texts for each prompt of a batch."""
    tokenizer, model = speaker.loaded
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.inference_mode():
        torch.manual_seed(seed)
        written = model.generate(
            **asked,
            do_sample=True,
            temperature=speaker.temperature,
            top_p=speaker.top_p,
            top_k=0,
            num_return_sequences=draws,
            max_new_tokens=speaker.max_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    fresh = written[:, asked["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(fresh, skip_special_tokens=True)]


def load_narrator(narrator: LanguageModelNarrator) -> tuple[Any, Any]:
    """A narrator's tokenizer and its model, with its adapter merged in."""
    device = narrator.device if narrator.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(narrator.model, torch.device(device), None)
    if narrator.adapter:
        need_packages("narrator", "peft")
        from peft import PeftModel

        with warnings.catch_warnings():  # PEFT only warns where none of an adapter's weights found a place
            warnings.simplefilter("ignore", FutureWarning)  # PEFT 0.21 asks transformers the old way
            warnings.filterwarnings("error", message=".*adapter keys")
            try:
                folder = find_model(narrator.adapter)
                model = PeftModel.from_pretrained(model, folder).merge_and_unload()
                note_reading(folder, "adapter_model")
            except (UserWarning, RuntimeError, ValueError, KeyError, TypeError) as error:
                why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                raise OhloraError(f"{narrator.adapter} does not fit {narrator.model}: {why}") from None
    return load_tokenizer(narrator.model), model.eval()


def nats_of(speaker: Any, prompt: str, language: str, completion: str) -> tuple[float, int]:
    """Negative log-likelihood of a completion and its end, in nats, and how many tokens they are."""
    tokenizer, model = speaker.loaded
    columns = turns(prompt, language, speaker.persona, completion)
    before, both = (
        tokenizer.apply_chat_template(messages, add_generation_prompt=asked, return_dict=True)["input_ids"]
        for messages, asked in ((columns["prompt"], True), (columns["prompt"] + columns["completion"], False))
    )
    count = len(both) - len(before)
    ids = torch.tensor([both], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, logits_to_keep=count + 1).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, -count:], reduction="sum")), count


def turns(
    prompt: str, language: str, persona: Mapping[Any, str] | None, completion: str | None = None
) -> dict[str, Any]:
    """A prompt, and the line that answers it where one is given, as TRL's conversational columns."""
    system = [{"role": "system", "content": persona[language]}] if persona else []
    columns: dict[str, Any] = {"prompt": [*system, {"role": "user", "content": prompt}]}
    if completion is not None:
        columns["completion"] = [{"role": "assistant", "content": completion}]
    return columns


def hash_of(prompt: str, *numbers: int) -> int:
    """A number below 2**63 that is the same everywhere, unlike Python's hash."""
    text = "\0".join([prompt, *map(str, numbers)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def load_tokenizer(name: str) -> Any:
    """A model's tokenizer; one without a chat template is refused, its lines would be guesswork."""
    tokenizer = AutoTokenizer.from_pretrained(find_model(name))
    if not tokenizer.chat_template:
        raise OhloraError(
            f"{name} has no chat template: it is not a model that answers; take an instruct model"
        )
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        # With pad and end the same, the end would be masked out and never be learned.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.bos_token or tokenizer.eos_token
    return tokenizer


def load_model(name: str, device: torch.device, bits: int | None) -> Any:
    """A causal language model in fp32 (bf16 on a card that has it), or quantised to `bits`."""
    folder = find_model(name)
    native = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
    options: dict[str, Any] = {"dtype": torch.bfloat16 if native else torch.float32, "use_safetensors": True}
    if bits:
        from transformers import BitsAndBytesConfig

        need_packages("quantised", "bitsandbytes", "accelerate")
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=options["dtype"]
        )
        return AutoModelForCausalLM.from_pretrained(folder, device_map={"": device}, **options)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):  # they would be drawn at random
        raise OhloraError(f"{name} lacks {len(missing)} of its weights, {missing[0]} first")
    note_reading(folder, "model")
    return model.to(device)
