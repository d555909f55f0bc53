from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.command import REPO, environment
from trainctl.cli.main import main
from trainctl.config import load_config
from trainctl.config.templates import template, templates


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_config_and_says_what_comes_next(capfd):
    assert main(["init"]) == 0
    assert capfd.readouterr() == ("", "mlp.yaml: written\nnext: trainctl train mlp.yaml\n")
    assert Path("mlp.yaml").read_text() == template("mlp")


@pytest.mark.parametrize("name", templates())
def test_a_template_is_explained_and_trains(name, capfd):
    assert main(["init", name, "-q"]) == 0
    text = Path(f"{name}.yaml").read_text()
    assert text.count("#") > 8
    assert f"trainctl train {name}.yaml" in text
    assert main(["validate", f"{name}.yaml", "-q"]) == 0
    assert main(["train", f"{name}.yaml", "--dry-run", "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_the_first_one_learns_the_digits(capfd):
    assert main(["init", "-q"]) == 0
    assert main(["train", "mlp.yaml", "-q", "--json", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["test_metrics"]["accuracy"] > 0.9


def test_the_list_says_what_each_is(capfd):
    assert main(["init", "--list"]) == 0
    out, err = capfd.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == ["template", *templates()]
    assert err == ""


def test_to_stdout(capfd):
    assert main(["init", "cnn", "-o", "-"]) == 0
    assert capfd.readouterr() == (template("cnn"), "")
    assert os.listdir() == []


def test_a_file_of_another_name_has_its_name_in_its_commands(capfd):
    assert main(["init", "-o", "configs/my digits.yaml"]) == 0
    assert capfd.readouterr().err.endswith("next: trainctl train 'configs/my digits.yaml'\n")
    text = Path("configs/my digits.yaml").read_text()
    assert "trainctl train 'configs/my digits.yaml' " in text
    assert "mlp.yaml" not in text
    assert load_config("configs/my digits.yaml", environ={}).config.name == "my digits"


def test_no_name_of_a_file_ends_the_comment():
    assert main(["init", "-q", "-o", "a\nseed: 7.yaml"]) == 0
    assert load_config("a\nseed: 7.yaml", ["name=a"], environ={}).config.seed == 0


@pytest.mark.parametrize("there", ["file", "link", "broken link"])
def test_what_is_there_is_kept_unless_forced(there, capfd):
    kept = Path("mlp.yaml" if there == "file" else "target.yaml")
    if there != "file":
        Path("mlp.yaml").symlink_to(kept)
    if there != "broken link":
        kept.write_text("mine")
    assert main(["init"]) == 2
    assert capfd.readouterr().err.startswith("error: mlp.yaml: is there already\n")
    assert kept.exists() == (there != "broken link")
    assert main(["init", "--force"]) == 0
    assert Path("mlp.yaml").read_text() == template("mlp")
    assert Path("mlp.yaml").is_symlink() == (there != "file")


def test_nothing_is_written_where_there_is_no_such_template():
    assert main(["init", "../templates/mlp"]) == 2
    assert main(["init", ""]) == 2
    assert os.listdir() == []


# -- as it is installed -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPO, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_package_and_what_init_needs_alone(wheel):
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    other = [name for name in names if not name.endswith(".py")]
    assert {name.split("/")[0] for name in names} == {"trainctl"}
    assert sorted(other) == sorted(
        [
            "trainctl/py.typed",
            "trainctl/assets/small_mnist/SOURCE.md",
            *(f"trainctl/assets/templates/{name}.yaml" for name in templates()),
            *(
                f"trainctl/assets/small_mnist/{part}-{what}-ubyte.gz"
                for part in ("train", "t10k")
                for what in ("images-idx3", "labels-idx1")
            ),
        ]
    )
    assert sum(wheel.getinfo(name).compress_size for name in other) < 1_000_000


def test_an_installed_package_trains_in_an_empty_folder(wheel, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    wheel.extractall(site)
    for words in (["init"], ["train", "mlp.yaml", "--epochs", "1", "--threads", "1"], ["eval"]):
        subprocess.run(
            [sys.executable, "-m", "trainctl", *words],
            env=environment(PYTHONPATH=str(site)),
            check=True,
            capture_output=True,
        )
    assert sorted(os.listdir()) == ["mlp.yaml", "runs"]
    # A run that was moved to where the package is somewhere else still finds its data.
    Path("runs/mlp").rename("moved")
    assert main(["eval", "moved", "-q"]) == 0
