"""Publishing to a Hub that stands in for Hugging Face's: what is sent, what differs, what is refused."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import DatasetCard, ModelCard, constants
from tests.publish.stand_in_hub import TOKEN, USER, StandInHub, stand_in_hub

from ohlora import Encoder, Predictor
from ohlora.assets import assets_dir
from ohlora.build import build
from ohlora.errors import OhloraError
from ohlora.features.autoencoder import load_encoder
from ohlora.predictor.predictor import load
from ohlora.publish.jobs import Publish

# huggingface_hub 2.4 sends a file by LFS in a way that httpx2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
ASSETS = assets_dir()
PREDICTOR, ENCODERS = f"models/{USER}/ohlora-hp-predictor", f"models/{USER}/ohlora-encoders"


@pytest.fixture
def job(composed: Callable[..., Any], tmp_path: Path) -> Callable[..., Publish]:
    """`job("only=[table]")`: the job of `python -m ohlora publish` with these settings."""
    return lambda *settings: build(composed("publish", f"paths.run_dir={tmp_path / 'run'}", *settings).job)


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """`reach(endpoint)`: have huggingface_hub ask there, with a token and an empty cache."""

    def to(endpoint: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)

    return to


@pytest.fixture
def hub(reach: Callable[[str], None]) -> Iterator[StandInHub]:
    with stand_in_hub() as one:
        reach(one.endpoint)
        yield one


def numbers(value: Any) -> set[float]:
    """Every number anywhere in a JSON card."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return set().union(*map(numbers, parts))
    return {value} if isinstance(value, int | float) and not isinstance(value, bool) else set()


@pytest.fixture(scope="module")
def told(composed, tmp_path_factory) -> SimpleNamespace:
    """Its output and the cards it leaves, offline as all tests are, and without a token."""
    printed = io.StringIO()
    folder = tmp_path_factory.mktemp("dry")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.delenv("HF_TOKEN", raising=False)
        build(composed("publish", "owner=lights", f"paths.run_dir={folder}").job).run()
    cards = {path.parent.name: path.read_text(encoding="utf-8") for path in folder.glob("*/README.md")}
    return SimpleNamespace(text=printed.getvalue(), cards=cards)


class TestADryRun:
    def test_names_every_asset_with_its_size(self, told):
        """An asset that no repository of conf/publish.yaml has is published by nobody."""
        listed = re.findall(r"^ +([\d,]+)  (\S+)$", told.text, re.MULTILINE)
        sizes = sorted((Path(name).name, int(size.replace(",", ""))) for size, name in listed)
        shipped = [(path.name, path.stat().st_size) for path in ASSETS.rglob("*") if path.is_file()]
        made = [one for one in sizes if one not in shipped]
        assert sorted(name for name, _ in made) == ["README.md"] * 8 + ["config.json"] * 2
        assert sorted(one for one in shipped if one[0] != "README.md") == [
            one for one in sizes if one not in made
        ]
        for name in told.cards:
            assert f"lights/{name} (" in told.text
        assert "nothing was sent" in told.text

    def test_cards_are_valid_and_their_scores_stand_in_the_json_cards(self, told):
        """Read back by huggingface_hub, whose parser raises for a model-index that is none."""
        scored = 0
        for name, text in told.cards.items():
            kind = DatasetCard if name == "ohlora-target-table" else ModelCard
            data = kind(text).data.to_dict()
            assert data["license"] == ("gemma" if name.endswith("-gemma") else "mit"), name
            assert data["language"], name
            assert data["tags"], name
            assert "{" not in text.partition("\n# ")[2].replace("`{gap}`", ""), name
            if kind is ModelCard:
                assert data["library_name"] in ("ohlora", "transformers", "peft")
            folder = {"ohlora-chat-encoder": "chat"}.get(name, name.removeprefix("ohlora-"))
            folder = ASSETS / folder if (ASSETS / folder).is_dir() else ASSETS
            known = numbers([json.loads(path.read_text()) for path in folder.glob("*.json")])
            for one in ModelCard(text).data.eval_results or []:
                scored += 1
                assert one.metric_value in known, (name, one)
        assert scored > 50

    def test_the_predictors_score_is_the_one_of_its_card(self, told):
        report = json.loads((ASSETS / "hp_predictor.json").read_text())["report"]
        said = {
            (one.dataset_name, one.metric_name): one.metric_value
            for one in ModelCard(told.cards["ohlora-hp-predictor"]).data.eval_results
        }
        folds = f"Oh-LoRA target table, {report['held_out']}"
        assert said[folds, "regret"] == report["scores"]["predictor"]["regret"]
        assert said[folds, "pearson"] == report["scores"]["predictor"]["pearson"]
        table = json.loads((ASSETS / "target_table.json").read_text())
        assert f"{table['counts']['trials']:,} trainings" in told.cards["ohlora-target-table"]


