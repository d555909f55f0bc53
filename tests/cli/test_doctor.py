from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.command import REPO, environment, trainctl
from trainctl.cli.doctor import report_lines
from trainctl.cli.main import main
from trainctl.jobs import run_doctor
from trainctl.jobs.doctor import EXTRAS, NEEDED, findings_of
from trainctl.version import __version__


def test_the_report_is_on_stderr_and_nothing_is_broken_here():
    done = trainctl("doctor")
    assert (done.returncode, done.stdout) == (0, b"")
    lines = done.stderr.decode().splitlines()
    subjects = ["trainctl", "system", "processor", "blas", "kernels", "gpu", "memory", "disk", "terminal"]
    assert [line.split()[0] for line in lines[: len(subjects)]] == subjects
    assert f"{__version__} on CPython" in lines[0]
    for name in EXTRAS:
        assert any(line.startswith(f"  {name} ") for line in lines)


def test_json_alone_on_stdout(capfd):
    assert main(["doctor", "--json", "-", "-q"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert (err, found["schema_version"], found["ok"]) == ("", 1, True)
    assert set(found["versions"]) == {"trainctl", "python", *NEEDED}
    assert found["cpu"]["usable"] <= found["cpu"]["cores"]
    assert found["disk"]["free"] > 0


def test_what_is_needed_and_what_extras_there_are_is_what_the_project_says():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    assert [each.split(">")[0] for each in project["dependencies"]] == list(NEEDED)
    for name, extra in EXTRAS.items():
        assert project["optional-dependencies"][name][0].split(">")[0] == extra.packages[0]


def test_threads_follow_affinity_and_variables():
    code = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from trainctl.cli.main import main; sys.exit(main(['doctor', '--json', '-']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment(OMP_NUM_THREADS="1"), check=True
    )
    found = json.loads(done.stdout)
    assert (found["cpu"]["affinity"], found["cpu"]["usable"]) == (1, 1)
    assert found["cpu"]["variables"]["OMP_NUM_THREADS"] == "1"


@pytest.fixture(scope="module")
def found() -> dict:
    return run_doctor()


SPOILED = [
    ({"versions": {"numpy": None}}, "not installed: numpy", True),
    ({"kernels": {"writable": False, "numba": "1", "folder": "kept"}}, "kept cannot be written", False),
    ({"kernels": {"numba": "1", "switched_off": True}}, "TRAINCTL_KERNELS=numpy switches", False),
    ({"blas": []}, "BLAS library is not known", False),
    ({"disk": {"writable": False}}, "cannot be written", False),
    ({"disk": {"free": 5 << 20}}, "5 MiB of disk are left", False),
    ({"gpu": {"seen_by_driver": 1, "usable": 0, "why_not": "CuPy is not installed"}}, "CuPy is not installed", False),
    ({"cpu": {"load": 99.0, "cores": 2}}, "load 99.0", False),
    ({"terminal": {"encoding": "ascii"}}, "the terminal's encoding is ascii", False),
]


@pytest.mark.parametrize(("changes", "message", "broken"), SPOILED)
def test_what_is_wrong_is_found_and_shown(found, changes, message, broken):
    spoiled = {**found}
    for key, change in changes.items():
        spoiled[key] = {**found[key], **change} if isinstance(change, dict) else change
    added = [each for each in findings_of(spoiled) if message in each.message]
    assert [each.broken for each in added] == [broken]
    assert added[0].hint
    spoiled["findings"] = [vars(each) for each in findings_of(spoiled)]
    assert any(message in line for line in report_lines(spoiled))


def test_what_is_broken_is_an_exit_code(monkeypatch, capfd):
    monkeypatch.setattr("trainctl.jobs.doctor.NEEDED", (*NEEDED, "no-such-package"))
    assert main(["doctor"]) == 1
    assert "broken: not installed: no-such-package" in capfd.readouterr().err


def test_a_cache_that_cannot_be_written_and_a_terminal_without_utf_8(tmp_path):
    (tmp_path / "file").write_text("")
    done = trainctl(
        "doctor",
        "--json",
        "-",
        env=environment(TRAINCTL_CACHE_DIR=str(tmp_path / "file"), PYTHONIOENCODING="ascii", NO_COLOR="1"),
        cwd=tmp_path,
    )
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert not found["kernels"]["writable"]
    assert (found["terminal"]["encoding"], found["terminal"]["color"]) == ("ascii", False)
    assert Path(found["disk"]["path"]) == Path(os.path.realpath(tmp_path))
