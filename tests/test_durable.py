"""Whatever ends a writing early, readers see the whole old file or the whole new one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.limits import no_file_beyond

from ohlora.durable import append_synced, owned, replace_file, replacing, write_json, write_text
from ohlora.errors import OhloraError

POSIX = pytest.mark.skipif(os.name == "nt", reason="no such signals and limits there")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_text("old")
    return path


class TestReplacing:
    def test_the_new_file_takes_the_place_and_nothing_stays_beside_it(self, old):
        replace_file(old, b"new")
        assert old.read_bytes() == b"new"
        assert list(old.parent.iterdir()) == [old]

    def test_folders_that_lead_there_are_made(self, tmp_path):
        write_text(tmp_path / "a" / "b" / "c.txt", "내가 이겼어\n")
        assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "내가 이겼어\n".encode()

    def test_it_is_on_disk_before_it_takes_the_place_and_the_folder_after(self, old, monkeypatch):
        """Else a power cut might leave the new name with nothing behind it."""
        done = []
        fsync, rename = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda fd: (done.append(f"sync {is_folder(fd)}"), fsync(fd)))
        monkeypatch.setattr(Path, "replace", lambda one, to: (done.append("replace"), rename(one, to))[1])
        replace_file(old, b"new")
        assert done == ["sync False", "replace", *(["sync True"] if os.name != "nt" else [])]

    @pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt])
    def test_what_fails_midway_leaves_the_old_one(self, end, old):
        with pytest.raises(end), replacing(old) as part:  # noqa: PT012
            part.write_text("half")
            raise end
        assert old.read_text() == "old"
        assert list(old.parent.iterdir()) == [old]

    @POSIX
    def test_a_kill_midway_leaves_the_old_one(self, old):
        script = (
            "import os, sys, pathlib, ohlora.durable as d\n"
            "with d.replacing(pathlib.Path(sys.argv[1])) as part:\n"
            "    part.write_text('half'); os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", script, str(old)], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
        assert old.read_text() == "old"
        assert [path.suffix for path in old.parent.iterdir() if path != old] == [".part"]

    @POSIX
    @pytest.mark.parametrize("room", [0, 1, 50])
    def test_a_full_disk_leaves_the_old_one(self, room, old):
        with no_file_beyond(room), pytest.raises(OSError, match="File too large"):
            write_json(old, {"lines": ["x"] * 100})
        assert old.read_text() == "old"
        assert list(old.parent.iterdir()) == [old]

    def test_two_endings_for_libraries_that_go_by_them(self, tmp_path):
        with replacing(tmp_path / "a.GIF", ".part.gif") as part:
            assert part.suffix == ".gif"
            part.write_bytes(b"GIF89a")
        assert [path.name for path in tmp_path.iterdir()] == ["a.GIF"]


def is_folder(descriptor: int) -> bool:
    import stat

    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


class TestJson:
    def test_is_readable_and_korean_stays_korean(self, old):
        write_json(old, {"line": "내가 이겼어 😎", "f1": 0.5})
        text = old.read_text(encoding="utf-8")
        assert "내가 이겼어 😎" in text
        assert text.endswith("}\n")
        assert json.loads(text) == {"line": "내가 이겼어 😎", "f1": 0.5}

    def test_nan_is_refused_before_anything_is_written(self, old):
        with pytest.raises(ValueError, match="JSON"):
            write_json(old, {"f1": float("nan")})
        assert old.read_text() == "old"


class TestAppend:
    def test_lines_follow_each_other(self, tmp_path):
        path = tmp_path / "a.jsonl"
        append_synced(path, b"1\n", create=True)
        append_synced(path, b"2\n")
        assert path.read_bytes() == b"1\n2\n"

    def test_a_new_file_is_new(self, old):
        with pytest.raises(FileExistsError):
            append_synced(old, b"1\n", create=True)
        assert old.read_text() == "old"

    @POSIX
    def test_a_full_disk_leaves_no_torn_part(self, tmp_path):
        path = tmp_path / "a.jsonl"
        append_synced(path, b"whole\n", create=True)
        with no_file_beyond(9), pytest.raises(OSError, match="File too large"):
            append_synced(path, b"torn line\n")
        assert path.read_bytes() == b"whole\n"


class TestOwnedFolder:
    def test_a_second_run_is_refused_in_one_line_and_a_later_one_is_not(self, tmp_path):
        folder = tmp_path / "run"
        with (
            owned(folder),
            pytest.raises(OhloraError, match=r"another run is at work in .*run: .*hydra\.run\.dir"),
            owned(folder),
        ):
            raise AssertionError("two at once")
        with owned(folder):
            pass
        assert list(folder.iterdir()) == [], "nothing stays behind"

    def test_a_lock_left_by_a_killed_run_keeps_nobody_out(self, tmp_path):
        (tmp_path / ".run.lock").touch()
        with owned(tmp_path):
            pass