class TestThereAndBack:
    @pytest.mark.slow
    def test_predictor_and_encoders_are_the_same(self, hub, job, capsys, monkeypatch, digits):
        job("only=[predictor,encoders]", "dry_run=false", "private=true").run()
        assert capsys.readouterr().out.count(": sent ") == 2
        assert hub.private == {PREDICTOR: True, ENCODERS: True}
        weights = (ASSETS / "hp_predictor.safetensors").read_bytes()
        assert hub.files[PREDICTOR]["hp_predictor.safetensors"] == weights

        again = Predictor.from_pretrained(f"{USER}/ohlora-hp-predictor")
        ours = load()
        encoded = torch.rand(64, len(ours.columns), generator=torch.Generator().manual_seed(0))
        for subset in ours.known[:3]:
            assert torch.equal(
                again.on(subset[None]).members(encoded), ours.on(subset[None]).members(encoded)
            )
        assert again.card == ours.card
        images = digits.test.images[:50]
        codes = load_encoder(ASSETS / "encoders" / "digits").encode(images)
        fetched = Encoder.from_pretrained(f"{USER}/ohlora-encoders", name="digits")
        assert torch.equal(fetched.encode(images), codes)

        got = {path for path in hub.asked if path.startswith("GET") and "/resolve/" in path}
        assert {Path(path).suffix for path in got} <= {".json", ".safetensors"}
        assert not any("mnist.safetensors" in path for path in got)
        with pytest.raises(OhloraError, match=r"has no digit but cifar10 \| .*did you mean digits"):
            Encoder.from_pretrained(f"{USER}/ohlora-encoders", name="digit")

        # What was fetched once is there without a network.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        cached = Predictor.from_pretrained(f"{USER}/ohlora-hp-predictor")
        assert torch.equal(cached.mean, ours.mean)

    @pytest.mark.slow
    def test_what_is_there_is_not_sent_again(self, hub, job, capsys):
        job("only=[table]", "dry_run=false", "owner=lights").run()
        table = hub.files["datasets/lights/ohlora-target-table"]
        assert table["target_table.parquet"] == (ASSETS / "target_table.parquet").read_bytes()
        asked = len(hub.asked)
        job("only=[table]", "dry_run=false", "owner=lights").run()
        assert capsys.readouterr().out.endswith("up to date\n")
        assert {one.partition(" ")[0] for one in hub.asked[asked:]} == {"GET"}
        table["target_table.json"] = b"{}"
        job("only=[table]", "dry_run=false", "owner=lights").run()
        assert table["target_table.json"] == (ASSETS / "target_table.json").read_bytes()
        _initial, *commits = hub.commits["datasets/lights/ohlora-target-table"]
        assert len(commits) == 2
        assert all(re.fullmatch(r"ohlora \S+, commit \w+\+?", one) for one in commits)

    def test_a_folder_of_ones_own(self, tmp_path, digits):
        ours = Predictor.from_pretrained(ASSETS)
        ours.save_pretrained(tmp_path / "mine")  # type: ignore[attr-defined]
        assert torch.equal(Predictor.from_pretrained(tmp_path / "mine").known, ours.known)
        encoder = Encoder.from_pretrained(ASSETS / "encoders", name="mnist")
        encoder.save_pretrained(tmp_path / "eye")  # type: ignore[attr-defined]
        images = digits.test.images[:9]
        assert torch.equal(Encoder.from_pretrained(tmp_path / "eye").encode(images), encoder.encode(images))
        assert {path.suffix for path in tmp_path.glob("*/*")} == {".json", ".safetensors", ".md"}
        assert ModelCard.load(tmp_path / "mine" / "README.md").data.library_name == "ohlora"


