"""What README and docs tell a reader to type is what there is: every command composed, some of them run."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from tests.docs.pages import PAGES, ROOT, Command, blocks, commands
from tests.docs.smaller import BENCHMARKS, LEFT_OUT

import ohlora.build
from ohlora.build import _Builder, build
from ohlora.cli import VERBS, entered
from ohlora.composition import as_hydra_reads
from ohlora.conf_files import CONF, known_keys
from ohlora.errors import OhloraError
from ohlora.positional import WITH_VALUE, WORDS, as_settings

COMMANDS = commands()
OWN_PROGRAMS = {("python", "train.py"), ("python", "battle.py"), ("python", "-m", "ohlora")}
# Why some commands are not for every machine, and what tells that one is of that kind.
NEEDS = {
    "a network": r"pip install|make (battle|test)|--check",
    "an account": r"push=true|dry_run=false",
    "a GPU": r"hydra\.launcher\.gpus=|trainer=ddp( |$)|get_device_name|narrator=kanana",
    "a cluster": r"hydra/launcher=(submitit_slurm|ray)|/shared/tables",
    "Windows": r"Scripts|^py ",
}
# The page whose commands are composed in every run; those of the others are in the slow one.
OFTEN = {"docs/tutorial.md"}
# Folders and files that a reader has, or that the page has made before.
MISSING = re.compile(r"no such (file|folder)")
REFERRED = {"narrator", "fine_tuning"}  # groups that defaults of others follow
OWN_CLASSES = {"numpy_archive.NumpyArchive", "narrowing.NarrowingSearch"}


def own(command: Command) -> bool:
    return command.words[:2] in OWN_PROGRAMS or command.words[:3] in OWN_PROGRAMS


def test_the_reasons_why_a_command_may_not_run():
    marked = {command.needs for command in COMMANDS} - {""}
    assert marked == set(NEEDS)


@pytest.mark.parametrize("reason", NEEDS)
def test_a_command_that_cannot_run_everywhere_is_marked(reason):
    kind = re.compile(NEEDS[reason])
    alike = [one for one in COMMANDS if kind.search(" ".join(one.words))]
    assert not [f"{one.page}: {one}" for one in alike if not one.needs]


def test_parentheses_stand_in_quotes():
    """In pages and in what conf says: bash takes worker=range(2) for a syntax error."""
    sweep = re.compile(r"""(?<!["'\w.])[\w.]+=(?:choice|glob|interval|range|shuffle|sort)\(""")
    said = (*PAGES, *sorted(CONF.rglob("*.yaml")))
    assert not [
        f"{page}: {found}" for page in said for found in sweep.findall(page.read_text(encoding="utf-8"))
    ]


def test_what_make_docs_commands_leaves_out_stands_in_a_page():
    for pattern in LEFT_OUT:
        assert any(re.search(pattern, str(command)) for command in COMMANDS), pattern
    named = {Path(one.words[1]).stem for one in COMMANDS if "benchmarks/" in " ".join(one.words[1:2])}
    assert named == {*BENCHMARKS, "predictors"}


def test_commands_of_others_are_ours_to_give():
    """Targets, extras, versions and files that they name are there, and no other kind stands in a page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints" / "newest.txt").read_text(encoding="utf-8")
    for command in COMMANDS:
        line = " ".join(command.words)
        if own(command) or command.words[0] in ("py", "pytest", "export") or "Scripts" in line:
            continue
        if command.words[0] == "make":
            assert f"\n{command.words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8"), line
        elif command.words[0] == "pip":
            extras = {one for some in re.findall(r"\[([\w,-]+)\]", line) for one in some.split(",")}
            assert extras <= project["optional-dependencies"].keys(), line
            assert all(f"\n{pin}\n" in pins for pin in re.findall(r"\S+==\S+", line)), line
            assert all((ROOT / name).is_file() for name in re.findall(r"-c (\S+)", line)), line
        elif command.words[:2] == ("python", "-c"):
            ast.parse(command.words[2])
        elif command.words[0] == "python" and command.words[1].startswith("benchmarks/"):
            ast.parse((ROOT / command.words[1]).read_text(encoding="utf-8"))
        else:
            assert command.needs or command.words == ("python", "-m", "venv", ".venv"), line


@cache
def base(name: str, groups: tuple[str, ...], folder: str) -> DictConfig:
    added = [f"hydra.searchpath=[file://{ROOT / folder}]"] if folder else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, [*groups, *added], return_hydra_config=True)


def parts(command: Command) -> tuple[str, list[str], str]:
    """The name of the config that a command enters by, its settings, and its --config-dir."""
    words = list(command.words[2:])
    name = command.words[1].removesuffix(".py")
    if name == "-m":
        verb = words[1]
        assert verb in VERBS, f"{verb} is not a verb"
        name, words = entered(verb, words[2:])
        name = name.replace("-", "_")
    folder = next((word.partition("=")[2] for word in words if word.startswith("--config-dir=")), "")
    if name in WORDS:
        words = as_settings(words, WORDS[name], cached_keys)
    flags = {word for word in words if word.startswith("-")}
    assert {flag.partition("=")[0] for flag in flags} <= {"-m", "--help", "--config-dir", *WITH_VALUE}, (
        command
    )
    settings = [as_hydra_reads(word) for word in words if "=" in word and word not in flags]
    assert "-m" in flags or not any(map(Override.is_sweep_override, parsed(settings))), f"{command}: lacks -m"
    return name, settings, folder


@cache
def cached_keys() -> set[str]:
    return known_keys()


def parsed(settings: list[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(settings)


def runs(settings: list[str]) -> Iterator[list[str]]:
    """The settings of each run of a sweep, of whose values the first and the last are taken."""
    several = [one for one in parsed(settings) if one.is_sweep_override()]
    plain = [one.input_line for one in parsed(settings) if not one.is_sweep_override()]
    ends = [[list(one.sweep_string_iterator())[place] for one in several] for place in (0, -1)]
    for values in ends if several else [[]]:
        yield [
            *plain,
            *(f"{one.get_key_element()}={value}" for one, value in zip(several, values, strict=True)),
        ]


def is_group(setting: str, folder: str) -> bool:
    group = setting.partition("=")[0].partition("@")[0].lstrip("+~")
    return any((place / group).is_dir() for place in (CONF, ROOT / folder)) and "." not in group


def reaches(choice: str, settings: list[str], folder: str) -> bool:
    """Whether a choice must be composed: it sets more than its own part, or a setting is of that part.

    Of the others it is enough that they are there. Composing costs a third of a second.
    """
    group, _, name = choice.partition("=")
    found = [place / group / f"{name}.yaml" for place in (CONF, ROOT / folder)]
    file = next((file for file in found if file.is_file()), None)
    assert file, f"{choice} is not one of conf/{group}"
    own = any(setting.startswith(f"{group.replace('/', '.')}.") for setting in settings)
    return own or group in REFERRED or "@package _global_" in file.read_text(encoding="utf-8")


def faults(command: Command) -> list[str]:
    """What is wrong with a command: group, choice, setting, value; a reader's own files may be missing."""
    found: list[str] = []
    try:
        name, settings, folder = parts(command)
        for one in runs(settings):
            groups = [setting for setting in one if is_group(setting, folder)]
            plain = [setting for setting in one if setting not in groups]
            composing = [group for group in groups if reaches(group, plain, folder)]
            cfg = base(name, tuple(composing), folder).copy()
            ConfigLoaderImpl._apply_overrides_to_config(parsed(plain), cfg)
            with running(cfg):
                walk = _Builder(made=False, light=True)
                walk.value(cfg.job)
            found += [fault for fault in walk.faults if not MISSING.search(fault)]
    except (AssertionError, HydraException, OhloraError, OmegaConfBaseException) as error:
        found.append(str(error))
    return [f"{command.page}: {command}: {fault}" for fault in found]


@contextmanager
def running(cfg: DictConfig) -> Iterator[None]:
    """`cfg` as the config of the program that runs: settings refer to its folder and its name."""
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = "run"
        cfg.hydra.job.num = 0
    HydraConfig.instance().set_config(cfg)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = None


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes of docs/examples, as `export` allows them there."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples"))
    monkeypatch.setattr(ohlora.build, "TRUSTED", frozenset(OWN_CLASSES))


