from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from tests.cli.command import TRAINCTL, commands, environment, trainctl
from trainctl.cli import show
from trainctl.cli.main import app, main
from trainctl.version import __version__

PROGRAM = typer.main.get_command(app)
COMMANDS = commands(PROGRAM)
EXAMPLES = [
    pytest.param(name, line, id=line)
    for name, command in COMMANDS.items()
    for line in (command.epilog or "").splitlines()
]


def lines_of(text: str) -> list[str]:
    return text.rstrip("\n").split("\n")


# -- help ---------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_what_each_does_in_a_sentence(capfd):
    assert main(["--help"]) == 0
    out, err = capfd.readouterr()
    listed = [line.split()[0] for line in out.partition("Commands:\n")[2].splitlines()]
    assert (listed, err) == ([name for name, each in PROGRAM.commands.items() if not each.hidden], "")
    assert "..." not in out.partition("Commands:\n")[2]


@pytest.mark.parametrize("name", [*COMMANDS, "evaluate"])
def test_every_command_explains_itself(name, capfd):
    assert main([*name.split(), "--help"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"Usage: trainctl {name} ")
    assert not re.search(r"[{}]|\.{4}", out.splitlines()[0])
    assert "\nExamples:\n  trainctl " in out
    assert err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_says_what_it_does(name):
    assert all(parameter.help for parameter in COMMANDS[name].params)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_command_line(name, line):
    parts = re.split(" (?:[|>]|>>) ", line)
    words = shlex.split(next(part for part in parts if part.startswith("trainctl ")))
    depth = len(name.split()) + 1
    assert words[:depth] == ["trainctl", *name.split()]
    with COMMANDS[name].make_context(name, words[depth:]) as context:
        assert context.params


@pytest.mark.parametrize("name", [name for name, each in PROGRAM.commands.items() if hasattr(each, "commands")])
def test_every_group_lists_its_commands(name, capfd):
    assert main([name, "--help"]) == 0
    listed = capfd.readouterr().out.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines()] == list(PROGRAM.commands[name].commands)
    assert "..." not in listed


def test_version(capfd):
    assert main(["--version"]) == 0
    assert capfd.readouterr() == (f"trainctl {__version__}\n", "")


def test_nothing_to_do_is_a_mistake_that_help_answers(capfd):
    assert main([]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Usage: trainctl ")


# -- start-up -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], {"numpy", "pydantic", "rich", "yaml", "safetensors", "threadpoolctl"}),
        (["--version"], {"numpy", "pydantic", "rich", "yaml", "safetensors", "threadpoolctl"}),
        (["init", "-q"], {"rich", "safetensors", "threadpoolctl"}),
        (["init", "--list"], {"numpy", "rich", "safetensors", "threadpoolctl"}),
        (["schema"], {"rich", "safetensors", "threadpoolctl"}),
        (["train", "--help"], {"numpy", "rich", "yaml", "safetensors", "threadpoolctl"}),
        (["show", "tiny.yaml"], {"rich", "safetensors", "threadpoolctl"}),
        (["validate", "tiny.yaml"], {"rich", "safetensors", "threadpoolctl"}),
        (["train", "tiny.yaml", "train.epochs=1"], {"rich"}),
        (["profile", "--help"], {"numpy", "rich", "yaml", "safetensors", "threadpoolctl"}),
        (["profile", "tiny.yaml", "--steps", "1"], {"rich"}),
    ],
    ids=" ".join,
)
def test_a_command_imports_only_what_it_uses(words, unwanted, workspace):
    code = "import sys; from trainctl.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert unwanted & set(run.stdout.splitlines()[-1].split()) == set()


