from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainctl.storage.files import replace_file, replace_link, write_file


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: (calls.append(name), real(*args))[1])
    replace_file(tmp_path / "a", b"new")
    assert calls == ["fsync", "replace", "fsync"]  # the bytes, the name, the directory
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_file(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_link_is_replaced_over_what_a_killed_process_left(tmp_path: Path):
    (tmp_path / ".tmp-last").symlink_to("nowhere")
    for target in ("one", "two"):
        (tmp_path / target).mkdir()
        replace_link(tmp_path / "last", target)
        assert os.readlink(tmp_path / "last") == target
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["last", "one", "two"]