def test_commands_of_the_tutorial(trusted):
    found = [fault for one in COMMANDS if own(one) and one.page in OFTEN for fault in faults(one)]
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_commands_of_all_other_pages(trusted):
    found = [fault for one in COMMANDS if own(one) and one.page not in OFTEN for fault in faults(one)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "wrong",
    [
        "python -m ohlora fit my_images size=smokes",
        "python -m ohlora fit my_images sizes=smoke",
        "python -m ohlora fit my_images trails=4",
        "python -m ohlora fit my_images trials=1,2",
        "python -m ohlora fit my_images image_size=0",
        "python -m ohlora fot my_images",
    ],
)
def test_a_wrong_command_is_found(wrong):
    assert faults(Command("page", tuple(wrong.split()), ""))


PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]


def test_python_in_pages_is_python():
    for block in PYTHON:
        ast.parse(block.text)


def test_classes_in_pages_are_those_of_docs_examples():
    shown = [block for page in PAGES for block in blocks(page) if block.text.startswith("# docs/examples/")]
    assert len(shown) == 5
    for block in shown:
        name, _, text = block.text.partition("\n")
        assert (ROOT / name.removeprefix("# ")).read_text(encoding="utf-8") == text


def small(code: str) -> str:
    """Python of a page with its trainings at size=smoke and few of them."""
    code = re.sub(r"trials=\d+", "trials=2", code)
    return re.sub(r"(ohlora\.fit\([^)]*)\)", r'\1, settings=["size=smoke"])', code)


