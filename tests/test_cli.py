"""`python -m ohlora VERB`, and what `import ohlora` offers."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest

import ohlora
from ohlora.cli import MOVED, VERBS, beside_the_battle, main
from ohlora.provenance import VERB, program


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def typed(monkeypatch):
    def words(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["ohlora", *arguments])

    monkeypatch.setenv(VERB, "")  # and what a test leaves there goes again
    return words


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)], ids=str)
def test_without_a_verb_all_are_listed(typed, capsys, words):
    typed(*words)
    main()
    printed = capsys.readouterr().out
    assert all(f"\n  {verb} " in printed for verb in VERBS)
    assert max(map(len, printed.splitlines())) <= 100


def test_every_verb_has_its_config(composed):
    for verb in VERBS:
        config = composed(verb.replace("-", "_"))
        assert "job" in config or verb == "train", verb


def test_the_chat_in_a_browser_is_the_server_of_all_pages(composed):
    own = ["port=0", "language=ko", "paths.output_dir=out", "--info"]
    words = beside_the_battle(["memory_file=내 기억.sqlite", *own, "encoder=bm25"])
    chat = "'memory_file=내 기억.sqlite' encoder=bm25"
    assert words == ["ui=web", "page=chat", f'chat="{chat}"', *own]
    config = composed("battle", *words[:-1])
    assert (config.page, config.chat, config.port, config.language) == ("chat", chat, 0, "ko")


def test_the_chat_is_nowhere_else(typed, capsys):
    typed("chat", "ui=wep")
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "ui=wep is not one of terminal | web (did you mean web?)" in capsys.readouterr().err


def test_an_unknown_verb(typed, capsys):
    typed("batle", "human=my_hp")
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("ohlora: batle is not one of battle | ")
    assert "did you mean battle" in told


def test_a_process_started_anew_knows_its_verb(typed, monkeypatch):
    entered = []
    monkeypatch.setattr("ohlora.door.open_door", entered.append)
    typed("fine-tune", "narrator=tiny")
    main()
    assert sys.argv == ["ohlora", "narrator=tiny"]
    main()  # as DDP starts its further processes: the same settings, the environment of the first
    assert entered == ["fine_tune", "fine_tune"]


def test_listing_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'hydra', 'pydantic', 'omegaconf'} & set(sys.modules)"
    code = f"import sys; sys.argv = ['ohlora']; from ohlora.cli import main; main(); print({heavy})"
    done = run("-c", code)
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr


@pytest.mark.parametrize("module", ["ohlora.narrator.say", "ohlora.face.animate"])
def test_the_path_of_a_command_of_old_names_the_new_one(module):
    done = run("-m", module, "seed=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ohlora: python -m {module} is now: python -m ohlora {MOVED[module]}\n"


@pytest.mark.parametrize(
    ("started", "module", "verb", "told"),
    [
        ("/x/battle.py", None, None, "python battle.py"),
        ("/x/src/ohlora/__main__.py", "ohlora.__main__", "say", "python -m ohlora say"),
        ("/x/bin/ohlora", None, "fine-tune", "ohlora fine-tune"),
    ],
)
def test_how_it_was_called(typed, monkeypatch, started, module, verb, told):
    monkeypatch.setattr("sys.argv", [started, "seed=1"])
    monkeypatch.setattr(
        sys.modules["__main__"], "__spec__", module and SimpleNamespace(name=module), raising=False
    )
    if verb:
        monkeypatch.setenv(VERB, verb)
    assert " ".join(program()) == told


def test_what_users_may_import():
    assert set(ohlora.__all__) == {
        "Advice",
        "Choice",
        "Encoder",
        "ImageClassifier",
        "OhLoRASampler",
        "OhloraError",
        "Prediction",
        "Predictor",
        "Real",
        "Space",
        "__version__",
        "advise",
        "describe",
        "fit",
        "load",
    }
    assert all(getattr(ohlora, name) is not None for name in ohlora.__all__)
    assert set(ohlora.__all__) <= set(dir(ohlora))
    assert isinstance(ohlora.load(), ohlora.Predictor)
    with pytest.raises(AttributeError, match="no attribute 'advice_of'"):
        _ = ohlora.advice_of


def test_advise_is_also_where_earlier_readmes_had_it():
    from ohlora.predictor import advise

    assert advise is ohlora.advise
    with pytest.raises(ImportError, match="cannot import name 'advice_of'"):
        from ohlora.predictor import advice_of  # noqa: F401


def test_importing_it_is_light():
    done = run("-c", "import sys, ohlora; print({'torch', 'numpy', 'pydantic'} & set(sys.modules))")
    assert done.stdout == "set()\n"


def test_started_as_windows_starts_it(tmp_path):
    """ohlora.exe is a program with a zip behind it, run as `__main__`: nothing that -m could find again."""
    with zipfile.ZipFile(tmp_path / "ohlora.exe", "w") as zipped:
        told = (
            "from ohlora.provenance import program; from hydra_plugins.ohlora_launcher._jobs import started"
        )
        zipped.writestr(
            "__main__.py",
            f"from ohlora.cli import main\nmain()\n{told}\nprint(program(), started(), sep='\\n')",
        )
    printed = run(str(tmp_path / "ohlora.exe"), "--version").stdout.splitlines()
    assert printed[1:] == ["['python', '-m', 'ohlora']", "('-m', 'ohlora.__main__')"]
