"""The house: rooms know only the rooms before them, heavy libraries keep to one place."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "src" / "ohlora"

ROOMS = [
    "errors",
    "text",
    "signals",
    "streams",
    "config",
    "build",
    "composition",
    "seeds",
    "durable",
    "lineage",
    "schedules",
    "provenance",
    "command_help",
    "conf_files",
    "positional",
    "progress",
    "trainer",
    "processes",
    "training_progress",
    "callbacks",
    "training_callbacks",
    "hardware",
    "precision",
    "figures",
    "space",
    "sobol",
    "datasets",
    "records",
    "loggers",
    "tracking",
    "assets",
    "pretrained",
    "trials",
    "features",
    "predictor",
    "classify",
    "battle",
    "narrator",
    "face",
    "laboratory",
    "chat",
    "web",
    "dashboards",
    "report",
    "publish",
]
# Light modules, and the heavy one beside each that does its work when asked.
MADE_BY = {
    "callbacks": "training_callbacks",
    "hardware": "precision",
    "loggers": "tracking",
    "space": "sobol",
}
# Inside these rooms, too, a package imports only packages before it.
INNER_ROOMS = {
    "face": ["drawing", "acting", "trained"],
    "laboratory": [
        "roles",
        "measures",
        "sources",
        "networks",
        "training",
        "acceptance",
        "conversion",
        "sheets",
    ],
}
DOORS = [ROOT / "train.py", ROOT / "battle.py"]
# Reads official StyleGAN pickles as data, for convert_weights and nobody else.
RESTRICTED = HOUSE / "laboratory" / "conversion" / "restricted.py"
FILES = sorted(HOUSE.rglob("*.py"))
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))


@cache
def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, in full: `from a import b` is a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: name the package it is relative to
                package = path.relative_to(ROOT / "src").parts[: -node.level]
                base = ".".join([*package, *([base] if base else [])])
            found |= {f"{base}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("deferred", "deferred_property"):
            found.add(".".join(ast.literal_eval(argument) for argument in node.args))
    return found


def libraries(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_belongs_to_a_room():
    strangers = {room(path) for path in FILES} - {*ROOMS, "door", "cli", "verbs", "__main__", "__init__"}
    assert not strangers, f"rooms that are not in the plan: {strangers}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ROOMS], ids=name)
def test_a_room_imports_only_rooms_before_it(path):
    allowed = [*ROOMS[: ROOMS.index(room(path)) + 1], MADE_BY.get(room(path), ""), "__version__"]
    entered = {one.split(".")[1] for one in imports(path) if one.startswith("ohlora.")}
    assert entered <= set(allowed)


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in INNER_ROOMS], ids=name)
def test_a_package_inside_a_room_imports_only_packages_before_it(path):
    parts = path.relative_to(HOUSE).with_suffix("").parts
    inner = INNER_ROOMS[parts[0]]
    if parts[1] == "__init__":
        assert not imports(path)
        return
    entered = {one.split(".")[2] for one in imports(path) if one.startswith(f"ohlora.{parts[0]}.")}
    assert entered <= set(inner[: inner.index(parts[1]) + 1])


def test_nothing_outside_imports_the_laboratory():
    """Only conf names it: what trains, measures or converts is built from a `_target_`."""
    others = [p for p in [*FILES, *PLUGINS, *DOORS] if p.is_file() and HOUSE / "laboratory" not in p.parents]
    users = [name(p) for p in others if any(one.startswith("ohlora.laboratory") for one in imports(p))]
    assert not users


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("optuna", ["battle/contestants/*.py", "predictor/*.py"]),
        ("transformers", ["narrator/*.py"]),
        ("trl", ["narrator/*.py"]),
        ("peft", ["narrator/*.py"]),
        ("tokenizers", ["narrator/*.py", "chat/transformer_encoder.py", "chat/training_encoder.py"]),
        ("accelerate", ["narrator/*.py"]),
        ("datasets", ["narrator/*.py"]),
        ("huggingface_hub", ["narrator/*.py", "pretrained.py", "publish/*.py"]),
        ("starlette", ["web/*.py"]),
        ("uvicorn", ["web/*.py"]),
        ("hydra", ["command_help.py", "composition.py", "conf_files.py", "door.py"]),
        ("omegaconf", ["build.py", "command_help.py", "composition.py", "conf_files.py", "door.py"]),
        ("wandb", ["tracking.py", "dashboards/*.py"]),
        ("wandb_workspaces", ["dashboards/building.py"]),
    ],
)
def test_heavy_libraries_keep_to_one_place(library, places):
    users = {path for path in FILES if library in libraries(path)}
    assert users <= {path for place in places for path in HOUSE.glob(place)}
    if library == "optuna":
        assert len([p for p in users if room(p) == "battle"]) <= 1
        assert {p.stem for p in users if room(p) == "predictor"} <= {"sampler", "study_space", "study_trials"}


def test_the_rules_see_what_they_rule():
    """Were the scan blind, every rule above would hold."""
    assert "optuna" in libraries(HOUSE / "battle" / "contestants" / "optuna.py")
    assert "hydra" in libraries(HOUSE / "door.py")
    assert "ohlora.tracking.csv_logger" in imports(HOUSE / "loggers.py")
    assert "ohlora.errors.OhloraError" in imports(HOUSE / "space.py")


@pytest.mark.parametrize("path", [p for p in DOORS if p.is_file()], ids=name)
def test_a_door_is_short_and_imports_only_hydra(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    assert libraries(path) <= {"hydra", "omegaconf", "ohlora", "sys"}
    assert {one for one in imports(path) if one.startswith("ohlora")} <= {
        "ohlora.door.enter",
        "ohlora.door.run_job",
    }


@pytest.mark.parametrize(
    "path", [HOUSE / "__init__.py", HOUSE / "cli.py", HOUSE / "door.py", *PLUGINS], ids=name
)
def test_what_a_door_needs_at_once_is_light(path):
    top = ast.parse(path.read_text(encoding="utf-8")).body
    names = {n.name for node in top if isinstance(node, ast.Import) for n in node.names}
    names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
    assert not {one.split(".")[0] for one in names} & {
        "torch",
        "lightning",
        "numpy",
        "pandas",
        "optuna",
        "sklearn",
    }
    assert {one for one in names if one.startswith("ohlora")} <= {
        "ohlora.errors",
        "ohlora.text",
        "ohlora.build",
        "ohlora.streams",
        "ohlora.command_help",
        "ohlora.composition",
        "ohlora.conf_files",
        "ohlora.durable",
        "ohlora.provenance",
        "ohlora.cli",
        "ohlora.door",
        "ohlora.positional",
        "ohlora.signals",
        "ohlora.config",
        "ohlora.progress",
    }


@pytest.mark.parametrize("path", [*FILES, *PLUGINS], ids=name)
def test_a_file_is_named_for_what_it_holds(path):
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


def test_nothing_unpickles():
    for path in [*FILES, *PLUGINS, *DOORS]:
        if path.is_file():
            known = {"pickle"} if path == RESTRICTED else set()
            assert libraries(path) & {"pickle", "joblib", "dill", "cloudpickle"} <= known, name(path)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    kept = {k.arg: ast.unparse(k.value) for k in node.keywords}
                    assert kept.get("weights_only") == "True", f"{name(path)}:{node.lineno}"


def test_the_restricted_reader_is_entered_by_one_door_and_looks_nothing_up():
    tree = ast.parse(RESTRICTED.read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {one for one in used if one.startswith("pickle.")} == {
        "pickle.Unpickler",
        "pickle.UnpicklingError",
    }
    kinds = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    (reader,) = [one for one in kinds if "pickle.Unpickler" in map(ast.unparse, one.bases)]
    (lookup,) = [n for n in reader.body if isinstance(n, ast.FunctionDef) and n.name == "find_class"]
    assert "super" not in ast.unparse(lookup)
    stranger = "ohlora.laboratory.conversion.restricted"
    assert [p.name for p in FILES if any(one.startswith(stranger) for one in imports(p))] == ["checkpoint.py"]
    files = "ohlora.laboratory.conversion.checkpoint"
    assert [p.name for p in FILES if any(one.startswith(files) for one in imports(p))] == [
        "convert_weights.py"
    ]
