"""What is checked of a config before Hydra acts on it: makes folders, sets up logging, calls callbacks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from ohlora.build import RESERVED, TRUSTED, build, faults_at_once
from ohlora.config import InvalidConfig, Name, config, shown
from ohlora.errors import OhloraError

# What a config may name for Python's logging to call.
HANDLERS = re.compile(r"logging\.(handlers\.)?[A-Z]\w*|(colorlog|rich\.logging)\.[A-Z]\w*")
STREAMS = re.compile(r"ext://sys\.(stdout|stderr)")


@config
class Paths:
    """conf/paths.yaml: a folder or file each; an empty one would be the root of the disk."""

    data_dir: Name
    cache_dir: Name
    history: Name
    output_dir: Name
    table: Name
    encoders: Name
    predictor: Name
    face: Name
    stylegan: Name | None
    target_table: Name
    narrator: Name
    chat: Name
    offline: bool


@contextmanager
def checked_configs(explain: Callable[[BaseException], str | None]) -> Iterator[None]:
    """Have every config that Hydra composes checked; it has no place of its own to ask for that.

    What is wrong with several words of a command line is said of all of them, each as `explain` has it.
    """
    compose = ConfigLoaderImpl.load_configuration

    def checked(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        overrides, faults = list(kwargs["overrides"]), []
        wrong: list[str] = []  # names of what was typed
        while True:
            try:
                composed = composed_of(self, *args, **{**kwargs, "overrides": overrides})
                break
            except (HydraException, OmegaConfBaseException) as error:
                word = blamed(error, overrides)
                if word is None and not faults:
                    raise
                # What a misspelt group would have is not known.
                if word is None or not inside(typed_name(word), wrong):
                    faults.append(explain(error) or str(error))
                if word is None:
                    raise OhloraError("; ".join(faults)) from None
                overrides.remove(word)  # Hydra stops at the first: what does it say of the others?
                wrong.append(typed_name(word))
        try:
            check(composed)
        except OhloraError as error:
            faults.append(str(error))
        if wrong:
            left = [name for name in map(typed_name, overrides) if not inside(name, wrong)]
            faults += wrong_values(composed, left)
        if faults:
            raise OhloraError("; ".join(faults))
        return composed

    def composed_of(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        try:
            return compose(self, *args, **kwargs)
        except UnicodeDecodeError as error:
            places = [entry.path for entry in self.config_search_path.get_path() if entry.path]
            raise OhloraError(f"{undecodable(places)} is not UTF-8 text ({error.reason})") from None
        except ValueError as error:
            if not str(error).startswith("Config group override must be"):
                raise
            found = [re.fullmatch(r"([\w/]+)(@[\w.]+)?=(null|[\d.]+)", word) for word in kwargs["overrides"]]
            words = [one[0] for one in found if one and self.repository.group_exists(one[1])]
            raise OhloraError(f"{' '.join(words)}: a group takes the name of one of its files") from None

    ConfigLoaderImpl.load_configuration = checked
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = compose


def blamed(error: BaseException, overrides: Sequence[str]) -> str | None:
    """The word of a command line for which Hydra could not compose a config; None where it is not clear."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MissingConfigException) and seen.missing_cfg_file:
            group, _, option = seen.missing_cfg_file.rpartition("/")
            return next(
                (one for one in overrides if typed_name(one) == group and one.endswith(option)),
                None,
            )
        seen = seen.__cause__ or seen.__context__
    found = re.search(r"Could not override '([\w./@]+)'", str(error))
    return next((one for one in overrides if found and one.partition("=")[0] == found[1]), None)


def typed_name(word: str) -> str:
    """The setting or group that a word of a command line gives a value to."""
    return word.partition("=")[0].partition("@")[0].strip("+~/")


def inside(name: str, others: Iterable[str]) -> bool:
    """Whether a setting is part of one of some others."""
    return any(name.startswith(f"{other}.") for other in others)


def wrong_values(composed: DictConfig, names: Iterable[str]) -> list[str]:
    """What is wrong with the values of some settings of a config of which more is wrong than these."""
    groups = composed.hydra.runtime.choices
    settings = [name for name in names if name not in groups]
    running = HydraConfig.instance()
    before = running.cfg
    running.set_config(composed)  # values may refer to it
    try:
        faults = faults_at_once(composed.get("job"))
    except OmegaConfBaseException:  # they refer to what is not known yet
        return []
    finally:
        running.cfg = before
    # A person's hyperparameters are told of as `first attempt: batch_size=-1`.
    told = [rf"{re.escape(name)}\b|.*\b{re.escape(name.rpartition('.')[2])}=" for name in settings]
    return [fault for fault in faults if any(re.match(one, fault) for one in told)]


