"""A language model speaks for Oh-LoRA; what is not true or not hers is never shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer

from ohlora.battle.narration import Told
from ohlora.battle.result import MatchResult
from ohlora.errors import OhloraError, need_packages
from ohlora.narrator.facts import LANGUAGES, Facts
from ohlora.narrator.prompt import narrator_prompt
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import TemplateNarrator
from ohlora.narrator.truth import contradictions
from ohlora.narrator.voice import faults

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
WEIGHTS = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]  # nothing that has to be unpickled


@dataclass(frozen=True)
class Draw:
    """A line as a model wrote it, and why it may not be shown."""

    raw: str  # slots not filled yet
    line: str  # filled; as raw where a slot has no answer
    contradictions: list[str]
    faults: list[str]  # of her voice

    @property
    def shown(self) -> bool:
        return not (self.contradictions or self.faults)


@dataclass(frozen=True)
class LanguageModelNarrator:
    """Says a line that a causal language model of transformers writes and that is true of the match.

    A few lines are drawn at once, the first good one is said; where none is, a second time; then a written
    line. The same match and seed give the same line on the same machine.
    """

    language: str  # ko | en
    seed: int | None
    model: str  # a folder, or a name on the Hub
    adapter: str | None  # a folder or name of a PEFT adapter for it
    persona: Mapping[str, str] | None  # what the model is told it is, by language
    draws: int  # lines drawn at once
    rounds: int  # times it may draw
    temperature: float
    top_p: float  # nucleus sampling (arXiv:1904.09751)
    max_tokens: int
    device: str  # auto | cpu | cuda

    def __post_init__(self) -> None:
        checks = (
            ("language", self.language, self.language in LANGUAGES, f"one of {' | '.join(LANGUAGES)}"),
            ("narrator.draws", self.draws, self.draws >= 1, "1 or more"),
            ("narrator.rounds", self.rounds, self.rounds >= 1, "1 or more"),
            ("narrator.temperature", self.temperature, self.temperature > 0, "above 0"),
            ("narrator.top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1"),
        )
        if wrong := [f"{name}={value} is not {allowed}" for name, value, good, allowed in checks if not good]:
            raise OhloraError("; ".join(wrong))
        for name in filter(None, (self.model, self.adapter)):
            find_model(name)

    def tell(self, match: MatchResult) -> Told:
        """A line on `match`, and how often a line was refused."""
        told = replace(match, language=self.language)
        refused: list[str] = []
        if Facts.read(told).human:  # there is no training text on machines
            for number in range(self.rounds):
                for draw in self.draw(told, number):
                    if draw.shown:
                        return Told(draw.line, refused=tuple(refused), written=False)
                    refused.append(draw.line)
        line = TemplateNarrator(self.language, self.seed).tell(match).line
        return Told(line, refused=tuple(refused), written=True)

    def draw(self, match: MatchResult, number: int) -> Iterator[Draw]:
        """The lines of the draw called `number`, each with what is wrong with it."""
        facts = Facts.read(match)
        values = slots_of(facts)
        for raw in self.write(narrator_prompt(facts, self.language), (self.seed or 0, number)):
            line = fill(raw, values)
            if line is None:
                yield Draw(raw, raw, [], ["a slot that this match has no answer for"])
            else:
                yield Draw(raw, line, contradictions(line, match), faults(line, self.language))

    def write(self, prompt: str, seed: tuple[int, int]) -> list[str]:
        """`draws` raw lines for a prompt; the seed is mixed with the prompt's text."""
        tokenizer, model = self.loaded
        asked = tokenizer.apply_chat_template(
            turns(prompt, self.language, self.persona)["prompt"],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        ).to(model.device)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.inference_mode():
            torch.manual_seed(hash_of(prompt, *seed))
            written = model.generate(
                **asked,
                do_sample=True,
                temperature=self.temperature,
                top_p=self.top_p,
                top_k=0,
                num_return_sequences=self.draws,
                max_new_tokens=self.max_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        fresh = written[:, asked["input_ids"].shape[1] :]
        return [text.strip() for text in tokenizer.batch_decode(fresh, skip_special_tokens=True)]

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model, read when the first line is wanted."""
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        model = load_model(self.model, torch.device(device), None)
        if self.adapter:
            need_packages("narrator", "peft")
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, find_model(self.adapter)).merge_and_unload()
        return load_tokenizer(self.model), model.eval()


def turns(
    prompt: str, language: str, persona: Mapping[str, str] | None, completion: str | None = None
) -> dict[str, Any]:
    """A prompt, and the line that answers it where one is given, as TRL's conversational columns."""
    told = [{"role": "system", "content": persona[language]}] if persona else []
    columns: dict[str, Any] = {"prompt": [*told, {"role": "user", "content": prompt}]}
    if completion is not None:
        columns["completion"] = [{"role": "assistant", "content": completion}]
    return columns


def hash_of(prompt: str, *numbers: int) -> int:
    """A number below 2**63 that is the same everywhere, unlike Python's hash."""
    text = "\0".join([prompt, *map(str, numbers)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def find_model(name: str) -> str:
    """The folder of a model or adapter, fetched from the Hub where `name` is none; OhloraError if nowhere."""
    folder = Path(name)
    if folder.is_dir():
        if not ({"config.json", "adapter_config.json"} & {file.name for file in folder.iterdir()}):
            raise OhloraError(f"{folder} holds no model: neither config.json nor adapter_config.json")
        return str(folder)
    if folder.is_absolute() or name.count("/") != 1:
        raise OhloraError(f"no model at {name}: neither a folder nor a name on the Hub (owner/name)")
    try:
        return snapshot_download(name, allow_patterns=WEIGHTS)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OhloraError(
            f"{name} is not on this machine and cannot be fetched from the Hub ({why});"
            " narrator=tiny speaks without a network"
        ) from None


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
    model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
    return model.to(device)
