"""The workspace and the report as code: whole offline, of metrics that runs log; lineage after a sync."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT
from tests.offline_runs import shows

from ohlora.dashboards.panels import SECTIONS, STEP
from ohlora.dashboards.replay import replay_lineage
from ohlora.errors import OhloraError

SWEEP = yaml.safe_load((ROOT / "docs" / "sweep.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def printed(door, tmp_path_factory) -> dict[str, Any]:
    """What the verb prints where W&B cannot be reached."""
    pytest.importorskip("wandb_workspaces", reason='pip install "ohlora[dashboards]"')
    folder = tmp_path_factory.mktemp("dashboards")
    done = door(
        "dashboards", "entity=me", "hydra.run.dir=run", cwd=folder, WANDB_BASE_URL="http://127.0.0.1:9"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((folder / "run" / "dashboards.json").read_text())
    return json.loads(done.stdout)


class TestSpecification:
    def test_every_panel_is_in_workspace_and_report(self, printed):
        sections = printed["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
        assert [one["name"] for one in sections] == [one.title for one in SECTIONS]
        for drawn, section in zip(sections, SECTIONS, strict=True):
            assert len(drawn["panels"]) == len(section.panels)
        grids = [b for b in printed["report"]["spec"]["blocks"] if b["type"] == "panel-grid"]
        for grid, section in zip(grids, SECTIONS, strict=True):
            metadata = grid["metadata"]
            assert len(metadata["panelBankSectionConfig"]["panels"]) == len(section.panels)
            (chosen,) = metadata["runSets"][0]["filters"]["filters"]
            assert (chosen["key"]["name"], chosen["value"]) == ("jobType", section.job_type)

    def test_the_panels_name_the_keys_that_runs_are_asked_for(self, printed):
        """`needed` is what the journeys compare with real runs: it must be what the panels really show."""
        sections = printed["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
        for drawn, section in zip(sections, SECTIONS, strict=True):
            for shown, panel in zip(drawn["panels"], section.panels, strict=True):
                text = json.dumps(shown)
                for key in (*panel.keys, *panel.also):
                    name = key.removeprefix("config:")
                    assert json.dumps(name)[1:-1] in text or "".join(name.split("params.")) in text, key
                if panel.kind == "lines":
                    assert shown["config"]["xAxis"] == STEP

    def test_runs_are_grouped_by_sweep_job_type_and_dataset(self, printed):
        (runs,) = printed["workspace"]["spec"]["section"]["runSets"]
        assert [key["name"] for key in runs["grouping"]] == ["group", "jobType", "choices.value.dataset"]

    def test_nothing_is_uploaded_without_a_network(self, door, tmp_path):
        pytest.importorskip("wandb_workspaces", reason='pip install "ohlora[dashboards]"')
        done = door("dashboards", "push=true", cwd=tmp_path, WANDB_BASE_URL="http://127.0.0.1:9")
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            "ohlora: push=true needs W&B (no network); without it the specification is printed"
        ]


def test_every_section_is_held_to_a_real_run():
    """Each journey ends with `shows(folder, title)`, which fails for a panel that would stay empty."""
    asked = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "shows":
                asked.add(ast.literal_eval(node.args[1]))
    assert asked == {section.title for section in SECTIONS}


@dataclass
class Run:
    """A synced run as wandb.Api tells it, as far as lineage asks."""

    config: dict[str, Any]
    made: list[Any] = field(default_factory=list)
    used: list[Any] = field(default_factory=list)

    def logged_artifacts(self) -> list[Any]:
        return self.made

    def used_artifacts(self) -> list[Any]:
        return self.used

    def use_artifact(self, artifact: Any) -> None:
        self.used.append(artifact)


def test_lineage_is_told_once():
    """From sweep to match; the API is W&B's own, which no test can reach."""

    def artifact(name: str) -> Any:
        return SimpleNamespace(id=name, metadata={"sha256": name})

    def inputs(*names: str) -> dict[str, Any]:
        return {"inputs": [{"kind": "model", "name": name, "sha256": name} for name in names]}

    sweep = Run({}, made=[artifact("trials")])
    table = Run(inputs("trials"), made=[artifact("target_table")])
    predictor = Run(inputs("target_table"), made=[artifact("hp_predictor")])
    match = Run(inputs("hp_predictor", "shipped"))
    api = SimpleNamespace(runs=lambda project: [match, predictor, table, sweep])
    assert "3 inputs of 4 runs told to W&B, 0 known to it, 1 not made by" in replay_lineage(api, "me/ohlora")
    used = [[one.id for one in run.used] for run in (sweep, table, predictor, match)]
    assert used == [[], ["trials"], ["target_table"], ["hp_predictor"]]
    assert "0 inputs of 4 runs told to W&B, 3 known to it" in replay_lineage(api, "me/ohlora")


class TestSweepFile:
    def test_its_ranges_are_those_of_the_space(self, space):
        given = {
            name.removeprefix("params."): one
            for name, one in SWEEP["parameters"].items()
            if name.startswith("params.")
        }
        assert given.keys() == space.within.keys()
        for name, axis in space.within.items():
            if "values" in given[name]:
                assert given[name]["values"] == list(axis.options)
            else:
                assert (given[name]["min"], given[name]["max"]) == (axis.low, axis.high)
                assert ("log" in given[name]["distribution"]) == axis.log

    @pytest.mark.slow
    def test_the_agents_command_trains(self, door, tmp_path):
        """The command line that W&B's agent builds of the file, run once; the run is the agent's run."""
        utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason='pip install "ohlora[wandb]"')
        args = {}
        for name, one in SWEEP["parameters"].items():
            args[name] = {"value": one.get("value", one.get("max", one.get("values", [None])[0]))}
        variables = utils.create_sweep_command_args({"args": args})
        variables |= {"env": [], "interpreter": [], "program": [SWEEP["program"]]}
        words = [
            word
            for part in utils.create_sweep_command(list(SWEEP["command"]))
            for word in (variables[part[2:-1]] if part.startswith("${") else [part])
        ]
        here = ["size=smoke", "paths.output_dir=out", "hydra.run.dir=run"]
        done = door(
            *words, *here, cwd=tmp_path, WANDB_MODE="offline", WANDB_RUN_ID="abc123", WANDB_SWEEP_ID="s1"
        )
        assert done.returncode == 0, done.stderr
        run = shows(tmp_path, "Trials watched")
        assert run.about["run_id"] == "abc123"
        assert SWEEP["metric"]["name"] in run.history
        assert run.config["params"]["learning_rate"] == SWEEP["parameters"]["params.learning_rate"]["max"]


def test_a_project_is_no_path(composed):
    from ohlora.build import build

    with pytest.raises(OhloraError, match="project=a/b holds a slash"):
        build(composed("dashboards", "project=a/b").job)
