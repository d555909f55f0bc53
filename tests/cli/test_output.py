from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from trainctl.cli.output import check_json_target, finite, write_json
from trainctl.errors import UsageError

RESULT = {"loss": 0.5, "metrics": {"accuracy": float("nan")}}
READ_BACK = {"loss": 0.5, "metrics": {"accuracy": None}}


def test_a_dash_is_stdout(capfd):
    write_json("-", RESULT)
    out, err = capfd.readouterr()
    assert (json.loads(out), err) == (READ_BACK, "")
    assert out.endswith("}\n")


def test_a_file_is_replaced_whole_and_its_folders_made(tmp_path):
    path = tmp_path / "deep" / "er" / "result.json"
    check_json_target(str(path))
    write_json(str(path), {"old": 1})
    write_json(str(path), RESULT)
    assert json.loads(path.read_text()) == READ_BACK
    assert os.listdir(path.parent) == ["result.json"]


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("real.json")
    write_json(str(tmp_path / "link.json"), RESULT)
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == READ_BACK


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_json(str(pipe), RESULT)
    reader.join()
    assert json.loads(received[0]) == READ_BACK
    assert pipe.is_fifo()


@pytest.mark.parametrize("target", ["", "folder", "file/below.json"])
def test_what_cannot_be_written_is_found_before_the_work(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(UsageError, match="--json"):
        check_json_target(target)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_write_protected_is_found_before_the_work(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="not a directory that can be written to"):
        check_json_target(str(tmp_path / "result.json"))


@pytest.mark.parametrize("target", [None, "-", "result.json", "new/result.json"])
def test_what_can_be_written_passes(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_json_target(target)
    assert not list(tmp_path.iterdir())


def test_every_number_json_cannot_hold_becomes_null():
    value = {"a": [float("inf"), (1, -float("inf"))], "b": {"c": float("nan"), "d": True, "e": "nan"}}
    assert finite(value) == {"a": [None, [1, None]], "b": {"c": None, "d": True, "e": "nan"}}
