"""Reference pages of conf/: every config group and command with its settings, defaults, ranges and comments.

Written anew at every build from the YAML files and the config classes that they name, so it cannot go stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from ohlora.build import RESERVED
from ohlora.cli import VERBS
from ohlora.conf_files import CONF
from ohlora.config import expected

NOT_SHOWN = {*RESERVED, "defaults", "hydra", "job"}  # how things are built, not what is set
LAUNCHER = "hydra/launcher"
# What `expected` says of fields that hold objects: those have settings of their own.
OBJECTS = ("such a thing", "allowed here", "a table of names and values")
ABOUT = {
    "answerer": "Who answers in a conversation with her.",
    "axes": "Every hyperparameter with its range.",
    "callbacks": "What Lightning's Trainer calls while it trains.",
    "challenger": "Who plays against Oh-LoRA.",
    "chooser": "Which hyperparameters the trials of a sweep take.",
    "dataset": "Which images, and how they are read.",
    "drawn_by": "What draws her face: the portrait, the first look, a network or a StyleGAN.",
    "encoder": "What finds memories and written lines in a conversation.",
    "faces": "Her looks, moods and reactions; the renderer and its people.",
    "fine_tuning": "How a voice is fine-tuned.",
    "human": "A person's hyperparameters.",
    "hydra/launcher": "What starts the jobs of a multirun (`-m`).",
    "laboratory": "How the networks of her face are trained and judged.",
    "league": "Many matches: who plays, on which subsets, by which rules.",
    "logger": "Where metrics go.",
    "model": "What `train.py` trains.",
    "narrator": "What says how a match went.",
    "persona": "What is known of her in a conversation.",
    "role": "Whether a network of the face trains others or examines them.",
    "screening": "Which drawn people may be her.",
    "size": "How long everything is trained, and on how much.",
    "space": "Which hyperparameters are free.",
    "subset": "How small datasets are cut from a large one.",
    "trainer": "On how many devices one model is trained.",
    "ui": "Where a match is shown.",
    "variant": "Which generator of faces is trained.",
}


@dataclass(frozen=True)
class Setting:
    """One line of a config file."""

    name: str  # as it is typed on the command line
    default: str  # as the file has it; empty for a table, whose rows follow
    allowed: str  # type and range in words
    comment: str


@dataclass(frozen=True)
class Default:
    """An entry of a defaults list."""

    group: str
    choice: str
    package: str  # where it is put; empty: under the group's name
    comment: str


@dataclass(frozen=True)
class ConfigFile:
    """A file of conf/ with what it says about itself."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(CONF).with_suffix("").as_posix()

    @property
    def group(self) -> str:
        return self.path.parent.relative_to(CONF).as_posix()

    @cached_property
    def content(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.content.splitlines()

    @cached_property
    def root(self) -> MappingNode:
        found = yaml.compose(self.content, yaml.CSafeLoader)
        return found if isinstance(found, MappingNode) else MappingNode("tag:yaml.org,2002:map", [])

    @cached_property
    def package(self) -> str:
        """Where its settings lie in the config of a command, with a dot behind it; empty at the top."""
        if self.at_top:
            return ""
        own = any(not file.at_top and "" in file.places for file in groups()[self.group])
        place = self.group.replace("/", ".") if own or not self.places else max(self.places)
        return "" if place == "_global_" else f"{place}."

    @property
    def at_top(self) -> bool:
        return self.group == "." or "@package _global_" in self.content

    @property
    def places(self) -> set[str]:
        """The packages at which other files take it; "": by the group's own name."""
        return {
            one.package
            for file in config_files()
            for one in file.taken
            if (one.group, one.choice) == (self.group, self.path.stem)
        }

    @property
    def header_end(self) -> int:
        """How many lines of comments stand at the beginning."""
        return next((i for i, line in enumerate(self.lines) if not line.startswith("#")), len(self.lines))

    @property
    def header(self) -> str:
        lines = [line.lstrip("# ") for line in self.lines[: self.header_end] if "@package" not in line]
        return " ".join(lines)

    @property
    def target(self) -> type | None:
        return target_of(self.root)

    @cached_property
    def taken(self) -> list[Default]:
        """Its defaults list."""
        found = []
        for key, node in pairs(self.root):
            if key.value == "defaults" and isinstance(node, SequenceNode):
                for entry in node.value:
                    for group, choice in pairs(entry) if isinstance(entry, MappingNode) else ():
                        words = re.fullmatch(r"(?:override )?/?([\w/]+)(?:@([\w.]+))?", group.value)
                        assert words, f"{self.path}: {group.value}"
                        found.append(Default(words[1], choice.value, words[2] or "", self.behind(choice)))
        return found

    @property
    def defaults(self) -> list[Default]:
        """What it takes of each group that can be chosen by the group's name."""
        return [one for one in self.taken if not one.package and "$" not in one.choice]

    def settings(self) -> Iterator[Setting]:
        """Its settings, one for each line."""
        job = next((child for key, child in pairs(self.root) if key.value == "job"), self.root)
        types = fields_of(target_of(self.root if self.package else job))
        shown = [(key, child) for key, child in pairs(self.root) if key.value not in NOT_SHOWN]
        yield from self.below(shown, types, self.package)

    def below(
        self, rows: list[tuple[ScalarNode, Node]], types: dict[str, str], prefix: str
    ) -> Iterator[Setting]:
        for key, child in rows:
            if key.value in RESERVED:
                continue
            name = f"{prefix}{key.value}"
            allowed = types.get(key.value, "") or consumed().get(name, "")
            if isinstance(child, MappingNode) and child.value and not child.flow_style:
                comment = self.comment(key, key)
                if comment:
                    yield Setting(name, "", "", comment)
                yield from self.below(pairs(child), fields_of(target_of(child)), f"{name}.")
            else:
                yield Setting(name, self.text(child), allowed, self.comment(key, child))

    def text(self, node: Node) -> str:
        """A value as it is written, on one line, less the class it is made of."""
        if isinstance(node, SequenceNode) and not node.flow_style:
            return ", ".join(self.text(one) for one in node.value)
        written = self.content[node.start_mark.index : node.end_mark.index]
        return re.sub(r"_target_: [\w.]+,? ?", "", " ".join(written.split()))

    def comment(self, key: Node, last: Node) -> str:
        """The comment lines above a setting, and what stands behind it."""
        line = key.start_mark.line
        first = line
        while first > self.header_end and self.lines[first - 1].strip().startswith("#"):
            first -= 1
        above = [one.strip().lstrip("# ") for one in self.lines[first:line]]
        return " ".join(filter(None, [*above, self.behind(last)]))

    def behind(self, node: Node) -> str:
        mark = node.end_mark if node.start_mark.line == node.end_mark.line else node.start_mark
        found = re.fullmatch(r"[^#]*?\s#\s?(.*)", self.lines[mark.line][mark.column :])
        return found[1] if found else ""


@cache
def config_files() -> tuple[ConfigFile, ...]:
    return tuple(ConfigFile(path) for path in sorted(CONF.rglob("*.yaml")))


@cache
def groups() -> dict[str, list[ConfigFile]]:
    found: dict[str, list[ConfigFile]] = {}
    for file in config_files():
        if file.group != "." and (not file.group.startswith("hydra/") or file.group == LAUNCHER):
            found.setdefault(file.group, []).append(file)
    return found


def pairs(node: Node) -> list[tuple[ScalarNode, Node]]:
    return node.value if isinstance(node, MappingNode) else []


def target_of(node: Node) -> Any:
    """The config class that a table names, or None."""
    name = next((child.value for key, child in pairs(node) if key.value == "_target_"), None)
    if not name:
        return None
    module, _, member = name.rpartition(".")
    return getattr(import_module(module), member)


@cache
def fields_of(target: Any) -> dict[str, str]:
    """What each field of a config class may hold, in words."""
    if target is None:
        return {}
    checked = getattr(target, "__pydantic_fields__", None)
    if checked is not None:
        types = {name: Annotated[info.annotation, *info.metadata, None] for name, info in checked.items()}
    elif is_dataclass(target):
        hints = get_type_hints(target, include_extras=True)
        types = {field.name: hints[field.name] for field in fields(target)}
    else:
        types = get_type_hints(target.__init__, include_extras=True)
    words = {name: expected(annotation) for name, annotation in types.items()}
    return {name: said for name, said in words.items() if not is_object(said)}


def is_object(words: str) -> bool:
    return words.startswith(OBJECTS) or re.match(r"a [A-Z]", words) is not None


@cache
def consumed() -> dict[str, str]:
    """What settings may hold that other places take: `${name}` and the job's fields of the same name.

    A setting that several classes take differently is left out.
    """
    found: dict[str, set[str]] = {}

    def walk(file: ConfigFile, node: Node, name: str) -> None:
        types = fields_of(target_of(node))
        given = {key.value: child for key, child in pairs(node)}
        for field, words in types.items():
            child = given.get(field)
            if child is None:
                if name == "job":
                    found.setdefault(field, set()).add(words)
                continue
            whole = re.fullmatch(r"\$\{([\w.]+)\}", str(child.value))
            found.setdefault(whole[1] if whole else f"{name}.{field}", set()).add(words)
        for key, child in pairs(node):
            if isinstance(child, MappingNode):
                walk(file, child, f"{name}.{key.value}" if name else key.value)

    for file in config_files():
        if file.group == "." or file.group in groups():
            walk(file, file.root, file.package.rstrip("."))
    return {name: words.pop() for name, words in found.items() if len(words) == 1}


def first_line(target: type | None) -> str:
    return (target.__doc__ or "").strip().partition("\n")[0] if target else ""


def cell(text: str) -> str:
    """Text inside a table: code as it is, the rest without markup."""
    parts = text.replace("|", "\\|").split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner
        parts = ["".join(parts)]
    plain = [
        re.sub(r"([*_<>\[\]$~^])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts)
    ]
    return "`".join(plain)


def code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(settings: list[Setting]) -> list[str]:
    if not settings:
        return []
    rows = [
        f"| {code(one.name)} | {code(one.default)} | {cell(one.allowed)} | {cell(one.comment)} |"
        for one in settings
    ]
    return ["| setting | default | may be | |", "| --- | --- | --- | --- |", *rows, ""]


def group_page(group: str, files: list[ConfigFile]) -> str:
    lines = [f"# {group}", "", ABOUT.get(group, ""), ""]
    lines += [f"`{group}=` {choices(files)}", ""]
    if takers := chosen_by(group):
        lines += [f"Default: {', '.join(takers)}.", ""]
    for file in files:
        lines += [f"## {file.path.stem}", ""]
        about = [file.header, first_line(file.target)]
        lines += [line for text in dict.fromkeys(filter(None, about)) for line in (cell(text), "")]
        chosen = [f"`{one.group}={one.choice}`" for one in file.defaults if one.group != group]
        lines += [f"Chooses {', '.join(chosen)} where nothing else is typed.", ""] if chosen else []
        lines += table(list(file.settings()))
        lines += [f"<small>conf/{file.name}.yaml{class_name(file.target)}</small>", ""]
    return "\n".join(lines)


def choices(files: list[ConfigFile]) -> str:
    return ", ".join(code(file.path.stem) for file in files)


def class_name(target: type | None) -> str:
    return f" · `{target.__module__}.{target.__qualname__}`" if target else ""


def chosen_by(group: str) -> list[str]:
    """Where a group has a default, as `mnist` (train)."""
    found: dict[str, list[str]] = {}
    for file in config_files():
        taker = file.name if file.group == "." else file.name.replace("/", "=")
        for one in file.defaults:
            if one.group == group and file.group != group:
                found.setdefault(one.choice, []).append(taker)
    return [f"`{choice}` ({', '.join(map(code, takers))})" for choice, takers in found.items()]


def command_page(verb: str) -> str:
    file = ConfigFile(CONF / f"{verb.replace('-', '_')}.yaml")
    lines = [f"# {verb}", "", f"{cell(VERBS[verb][:1].upper() + VERBS[verb][1:])}.", ""]
    lines += ["```", examples(file, verb).rstrip(), "```", ""]
    chosen = [one for one in file.defaults if one.group in groups() and one.group != LAUNCHER]
    if chosen:
        lines += ["| group | default | |", "| --- | --- | --- |"]
        lines += [
            f"| [{one.group}](../settings/{one.group}.md) | {code(one.choice)} | {cell(one.comment)} |"
            for one in chosen
        ]
        lines += [""]
    lines += table([one for one in file.settings() if one.name != "paths"])
    lines += [
        f"`{call(verb)} --help` lists what can be chosen, `--cfg job` every setting as it is then."
        f" <small>conf/{file.name}.yaml</small>",
        "",
    ]
    return "\n".join(lines)


def examples(file: ConfigFile, verb: str) -> str:
    """The head of `--help`."""
    header = dig(file.root, "hydra", "help", "header")
    return header.replace("${command:}", call(verb)) if header else call(verb)


def call(verb: str) -> str:
    return f"python {verb}.py" if verb in ("train", "battle") else f"python -m ohlora {verb}"


def dig(node: Node, *keys: str) -> str:
    for key in keys:
        node = next((child for name, child in pairs(node) if name.value == key), ScalarNode("", ""))
    return node.value


def pages() -> dict[str, str]:
    """Every generated page, by its place in the site."""
    made = {f"settings/{group}.md": group_page(group, files) for group, files in groups().items()}
    made |= {f"commands/{verb}.md": command_page(verb) for verb in VERBS}
    for name in ("paths", "protocol"):
        file = ConfigFile(CONF / f"{name}.yaml")
        body = [f"# {name}", "", cell(file.header), "", *table(list(file.settings()))]
        made[f"settings/{name}.md"] = "\n".join([*body, f"<small>conf/{name}.yaml</small>", ""])
    rows = [
        f"| [{group}]({group}.md) | {cell(ABOUT.get(group, ''))} | {choices(files)} |"
        for group, files in groups().items()
    ]
    made["settings/index.md"] = "\n".join(
        [
            (Path(__file__).parent / "settings_intro.md").read_text(encoding="utf-8"),
            "| group | what | choices |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )
    made["settings/SUMMARY.md"] = "\n".join(
        [
            "* [How settings work](index.md)",
            *(f"* [{n}]({n}.md)" for n in [*groups(), "paths", "protocol"]),
            "",
        ]
    )
    made["commands/SUMMARY.md"] = "\n".join([*(f"* [{verb}]({verb}.md)" for verb in VERBS), ""])
    return made