# -- mistakes on the command line ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("trian", ["no such command 'trian'", "Did you mean 'train'?", "hint: trainctl --help"]),
        ("train tiny.yaml --epoch 3", ["--epoch.", "Did you mean --epochs?", "hint: trainctl train --help"]),
        ("train tiny.yaml -x", ["no such option: -x", "hint: trainctl train --help"]),
        ("validate", ["missing argument 'CONFIG'", "hint: trainctl validate --help"]),
        ("train", ["missing CONFIG", "hint: trainctl train configs/mlp.yaml, or trainctl train --resume RUN"]),
        ("train tiny.yaml --epochs", ["'--epochs' requires an argument"]),
        ("init mpl", ["no template 'mpl'", "hint: did you mean 'mlp'?"]),
        ("init transformer", ["no template 'transformer'", "hint: valid: 'cnn', 'lstm', 'mlp'"]),
        ("init -o .", ["--output .: expected a file, got a directory", "hint: -o mlp.yaml"]),
        ("init -o tiny.yaml", ["tiny.yaml: is there already", "hint: --force replaces it; -o names another file"]),
        ("init -o tiny.yaml/a.yaml", ["tiny.yaml: "]),
        ("schema -o .", ["--output .: expected a file, got a directory"]),
        ("schema tiny.yaml", ["unexpected extra argument", "hint: trainctl schema --help"]),
        ("--verison", ["--verison", "Did you mean --version?", "hint: trainctl --help"]),
        ("eval a b", ["unexpected extra argument", "(b)", "hint: trainctl eval --help"]),
        ("train tiny.yaml --dry-run --resume", ["--dry-run goes without --resume"]),
        ("train tiny.yaml --dry-run --json -", ["--dry-run goes without --resume and --json"]),
        ("train tiny.yaml --force --resume", ["--resume", "--force", "hint: give one of the two"]),
        ("train tiny.yaml --json tiny.yaml/below", ["--json tiny.yaml/below"]),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(words, shown, workspace, capfd):
    assert main(words.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") <= 2
    assert [part for part in shown if part not in err] == []
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "tiny.yaml", "--seed", "one"],
        ["train", "tiny.yaml", "--log-format", "xml"],
        ["eval", "--split", "tset"],
        ["eval", "--threads", "0"],
        ["profile", "tiny.yaml", "--steps", "0"],
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused(words, workspace, capfd):
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"error: invalid value for '{words[-2]}': ")


# -- the streams --------------------------------------------------------------------------------------


def test_a_reader_that_left_is_no_error(workspace):
    reader, writer = os.pipe()
    os.close(reader)
    run = trainctl("show", "tiny.yaml", stdout=writer)
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_reported(workspace):
    with open("/dev/full", "w") as full:
        run = trainctl("show", "tiny.yaml", stdout=full)
    assert (run.returncode, run.stderr) == (1, b"error: stdout: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_an_error_that_cannot_be_written_keeps_its_exit_code(workspace):
    with open("/dev/full", "w") as full:
        assert trainctl("show", "missing.yaml", stderr=full).returncode == 2


@pytest.mark.parametrize(("redirection", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_closed_streams_are_no_error(redirection, code, workspace):
    command = f"{shlex.join(TRAINCTL)} show tiny.yaml {redirection}"
    run = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (code, b"")


# -- the unforeseen -----------------------------------------------------------------------------------


def broken(*_: object) -> str:
    raise ZeroDivisionError("division by zero")


def test_an_internal_error_says_so_and_what_to_do(workspace, monkeypatch, capfd):
    monkeypatch.setattr(show, "annotated", broken)
    assert main(["show", "tiny.yaml"]) == 1
    assert lines_of(capfd.readouterr().err) == [
        "error: internal error: ZeroDivisionError: division by zero",
        "hint: this is a bug in trainctl; run again with --debug and report what it prints",
    ]


def test_debug_shows_where_an_internal_error_happened(workspace, monkeypatch, capfd):
    monkeypatch.setattr(show, "annotated", broken)
    assert main(["show", "tiny.yaml", "--debug"]) == 1
    assert 'raise ZeroDivisionError("division by zero")' in capfd.readouterr().err


def test_an_interrupt_outside_training_is_130(workspace, monkeypatch, capfd):
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(show, "annotated", interrupted)
    assert main(["show", "tiny.yaml"]) == 130
    assert capfd.readouterr() == ("", "stopped by SIGINT before it was done\n")