def check(composed: DictConfig) -> None:
    """Raise OhloraError for paths that are none, and for code that Hydra or logging would be made to call."""
    faults = called(composed.hydra) if "hydra" in composed else []
    paths = composed.get("paths")
    if isinstance(paths, DictConfig):
        given = {str(key): known(paths, key) for key in paths if key != "run_dir"}
        try:
            Paths(**given)
        except InvalidConfig as invalid:
            faults += [f"paths.{name}{fault}" for name, fault in invalid.faults]
    elif "paths" in composed:
        faults.append(f"paths={shown(paths)} is not a table of folders")
    if faults:
        raise OhloraError("; ".join(faults))


def known(paths: DictConfig, name: Any) -> Any:
    """A path; as it is written where it hangs on the job (`tables/${hydra:job.num}`), not known yet."""
    try:
        return paths[name]
    except InterpolationResolutionError:
        return OmegaConf.to_container(paths, resolve=False)[name]  # type: ignore[call-overload,index]


def called(hydra: DictConfig) -> list[str]:
    """Names in Hydra's own part of a config that would be called and are not known to be harmless."""
    faults = []
    for name, callback in (hydra.get("callbacks") or {}).items():
        target = callback.get("_target_") if isinstance(callback, DictConfig) else callback
        if target not in TRUSTED:
            faults.append(f"hydra.callbacks.{name}: {shown(target)} is not run from a config")
    for part in ("job_logging", "hydra_logging"):
        plain = OmegaConf.to_container(hydra[part]) if OmegaConf.is_config(hydra.get(part)) else None
        faults += [f"hydra.{part}: {shown(word)} is not run from a config" for word in callables(plain)]
    return faults


def callables(node: Any) -> Iterator[Any]:
    """Whatever logging would look up and call, less its own handlers and streams."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("()", "class") and not HANDLERS.fullmatch(str(value)):
                yield value
            yield from callables(value)
    elif isinstance(node, list):
        for value in node:
            yield from callables(value)
    elif isinstance(node, str) and "://" in node and not STREAMS.fullmatch(node) and node.startswith("ext"):
        yield node


def as_hydra_reads(argument: str) -> str:
    """An override as it was typed, quoted where Hydra's grammar would refuse it: `dataset.root=사진`.

    `~` is the home folder, as in a shell, which does not expand it after a `=`.
    """
    from hydra.errors import HydraException

    found = re.fullmatch(r"([+~]{0,2}[\w./@:-]+)=(.+)", argument, re.DOTALL)
    if not found or argument.startswith("-"):
        return argument
    name, value = found.groups()
    if value.startswith("~"):
        with contextlib.suppress(RuntimeError):  # ~nobody
            value = str(Path(value).expanduser())
    plain = re.fullmatch(r"[\w./:%@?*+-]*", value, re.ASCII)
    # Lists, tables, quotes and sweeps are Hydra's own: what is wrong in them, it says.
    if plain or re.match(r"[\[{'\"]|(choice|range|interval|glob|shuffle|sort|tag|extend_list)\(", value):
        return f"{name}={value}"
    try:
        OverridesParser.create().parse_override(f"{name}={value}")
    except HydraException:
        escaped = re.sub(r'(\\*)("|$)', lambda end: end[1] * 2 + ('\\"' if end[2] else ""), value)
        return f'{name}="{escaped}"'
    return f"{name}={value}"


def job_of(config_name: str, settings: Iterable[str]) -> Any:
    """The job of another command than the one that runs, with settings as the command line takes them."""
    from hydra import compose

    return build(compose(config_name, [*map(as_hydra_reads, settings)]).job)


def added_settings(overrides: Iterable[str], files: Collection[str]) -> list[str]:
    """Dotted names of what `+name=value` adds to a config, less Hydra's own.

    `files` are groups that leave nothing under their own name (`+experiment=mine`).
    """
    found: list[str] = []
    for override in OverridesParser.create().parse_overrides([one for one in overrides if one[0] == "+"]):
        key = override.key_or_group
        if key not in files and not override.package and "/" not in key and not key.startswith("hydra."):
            found += leaves(key, override.value())
    return [name for name in found if name.rpartition(".")[2] not in RESERVED]


def leaves(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(f"{name}.{key}", child)
    else:
        yield name


def undecodable(places: list[str]) -> str:
    """The first config file that is not UTF-8."""
    for place in places:
        folder = Path(place.removeprefix("file://"))
        for file in sorted(folder.rglob("*.y*ml")) if folder.is_dir() else []:
            try:
                file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                return str(file)
    return "a config file"
