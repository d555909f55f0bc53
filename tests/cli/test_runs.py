"""``trainctl runs`` says how runs stand, and survives whatever is found in a run directory."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.command import trainctl
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.cli.runs import comparison, description, run_table
from trainctl.jobs import compare_runs, describe_run, list_runs, report_runs
from trainctl.jobs.charts import COLORS, Line, chart, sparkline


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Runs that finished with other settings, and one that diverged."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    os.chdir(folder)
    try:
        write_config(folder)
        assert main(["train", "tiny.yaml", "-q"]) == 0
        assert main(["train", "tiny.yaml", "-q", "name=same"]) == 0
        assert main(["train", "tiny.yaml", "-q", "name=other", "optimizer.Adam.lr=0.02", "--epochs", "2"]) == 0
        assert main(["train", "tiny.yaml", "-q", "name=bad", "optimizer.Adam.lr=1e30"]) == 5
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def place(trained, tmp_path, monkeypatch) -> Path:
    """A copy of the runs that a test may spoil, as the current directory."""
    shutil.copytree(trained / "runs", tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statuses(root: str = "runs") -> dict[str, str]:
    return {row["path"]: row["status"] for row in list_runs(root)["runs"]}


def test_a_table_of_runs(place):
    done = trainctl("runs", "list", "--sort", "name")
    assert (done.returncode, done.stdout) == (0, b"")
    rows = [line.split() for line in done.stderr.decode().splitlines()]
    assert [row[:3] for row in rows] == [
        ["run", "status", "epochs"],
        ["runs/bad", "diverged", "0/3"],
        ["runs/other", "finished", "2/2"],
        ["runs/same", "finished", "3/3"],
        ["runs/tiny", "finished", "3/3"],
    ]
    summary = json.loads(Path("runs/tiny/summary.json").read_text())
    assert rows[4][3:5] == ["val_loss", f"{summary['best_value']:.4f}"]


def test_runs_are_sorted_and_json_is_alone_on_stdout(place, capfd):
    def order(*words: str) -> list[str]:
        assert main(["runs", "list", "--json", "-", "-q", *words]) == 0
        out, err = capfd.readouterr()
        assert err == ""
        return [row["name"] for row in json.loads(out)["runs"]]

    assert order("--sort", "epochs") == ["same", "tiny", "other", "bad"]
    assert order("--sort", "epochs", "--reverse") == ["bad", "other", "tiny", "same"]
    assert order("--sort", "best")[-1] == "bad"
    for at, name in enumerate(["tiny", "bad", "other", "same"]):
        for path in [*Path("runs", name).rglob("*.json*"), Path("runs", name, "config.resolved.yaml")]:
            if path.is_file():
                os.utime(path, (1e9 + at, 1e9 + at))
    assert order() == ["same", "other", "bad", "tiny"]


def test_a_run_that_is_locked_is_running_and_one_without_a_summary_is_stopped(place):
    Path("runs/same/summary.json").unlink()
    with open("runs/tiny/.trainctl.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert statuses()["runs/tiny"] == "running"
    assert statuses() == {
        "runs/tiny": "finished",
        "runs/same": "stopped",
        "runs/other": "finished",
        "runs/bad": "diverged",
    }


def test_a_diverged_run_that_is_resumed_is_no_longer_diverged(place, trained, monkeypatch):
    assert main(["runs", "show", "runs/bad"]) == 0
    assert "the loss is" in describe_run("runs/bad")["diverged"]
    monkeypatch.chdir(trained)
    assert main(["train", "tiny.yaml", "-q", "--output-dir", "again", "optimizer.Adam.lr=1e30"]) == 5
    assert main(["train", "tiny.yaml", "-q", "--output-dir", "again", "--force"]) == 0
    assert statuses("again") == {"again": "finished"}


def test_show_is_for_people_and_for_programs(place, capfd):
    assert main(["runs", "show", "runs/tiny", "--json", "-"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    summary = json.loads(Path("runs/tiny/summary.json").read_text())
    assert found["config"]["optimizer.Adam.lr"] == 0.01
    assert found["metrics"]["test loss"] == summary["test_loss"]
    assert found["weights_sha256"] == {"last": summary["weights_sha256"], "best": summary["best_weights_sha256"]}
    assert "runs/tiny: tiny, finished" in err
    assert len(found["rows"]) == 3


def test_compare_shows_settings_figures_and_weights(place, capfd):
    found = compare_runs(["runs/tiny", "runs/other"])
    assert [(each["path"], each["values"]) for each in found["config"]] == [
        ("name", ["tiny", "other"]),
        ("optimizer.Adam.lr", [0.01, 0.02]),
        ("train.epochs", [3, 2]),
    ]
    figures = {each["name"]: each for each in found["metrics"]}
    loss = figures["test loss"]
    assert loss["differences"] == [0.0, loss["values"][1] - loss["values"][0]]
    assert (found["weights_equal"], compare_runs(["runs/tiny", "runs/same"])["weights_equal"]) == (False, True)
    assert compare_runs(["runs/tiny", "runs/bad"])["weights_equal"] is None
    assert main(["runs", "compare", "runs/tiny", "runs/same", "runs/other"]) == 0
    text = capfd.readouterr().err
    assert re.search(r"^optimizer.Adam.lr +0.01 +0.01 +0.02$", text, re.MULTILINE)
    assert re.search(r"^figure +A +B +B-A +C +C-A$", text, re.MULTILINE)
    assert text.endswith("the weights differ\n")


@pytest.mark.parametrize("output", ["report.html", "new/report.md"])
def test_a_report_stands_alone(place, output, capfd):
    Path("runs/evil").mkdir()
    Path("runs/evil/config.resolved.yaml").write_text("name: '<script>alert(1)</script>|x'\n")
    assert main(["runs", "report", "runs/tiny", "runs/other", "runs/evil", "-o", output]) == 0
    text = Path(output).read_text()
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    for name in ("tiny", "other", "val_loss", "accuracy"):
        assert name in text
    assert capfd.readouterr().err == f"wrote {output}\n"


def test_curves_are_where_their_values_are():
    picture = ElementTree.fromstring(chart("a<b", [Line("x&y", [(1, 0.0), (2, 1.0), (3, 0.5)], COLORS[0])]))
    line = next(each for each in picture.iter() if each.tag.endswith("polyline"))
    places = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0])
    assert places[0][1] - places[1][1] == pytest.approx(2 * (places[0][1] - places[2][1]))
    labels = [each.text for each in picture.iter() if each.tag.endswith("text")]
    assert {"0", "1", "2", "3", "x&y"} <= set(labels)


@given(st.lists(st.floats(-1e30, 1e30), max_size=60))
def test_any_values_can_be_drawn(values):
    ElementTree.fromstring(chart("t", [Line("a", list(enumerate(values)), "red", dashed=True)]))
    assert len(sparkline(values)) == min(len(values), 40)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["runs", "list", "nowhere"], 4, "nowhere: no such folder"),
        (["runs", "show", "nowhere"], 4, "nowhere: no such run"),
        (["runs", "show", "."], 4, ".: not a run"),
        (["runs", "compare", "runs/tiny"], 2, "compare takes two runs or more"),
        (["runs", "report", "runs/tiny", "-o", "report.pdf"], 2, "report.pdf: expected a name that ends in .html or .md"),
        (["runs", "report", "runs/tiny", "-o", "runs"], 2, "--output runs: expected a file or -, got a directory"),
        (["runs", "report", "runs/tiny"], 2, "--output"),
        (["runs"], 2, "missing command"),
        (["runs", "lst"], 2, "Did you mean 'list'?"),
    ],
)  # fmt: skip
def test_mistakes_have_their_exit_codes(place, words, code, message, capfd):
    assert main(words) == code
    assert message in capfd.readouterr().err


def test_a_folder_without_runs(place, capfd):
    Path("empty").mkdir()
    assert main(["runs", "list", "empty"]) == 0
    assert capfd.readouterr().err == "empty: no runs\n"


def link_out(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "summary.json").symlink_to("/etc/hostname")


def checkpoint_outside(run: Path) -> None:
    outside = run.parent.parent.resolve() / "outside"
    shutil.copytree((run / "checkpoints" / "last").resolve(), outside)
    (run / "checkpoints" / "last").unlink()
    (run / "checkpoints" / "last").symlink_to(outside)


def pipe(run: Path) -> None:
    (run / "summary.json").unlink()
    os.mkfifo(run / "summary.json")


def ring(run: Path) -> None:
    (run / "checkpoints" / "last").unlink()
    (run / "checkpoints" / "last").symlink_to("last")


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "damage"),
    [
        (link_out, "summary.json: cannot be read"),
        (checkpoint_outside, "checkpoints/last/checkpoint.json: cannot be read: leads out of the run"),
        (pipe, "summary.json: cannot be read: not a file"),
        (ring, "checkpoints/last"),
        (written("summary.json", b"["), "summary.json: not a JSON object"),
        (written("summary.json", b"[" * 10**6), "summary.json: not a JSON object"),
        (written("summary.json", b"\xff"), "summary.json: cannot be read"),
        (written("metrics.jsonl", b"{}\n3\n"), "metrics.jsonl:2: not a JSON object"),
        (written("config.resolved.yaml", b"a: &a [*a]"), "config.resolved.yaml: "),
        (written("config.resolved.yaml", b"!!python/object/apply:os.abort []"), "config.resolved.yaml: "),
        (written("config.resolved.yaml", b""), "config.resolved.yaml: empty"),
        (lambda run: (run / "checkpoints" / "last" / "checkpoint.json").write_bytes(b"{"), "checkpoints/last/checkpoint"),
        (lambda run: shutil.rmtree((run / "checkpoints" / "last").resolve()), "names a checkpoint that is not there"),
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_run_is_shown_as_such(place, spoil, damage, capfd):
    spoil(Path("runs/tiny"))
    assert statuses()["runs/tiny"] == "damaged"
    for words in (["list"], ["show", "runs/tiny"], ["compare", "runs/tiny", "runs/other"]):
        assert main(["runs", *words]) == 0
    assert damage in capfd.readouterr().err
    assert main(["runs", "report", "runs/tiny", "-o", "r.html"]) == 0


def test_a_line_that_a_kill_cut_short_is_no_damage(place):
    with open("runs/tiny/metrics.jsonl", "a") as file:
        file.write('{"epoch": 4, "tr')
    assert statuses()["runs/tiny"] == "finished"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["epoch", "progress", "best", "value", "files", "train_loss", "test_metrics", "monitor", "message"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(value=JSON, row=JSON)
def test_any_json_in_a_run_directory_is_survived(tmp_path_factory, value, row):
    run = tmp_path_factory.getbasetemp() / "any" / "run"
    (run / "checkpoints" / "last").mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "diverged.json", "checkpoints/last/checkpoint.json"):
        (run / name).write_text(json.dumps(value))
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(value) + "\n")
    (run / "config.resolved.yaml").write_text(json.dumps({"name": "x", "train": value}))
    assert run_table(list_runs(run.parent)["runs"]).startswith("run")
    assert description(describe_run(run))[0].startswith(f"{run}: ")
    assert comparison(compare_runs([run, run]))
    assert [report_runs([run], f"r.{kind}")[:1] for kind in ("html", "md")] == ["<", "#"]
