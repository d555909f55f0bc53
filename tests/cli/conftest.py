from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.tiny import write_config


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with tiny.yaml and its data in it and no run yet."""
    write_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm-256color")
    return tmp_path