@pytest.mark.slow
def test_the_tutorial_is_run(door, lasting_cache, tmp_path, monkeypatch):
    """Its commands, then the Python of all pages that speak of the folders it has made."""
    monkeypatch.setenv("OHLORA_CACHE", str(lasting_cache))
    for block in blocks(ROOT / "docs" / "tutorial.md"):
        for command in block.commands():
            if own(command) and ("subset.save" in block.text or "$ " in block.text):
                run(door, command, tmp_path)
    shutil.copy(next((tmp_path / "my_images" / "test").rglob("*.png")), tmp_path / "a.png")
    shutil.copytree(tmp_path / "my_images" / "test" / "ring", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    for block in PYTHON:
        if "my_images" in block.text and "/ko/" not in block.page:
            shutil.rmtree("my_model", ignore_errors=True) if "ohlora.fit(" in block.text else None
            exec(compile(small(block.text), block.page, "exec"), {"my_score": lambda params: 0.5})


def run(door: Callable, command: Command, folder: Path) -> None:
    words = command.words[1:] if command.words[1] != "-m" else command.words[3:]
    size = [] if "size=smoke" in words or words[0] in ("advise", "predict") else ["size=smoke"]
    done = door(*words, *size, cwd=folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_the_opponent_of_the_page_plays(trusted, cache_dir, tmp_path, capsys):
    settings = ["challenger=narrowing", "dataset=digits", "size=smoke", "narrator=template", "face=none"]
    cfg = base("battle", tuple(settings), "docs/examples").copy()
    moved = [f"paths.run_dir={tmp_path}", f"paths.cache_dir={cache_dir}", "challenger.trials=2"]
    ConfigLoaderImpl._apply_overrides_to_config(parsed([*moved, "language=en"]), cfg)
    with running(cfg):
        build(cfg.job).run()
    assert "narrowing search (2): training attempt 2" in capsys.readouterr().out
    assert '"narrowing search (2)"' in (tmp_path / "match.json").read_text(encoding="utf-8")


def test_the_reader_of_the_page_reads(trusted, tmp_path, digits):
    import numpy as np
    from numpy_archive import NumpyArchive  # type: ignore[import-not-found]

    images, labels = digits.test.images[:, 0].numpy(), digits.test.labels.numpy()
    np.savez(
        tmp_path / "my_arrays.npz",
        train_images=images,
        train_labels=labels,
        test_images=np.stack([images[:5]] * 3, axis=-1)[..., :1],
        test_labels=labels[:5],
    )
    data = NumpyArchive("my_arrays", str(tmp_path / "my_arrays.npz")).load()
    assert (data.train.images[:, 0].numpy() == images).all()
    assert len(data.test) == 5
    with pytest.raises(OhloraError, match="no such file"):
        NumpyArchive("my_arrays", "nowhere.npz").load()
    sys.modules.pop("numpy_archive")
