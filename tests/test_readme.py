"""The README tells the truth: what it shows runs and prints that, and what there is stands in it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import typer

from tests.cli.command import commands
from tests.markdown import REPO, Shown, blocks, console, make_checkout, run
from trainctl import errors
from trainctl.cli.main import app

README = (REPO / "README.md").read_text(encoding="utf-8")
PROGRAM = typer.main.get_command(app)
COMMANDS = commands(PROGRAM)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


def without_figures(output: str) -> str:
    """Losses, times and threads differ between machines; the README shows them as they were on one."""
    masked = re.sub(r"[0-9a-f]{64}|\d+[hm] \d\d|\d[\d.]*(e-\d+)?", "0", output)
    return re.sub(r"0[ms]\b", "0s", masked).replace("0 threads", "0 thread")


# In the README's order, in one folder: each command finds what those before it made.
@pytest.mark.parametrize("shown", console(README), ids=lambda shown: shown.command)
def test_commands_print_what_is_shown(shown: Shown, checkout: Path):
    if shown.command.startswith("trainctl export"):
        pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    printed, expected = run(shown.command, checkout), shown.output
    if re.match(r"trainctl (train|eval|predict|quantize|export)\b", shown.command):
        printed, expected = without_figures(printed), without_figures(expected)
    assert printed == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_table(name):
    group, _, sub = name.rpartition(" ")
    words = rf"{group} [\w|\\]*\b{sub}" if group else name  # a group's commands share a row
    assert re.search(rf"^\| `trainctl {words}\b", README, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name):
    for parameter in COMMANDS[name].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", README), f"{option} of trainctl {name}"


def test_every_exit_code_is_in_the_table():
    raised = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    table = re.search(r"^\| exit \|.*?\n\n", README, re.MULTILINE | re.DOTALL)[0]
    codes = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    documented = {int(code) for row in codes for code in row.split(",")}
    assert documented == raised | {0, 130, 143}


def test_every_make_target_is_documented():
    targets = re.findall(r"^([a-z]+):.*## ", (REPO / "Makefile").read_text(), re.MULTILINE)
    documented = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(blocks(README, "sh"))))
    assert documented == set(targets) - {"help"}


def test_every_name_of_a_config_is_documented():
    from trainctl.registry import TABLES

    names = {name for table in TABLES.values() for name in table}
    listed = re.search(r"^There are these names so far\..*?\n\n", README, re.MULTILINE | re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", listed)) == names


@pytest.mark.parametrize("config", blocks(README, "yaml"))
def test_configs_are_valid(config, checkout):
    (checkout / "config.yaml").write_text(config)
    assert run("trainctl validate config.yaml", checkout).endswith("config.yaml: config is valid")


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_python_code_prints_what_its_comments_say(code, checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    script = checkout / "example.py"
    script.write_text(code)
    runpy.run_path(str(script))
    expected = re.findall(r"^print\(.*#\s*(.*)$", code, re.MULTILINE)
    assert expected
    assert capsys.readouterr().out.splitlines() == expected


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (REPO / target).exists(), target
