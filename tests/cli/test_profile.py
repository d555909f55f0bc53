from __future__ import annotations

import json
import re

import pytest

from tests.cli.command import trainctl
from tests.cli.test_terminal import SGR, finished, start
from trainctl.cli.main import main
from trainctl.cli.profile import HEADER
from trainctl.plan import peaks


@pytest.fixture(autouse=True)
def hasty(monkeypatch, workspace):
    monkeypatch.setattr(peaks, "_SECONDS", 0.001)
    return workspace


def profiled(capfd, *words: str) -> dict:
    assert main(["profile", "tiny.yaml", "--steps", "4", "--json", "-", "-q", *words]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return json.loads(out)


def test_in_a_pipe_it_prints_plain_tables_and_stdout_stays_empty(hasty):
    run = trainctl("profile", "tiny.yaml", "--steps", "3")
    assert (run.returncode, run.stdout) == (0, b"")
    title, measured, _, header, *rows = run.stderr.decode().splitlines()
    assert re.fullmatch(
        r"tiny: [\d.e-]+ ms a step of 16 samples on 1 thread, and .*; [\d.e-]+ ms where each call is timed", title
    )
    assert re.fullmatch(r"measured here: float32 products \d+ GFLOP/s, copying memory \d+ GB/s", measured)
    assert header.split() == " ".join(HEADER).split()
    assert any(row.startswith("Linear ") for row in rows)
    assert any(row.startswith("plan: ") for row in rows)
    assert "memory" in [row.partition(" ")[0] for row in rows]
    assert not (hasty / "runs").exists()


def test_json_has_the_figures_and_their_shares_are_the_whole_step(capfd):
    result = profiled(capfd)
    assert result["schema_version"] == 1
    assert (result["name"], result["steps"], result["batch_size"], result["threads"]) == ("tiny", 4, 16, 1)
    assert result["no_plan"] is None
    assert sum(each["share"] for each in result["ops"]) == pytest.approx(1)
    assert sum(each["ms"] for each in result["ops"]) == pytest.approx(result["timed_step_ms"])
    products = sum(each["flops"] for each in result["ops"])
    assert products == 2 * 16 * (784 * 8 * 2 + 8 * 10 * 3)  # both layers, their weights' gradients, one input's
    assert result["memory"]["parameters"] == result["memory"]["gradients"] == 4 * 6370
    assert result["memory"]["optimizer_state"] >= 2 * 4 * 6370
    assert set(result["ops"][0]) == {
        "op", "how", "calls", "ms", "share", "flops", "bytes",
        "gflops_per_second", "of_product_peak", "gbytes_per_second", "of_copy_peak",
    }  # fmt: skip


def test_json_goes_to_a_file_and_the_table_to_stderr(hasty, capfd):
    assert main(["profile", "tiny.yaml", "--steps", "1", "--json", "out.json"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("tiny: ")
    assert json.loads((hasty / "out.json").read_text())["plan"]["plans"] == 1


def test_the_json_format_is_one_line_on_stderr(capfd):
    assert main(["profile", "tiny.yaml", "--steps", "1", "--log-format", "json"]) == 0
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert json.loads(err)["event"] == "profile"


def test_without_a_plan_it_says_why_and_times_the_ops_of_eager_mode(capfd):
    result = profiled(capfd, "train.compile=false")
    assert (result["plan"], result["no_plan"], result["kernels"]) == (None, "train.compile is false", None)
    assert {each["how"] for each in result["ops"]} == {"eager", "-"}
    assert sum(each["share"] for each in result["ops"]) == pytest.approx(1)
    assert sum(each["flops"] for each in result["ops"]) == 2 * 16 * (784 * 8 * 2 + 8 * 10 * 3)
    assert main(["profile", "tiny.yaml", "--steps", "1", "train.compile=false"]) == 0
    assert "no plan: train.compile is false; these are the ops of eager mode" in capfd.readouterr().err


def test_options_replace_the_config_s_values(capfd):
    result = profiled(capfd, "--set", "data.batch_size=10", "--threads", "2", "name=other")
    assert (result["name"], result["batch_size"], result["threads"]) == ("other", 10, 2)
    assert result["peaks"]["threads"] == 2


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["model.1=Linaer"], 2, "unknown layer 'Linaer'"),
        (["model.1.Linear.out_features=0"], 2, "model.1"),
        (["--threads", "none"], 2, "threads"),
        (["--json", "data"], 2, "--json data"),
        (["data.dataset.MNIST.root=nowhere"], 4, "nowhere"),
    ],
)
def test_what_cannot_be_profiled_is_explained(words, code, shown, capfd):
    assert main(["profile", "tiny.yaml", *words]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert shown in err


def test_on_a_terminal_there_is_weight_unless_it_is_not_wanted(hasty):
    for changes, words, expected in (
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({}, ["--no-color"], False),
        ({}, ["--log-format", "plain"], False),
    ):
        terminal = start("profile", "tiny.yaml", "--steps", "1", *words, **changes)
        sent = finished(terminal)
        assert terminal.exitstatus == 0
        assert bool(SGR.search(sent)) is expected
        assert "Linear" in sent