class TestCheck:
    @pytest.fixture
    def sent(self, hub, job, capsys) -> dict[str, bytes]:
        """The files of the encoders on the Hub."""
        job("only=[encoders]", "dry_run=false").run()
        capsys.readouterr()
        return hub.files[ENCODERS]

    def test_the_same(self, sent, job, capsys):
        job("only=[encoders]", "check=true").run()
        assert ": the same, " in capsys.readouterr().out

    def test_what_differs_is_told(self, sent, job, capsys):
        sent["mnist.safetensors"] = sent["mnist.safetensors"][:-1] + b"!"
        sent["README.md"] += b"edited on the Hub"
        del sent["digits.json"]
        sent["old.bin"] = b"a pickle of somebody's"
        with pytest.raises(OhloraError, match="differs from what is here: aurora/ohlora-encoders") as end:
            job("only=[encoders]", "check=true").run()
        assert end.value.exit_code == 1  # type: ignore[attr-defined]
        told = capsys.readouterr().out.splitlines()
        assert told[1:] == [
            "  missing there   digits.json",
            "  another digest  README.md",
            "  another digest  mnist.safetensors",
            "  only there      old.bin",
        ]

    def test_a_repository_that_is_not_there_is_a_fault_of_its_own(self, sent, job, capsys):
        with pytest.raises(OhloraError, match=r"aurora/ohlora-hp-predictor on .*no such repository") as end:
            job("only=[predictor,encoders]", "check=true").run()
        assert not hasattr(end.value, "exit_code")
        assert "aurora/ohlora-encoders (model): the same" in capsys.readouterr().out


SEND = ("only=[table]", "dry_run=false")


