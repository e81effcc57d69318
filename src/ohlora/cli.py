"""`python -m ohlora VERB ...`, and `ohlora VERB ...` where it is installed: every command, one line each.

The list answers without Hydra; a verb enters by conf/<verb>.yaml.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from ohlora.errors import nearest
from ohlora.provenance import VERB

VERBS = {
    "battle": "a hyperparameter battle against Oh-LoRA; writes outputs/battle/",
    "train": "train what model= names: cnn (a sweep of trials), autoencoder, hp_predictor",
    "advise": "hyperparameters for a folder of images, at once: advise DIR",
    "fit": "a classifier of the images in a folder: fit DIR save_to=MODEL",
    "predict": "what a classifier sees on images: predict MODEL FILES...",
    "say": "one line of hers about a match that ended so: verdicts=won_by_far",
    "fine-tune": "fine-tune a voice with TRL and LoRA: narrator=tiny|gemma|kanana",
    "pretrain": "train a small language model from nothing",
    "measure": "how often a voice contradicts the result, and what its lines are like",
    "chat": "talk with her in the terminal, or ui=web; memory=show, export or erase",
    "chat-train": "train the encoder of her memory and the classifier of her moods",
    "chat-report": "how well she remembers, keeps to facts, resists attacks; docs/results/chat",
    "report": "what lies below folders of results as one HTML file: report outputs",
    "dashboards": "the W&B project's workspace and report as code; push=true uploads them",
    "animate": "her face as a film: mood=surprised out=demo.gif",
    "live": "her face in a browser of this machine, with sliders",
    "contact-sheet": "pictures of many people, of properties, label maps, twins and moods",
    "photo-sheet": "how photos of faces are read: dataset=faces_celebamask dataset.root=DIR",
    "convert-weights": "a StyleGAN trained elsewhere, for use here: source=FILE out=FILE.safetensors",
    "publish": "models, target table and cards to the Hugging Face Hub; a dry run by default",
    "mood-report": "how well her moods can be told apart, by a network taught on other people",
    "face-report": "what the networks of her face reach, beside gates and targets",
}
# Settings of the server of `chat ui=web`; all others are the conversation's.
SERVERS = ("-", "port=", "language=", "web.", "paths.", "hydra.")
# Modules that were commands of their own.
MOVED = {
    "ohlora.narrator.say": "say",
    "ohlora.narrator.fine_tune": "fine-tune",
    "ohlora.narrator.pretrain": "pretrain",
    "ohlora.narrator.measure": "measure",
    "ohlora.face.animate": "animate",
    "ohlora.face.live": "live",
    "ohlora.face.contact_sheet": "contact-sheet",
    "ohlora.face.photo_sheet": "photo-sheet",
    "ohlora.face.convert_weights": "convert-weights",
    "ohlora.face.report": "face-report",
}


def main() -> None:
    """Run the verb that was typed; without one, say which there are."""
    spec = sys.modules["__main__"].__spec__
    if spec is not None and spec.name == "__main__":
        # ohlora.exe of Windows is a zip that Python runs, and nothing that a process could be started by.
        sys.modules["__main__"].__spec__ = find_spec("ohlora.__main__")
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word in VERBS:
        os.environ[VERB] = word
        del sys.argv[1]
    elif os.environ.get(VERB) not in VERBS:
        if word in ("", "-h", "--help"):
            usage()
            return
        if word == "--version":
            from ohlora import __version__

            print(f"ohlora {__version__}")
            return
        refuse(f"{word} is not one of {' | '.join(VERBS)}{nearest(word, VERBS)}")
    os.environ[VERB], sys.argv[1:] = entered(os.environ[VERB], sys.argv[1:])
    from ohlora.door import open_door

    open_door(os.environ[VERB].replace("-", "_"))


def entered(verb: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """The verb whose config is entered by, with its settings: `chat ui=web` is served by the battle's."""
    ui = [word for word in words if word.startswith("ui=")]
    if verb != "chat" or not ui:
        return verb, [*words]
    if ui[-1] not in ("ui=terminal", "ui=web"):
        refuse(f"{ui[-1]} is not one of terminal | web{nearest(ui[-1][3:], ('terminal', 'web'))}")
    words = [word for word in words if word not in ui]
    return ("battle", beside_the_battle(words)) if ui[-1] == "ui=web" else (verb, words)


def beside_the_battle(words: Sequence[str]) -> list[str]:
    """`chat ui=web` as the command of the server of all pages, the chat's settings as one of its own."""
    from ohlora.positional import quoted

    chats = [word for word in words if "=" in word and not word.startswith(SERVERS)]
    own = [word for word in words if "=" not in word or word.startswith(SERVERS)]
    return ["ui=web", "page=chat", f"chat={quoted(shlex.join(chats))}", *own]


def usage() -> None:
    print("usage: ohlora VERB [setting=value ...]      (or python -m ohlora VERB ...)\n")
    for verb, line in VERBS.items():
        print(f"  {verb:<16} {line}")
    print("\nohlora VERB --help shows what can be chosen, ohlora VERB --cfg job every setting.")


def refuse_moved() -> None:
    """Where Python is about to run a module that was a command once, say what it is now and leave."""
    words = sys.orig_argv
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    if module in MOVED:
        refuse(f"python -m {module} is now: python -m ohlora {MOVED[module]}")


def refuse(message: str) -> None:
    from ohlora.text import printable

    print(f"ohlora: {printable(message, 500)}", file=sys.stderr)
    sys.exit(2)
