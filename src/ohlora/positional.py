"""Words without a setting's name: `ohlora fit my_photos trials=4` says `folder=my_photos trials=4`.

A verb names the settings that its plain words are, in order. The last of them may take all that follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from ohlora.errors import OhloraError
from ohlora.text import printable

SETTING = re.compile(r"[+~]{0,2}([\w./@:-]+)=")
# Hydra's flags whose value is the next word.
WITH_VALUE = {
    *(
        "--cfg",
        "-c",
        "--package",
        "-p",
        "--config-path",
        "-cp",
        "--config-name",
        "-cn",
        "--config-dir",
        "-cd",
    ),
    *("--info", "-i", "--experimental-rerun"),
}
MORE = "..."  # ends the name of a setting that takes the rest
# By the name of the verb's config.
WORDS = {
    "advise": ("folder",),
    "fit": ("folder",),
    "predict": ("classifier", "files..."),
    "report": ("folders...",),
    "publish": ("only...",),
}
FLAGS = {"--check": "check=true"}


def as_settings(
    arguments: Sequence[str], names: Sequence[str], known: Callable[[], Collection[str]]
) -> list[str]:
    """The arguments with plain words turned into the settings `names`, quoted for Hydra.

    A word with a `=` is a setting, unless a file or folder is called so and none of the `known` settings;
    behind `--` every word is plain. Raises OhloraError for a word too many, or a setting that a word gives.
    """
    words: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words += rest
        elif argument.startswith("-"):
            others.append(FLAGS.get(argument, argument))
            if argument in WITH_VALUE and (value := next(rest, None)) is not None:
                others.append(value)
        elif is_setting(argument, known):
            others.append(argument)
        else:
            words.append(argument)
    return once_each(settings_of(words, names), others)


def once_each(given: Sequence[str], others: Iterable[str]) -> list[str]:
    """Both as one list; OhloraError where one of the others is a setting that is given already."""
    filled = {found[1]: one for one in given if (found := SETTING.match(one))}
    both = [*others]
    found = [(one, SETTING.match(one)) for one in both]
    twice = [f"{filled[name[1]]} and {one}" for one, name in found if name and name[1] in filled]
    if twice:
        raise OhloraError(f"{printable('; '.join(twice))}: the same setting twice; give it once")
    return [*given, *both]


def is_setting(argument: str, known: Callable[[], Collection[str]]) -> bool:
    found = SETTING.match(argument)
    return found is not None and not (Path(argument).exists() and found[1] not in known())


def settings_of(words: Sequence[str], names: Sequence[str]) -> list[str]:
    left = list(words)
    settings = []
    for name in names:
        if not left:
            break
        if name.endswith(MORE):
            listed, left = ",".join(map(quoted, left)), []
            settings.append(f"{name.removesuffix(MORE)}=[{listed}]")
        else:
            settings.append(f"{name}={quoted(left.pop(0))}")
    if left:
        few = ", ".join(printable(word) for word in left[:3])
        raise OhloraError(
            f"{' '.join(names)}: that is all that goes without a name, not also {few};"
            " settings are name=value (a name with spaces stands in quotes)"
        )
    return settings


def quoted(word: str) -> str:
    """A word as Hydra reads it back to the letter: no list, number, choice or reference in it."""
    # Backslashes count before a quote and before ${, and nowhere else.
    escaped = re.sub(r'(\\*)("|$)', lambda end: end[1] * 2 + ('\\"' if end[2] else ""), word)
    escaped = re.sub(r"(\\*)\$\{", lambda start: start[1] * 2 + r"\${", escaped)
    return f'"{escaped}"'