class TestFaults:
    def test_no_token(self, hub, job, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        for settings in (SEND, (*SEND, "owner=lights"), ("check=true",)):
            with pytest.raises(OhloraError, match="no token of the Hugging Face Hub"):
                job(*settings).run()
        assert hub.asked == []

    def test_a_token_that_is_none(self, hub, job, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(OhloraError, match=r"the token's user on http.*Invalid") as end:
            job(*SEND).run()
        assert "hf_wrong" not in str(end.value)
        assert len(str(end.value).splitlines()) == 1

    def test_another_owners_name(self, hub, job):
        with pytest.raises(OhloraError, match=r"somebody/ohlora-target-table on .*403.*rights to create"):
            job(*SEND, "owner=somebody").run()

    @pytest.mark.parametrize("route", ["commit", "preupload", r"^/lfs", "batch", "validate-yaml"])
    def test_refused_on_the_way(self, hub, job, route):
        hub.refuses = route
        with pytest.raises(
            OhloraError, match=r"ohlora-target-table on http.*: (403|Client error '403)"
        ) as end:
            job(*SEND).run()
        assert len(str(end.value).splitlines()) == 1
        assert len(hub.files[f"datasets/{USER}/ohlora-target-table"]) == 1

    def test_no_network(self, reach, job, monkeypatch):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        reach(endpoint)
        for settings in ((*SEND, "owner=lights"), SEND, ("check=true", "owner=lights", "only=[table]")):
            with pytest.raises(OhloraError, match=f"on {endpoint}: .*[Cc]onn") as end:
                job(*settings).run()
            assert len(str(end.value).splitlines()) == 1
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # else huggingface_hub tries for half a minute
        with pytest.raises(OhloraError, match=r"no model at lights/x, here or on the Hub: ") as end:
            Predictor.from_pretrained("lights/x")
        assert len(str(end.value).splitlines()) == 1

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            (["owner=a--b"], "owner=a--b"),
            (["owner=a/b"], "not a name on the Hub"),
            (["only=[tabel]"], "did you mean table"),
            (["check=true", "dry_run=false"], "check=true sends nothing"),
            (["repositories.table.metadata.license=null"], "repositories.table.metadata.license=null"),
        ],
    )
    def test_of_settings(self, job, settings, told):
        with pytest.raises(OhloraError, match=re.escape(told)):
            job(*settings)

    def test_of_files(self, job, tmp_path):
        shutil.copytree(ASSETS / "encoders", tmp_path / "encoders")
        shutil.copy(tmp_path / "encoders" / "mnist.safetensors", tmp_path / "encoders" / "digits.safetensors")
        with pytest.raises(OhloraError) as end:
            job(f"paths.encoders={tmp_path / 'encoders'}", f"paths.chat={tmp_path}", "owner=lights").run()
        assert str(end.value) == (
            f"{tmp_path / 'encoders' / 'digits.json'} was written for other weights than lie beside it; "
            f"{tmp_path} has no *.safetensors; {tmp_path} has no *.json; "
            f"{tmp_path} has no *.txt; "
            f"{tmp_path / 'gemma'} has no adapter_config.json; "
            f"{tmp_path / 'gemma'} has no adapter_model.safetensors"
        )

    def test_a_pickle_is_not_sent(self, job, tmp_path):
        (tmp_path / "encoder.pt").write_bytes(b"")
        only = [f"paths.encoders={tmp_path}", "only=[encoders]"]
        with pytest.raises(OhloraError, match=r"encoder\.pt is not published: only \.jinja"):
            job(*only, "repositories.encoders.files=['*.pt']").run()

    def test_a_json_card_without_the_scores(self, job, tmp_path):
        shutil.copytree(ASSETS / "encoders", tmp_path / "encoders")
        path = tmp_path / "encoders" / "mnist.json"
        card = json.loads(path.read_text())
        del card["scores"]["codes"]
        path.write_text(json.dumps(card))
        with pytest.raises(OhloraError, match=r"ohlora-encoders cannot be made: .*mnist\.json has no scores"):
            job(f"paths.encoders={tmp_path / 'encoders'}", "only=[encoders]").run()

    @pytest.mark.parametrize(
        ("config", "told"),
        [("[1]", "no model at"), ('{"card": {}}', "knows name, and not card"), ("{", "no model at")],
    )
    def test_a_config_of_a_strangers(self, tmp_path, config, told):
        for file in ("hp_predictor.json", "hp_predictor.safetensors"):
            shutil.copy(ASSETS / file, tmp_path)
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(OhloraError, match=told):
            Predictor.from_pretrained(tmp_path)

    def test_a_pickle_is_not_read(self, tmp_path):
        (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        with pytest.raises(OhloraError, match=r"hp_predictor\.safetensors and .* missing"):
            Predictor.from_pretrained(tmp_path)


@pytest.mark.slow
def test_exit_codes_of_the_command(hub, job, tmp_path):
    """As it is typed, `--check` and a repository's name, in a process of its own."""
    job("only=[table]", "dry_run=false").run()
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
    }

    def publish(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ohlora", "publish", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )

    hub.files[f"datasets/{USER}/ohlora-target-table"]["x.csv"] = b"1"
    differs = publish("table", "--check")
    assert differs.returncode == 1, differs.stderr
    assert "only there      x.csv" in differs.stdout
    assert differs.stderr.startswith("ohlora: what is on the Hub differs")
    unknown = publish("predictor", "--check")
    assert unknown.returncode == 2, unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
