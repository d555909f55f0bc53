"""`trainctl eval` in CI: gates, a baseline, and the files that other tools read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.cli.command import trainctl
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.cli.report_files import junit, markdown

SCALED = "data.transforms=[{Normalize: {mean: 0.3, std: 0.2}}]"
METRICS = "metrics=[accuracy, f1, confusion_matrix]"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: a good one, one like it from another seed, and one that is hardly trained."""
    folder = tmp_path_factory.mktemp("gates")
    write_config(folder)
    for name, words in {
        "good": ["train.epochs=8", SCALED],
        "like": ["train.epochs=8", SCALED, "--seed", "4"],
        "bad": ["train.epochs=1", "optimizer.Adam.lr=1e-5"],
    }.items():
        run = ["train", str(folder / "tiny.yaml"), METRICS, *words, "-o", str(folder / name), "-q"]
        assert main(run) == 0
    return folder


@pytest.fixture
def runs(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("good", "like", "bad"):
        (tmp_path / name).symlink_to(place / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def result(capfd, *words: str, code: int = 0) -> dict:
    capfd.readouterr()
    assert main(["eval", *words, "--json", "-", "-q"]) == code
    return json.loads(capfd.readouterr().out)


def test_a_gate_that_holds_and_one_that_fails(runs):
    assert main(["eval", "good", "--fail-if", "accuracy<0.5", "--fail-if", "loss>1e3"]) == 0
    failed = trainctl("eval", "good", "--fail-if", "accuracy<0.5", "--fail-if", "accuracy<=1", "--fail-if", "loss>0")
    assert (failed.returncode, failed.stdout) == (3, b"")
    lines = failed.stderr.decode().splitlines()
    assert [line for line in lines if line.startswith("error")] == lines[-1:]
    assert re.fullmatch(r"error: gate failed: accuracy is \S+ \(accuracy<=1\); loss is \S+ \(loss>0\)", lines[-1])
    assert lines[-4:-1] == ["accuracy<0.5    passed", "accuracy<=1     failed", "loss>0          failed"]


def test_a_figure_that_is_no_number_fails(runs, capfd):
    words = ["-s", "metrics=[{perplexity: {ignore_index: 0}}, r2]"]
    assert main(["eval", "good", *words]) == 2  # r2 is none of classes
    assert "r2 expects values and targets of one shape" in capfd.readouterr().err
    one_class = ["--split", "val", "-s", "metrics=[roc_auc]", "-s", "data.split.val=0.01"]
    assert result(capfd, "good", *one_class)["metrics"] == {"roc_auc": None}
    failed = result(capfd, "good", *one_class, "--fail-if", "roc_auc<0", code=3)
    assert failed["gates"][0]["passed"] is False


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--fail-if", "acuracy<1"], "--fail-if: 'acuracy' is not measured\nhint: did you mean 'accuracy'?"),
        (["--fail-if", "confusion_matrix<1"], "'confusion_matrix' is a table"),
        (["--fail-if", "accuracy"], "quote it, or the shell takes < and > for itself"),
        (["--compare", "accuracy"], "--compare says what a comparison decides by, and there is none"),
        (["--baseline", "like", "--compare", "acc"], "--compare: 'acc' is not measured"),
        (["--baseline", "like", "--alpha", "0"], "--alpha: expected a number between 0 and 1, got 0"),
        (["--baseline", "like", "--max-drop", "-1"], "--max-drop: expected a number of 0 or more, got -1"),
        (["--baseline", "like", "--max-drop", "nan"], "--max-drop: expected a number of 0 or more, got nan"),
        (["-s", "model=[]"], "expected a key of data or metrics, got 'model'"),
        (["-s", "metrics=[acc]"], "unknown metric 'acc'"),
        (["--json", "-", "--markdown", "-"], "--json and --markdown both write to stdout"),
        (["--json", "a", "--junit", "./a"], "--json and --junit both write to ./a"),
        (["--junit", "good"], "--junit good: expected a file or -, got a directory"),
    ],
)
def test_what_cannot_be_asked_is_said_before_data_is_read(words, shown, runs, place, capfd):
    (place / "data").rename(place / "away")
    try:
        assert main(["eval", "good", *words]) == 2
    finally:
        (place / "away").rename(place / "data")
    assert shown in capfd.readouterr().err


# -- the baseline -------------------------------------------------------------------------------------


def test_noise_is_no_regression_and_a_bad_model_is(runs, capfd):
    like = result(capfd, "good", "--baseline", "like")
    assert like["passed"]
    assert {row["name"]: row["decides"] for row in like["baseline"]["comparisons"]} == {
        "loss": False, "accuracy": True, "f1": True,
    }  # fmt: skip
    bad = result(capfd, "bad", "--baseline", "good", code=3)
    assert not bad["passed"]
    row = bad["baseline"]["comparisons"][1]
    assert (row["name"], row["verdict"], row["test"]) == ("accuracy", "regression", "McNemar, exact")
    assert row["value"] == bad["metrics"]["accuracy"]
    assert row["difference"] == pytest.approx(row["value"] - row["baseline"])
    assert row["interval"][0] < row["difference"] < row["interval"][1] < 0
    assert row["p"] <= row["p_adjusted"] < 0.05
    better = result(capfd, "good", "--baseline", "bad")
    assert {each["verdict"] for each in better["baseline"]["comparisons"]} == {"improvement"}


def test_the_reason_is_one_line(runs, capfd):
    assert main(["eval", "bad", "--baseline", "good", "--compare", "accuracy", "-q"]) == 3
    expected = r"error: gate failed: accuracy \S+ against the baseline's \S+ is worse \(p \S+\)\n"
    assert re.fullmatch(expected, capfd.readouterr().err)


def test_a_drop_that_is_allowed_passes(runs, capfd):
    allowed = result(capfd, "bad", "--baseline", "good", "--max-drop", "1")
    assert allowed["passed"]
    assert allowed["baseline"]["comparisons"][1]["verdict"] == "worse, within max-drop"


def test_a_run_is_as_good_as_itself(runs, capfd):
    same = result(capfd, "good", "--baseline", "good", "-s", "metrics=[accuracy, roc_auc, perplexity, recall]")
    for row in same["baseline"]["comparisons"]:
        assert (row["difference"], row["p"], row["verdict"]) == (0, 1, "no significant difference")


def test_the_baseline_keeps_its_transforms_and_takes_the_runs_data(runs, place, capfd):
    words = [
        "data.transforms=[{Normalize: {mean: 0.3, std: 0.2}}]",
        "data.split.val=0",
        "--seed",
        "9",
        "train.epochs=12",
    ]
    assert main(["train", str(place / "tiny.yaml"), METRICS, *words, "-o", "other", "-q"]) == 0
    own = result(capfd, "other")
    compared = result(capfd, "good", "--baseline", "other", "--max-drop", "1")
    assert compared["baseline"]["comparisons"][1]["baseline"] == own["metrics"]["accuracy"]
    assert compared["baseline"]["samples"] == 30
    assert (
        result(capfd, "good", "--baseline", "other", "--split", "val", "--max-drop", "1")["baseline"]["samples"] == 20
    )


def test_a_baseline_without_a_checkpoint_is_named(runs, capfd):
    assert main(["eval", "good", "--baseline", "goood"]) == 4
    assert "goood: no such run or checkpoint" in capfd.readouterr().err


# -- the files ----------------------------------------------------------------------------------------


def test_every_file_is_written_also_where_a_gate_fails(runs, capfd):
    words = ["--fail-if", "accuracy<2", "--baseline", "like", "--per-class"]
    assert main(["eval", "good", *words, "--json", "a/r.json", "--junit", "a/r.xml", "--markdown", "a/r.md"]) == 3
    found = json.loads(Path("a/r.json").read_text())
    assert (found["schema_version"], found["passed"]) == (1, False)
    assert found["gates"] == [
        {"gate": "accuracy<2", "name": "accuracy", "value": found["metrics"]["accuracy"], "passed": False}
    ]
    assert set(found["tables"]) == {"confusion_matrix", "per_class"}
    assert sum(map(sum, found["tables"]["confusion_matrix"]["values"])) == 30
    check_junit(Path("a/r.xml").read_text())
    assert Path("a/r.md").read_text().startswith("### tiny: **failed**\n")
    assert sorted(path.name for path in Path("a").iterdir()) == ["r.json", "r.md", "r.xml"]


def test_markdown_goes_to_stdout_alone(runs, capfd):
    assert main(["eval", "good", "--markdown", "-", "-q"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "### tiny"
    assert "| metric | value |" in lines
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


ODD: dict = {
    "name": "a<b>&\"'|`\x00\x1b[31m\ud800",
    "checkpoint": "runs/a|b`c/checkpoints/step-1",
    "split": "test",
    "samples": 3,
    "loss": None,
    "metrics": {"top_k": 0.5},
    "tables": {"big": {"values": [[1] * 30] * 30}, "odd": [1], "empty": {"values": []}},
    "gates": [{"gate": "loss<1", "name": "loss", "value": None, "passed": False}],
    "baseline": None,
    "passed": False,
    "seconds": 0.5,
    "weights_sha256": "0" * 64,
}


def check_junit(text: str) -> Xml.Element:
    """The rules of Jenkins' schema for what is used here: names, their order, required attributes, counts."""
    root = Xml.fromstring(text)
    assert root.tag == "testsuites"
    assert set(root.keys()) == {"name", "tests", "failures", "errors", "time"}
    [suite] = root
    assert set(suite.keys()) == {"name", "tests", "failures", "errors", "skipped", "time"}
    assert [child.tag for child in suite] == ["properties"] + ["testcase"] * int(suite.get("tests"))
    cases = suite.findall("testcase")
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    for case in cases:
        assert set(case.keys()) == {"classname", "name", "time"}
        assert [child.tag for child in case] in (["failure"], ["system-out"])
        assert re.fullmatch(r"\d+\.\d{3}", case.get("time"))
    failed = [case for case in cases if case.find("failure") is not None]
    assert len(failed) == int(suite.get("failures")) == int(root.get("failures"))
    assert all(set(case.find("failure").keys()) == {"message", "type"} for case in failed)
    return root


def test_junit_escapes_what_xml_cannot_hold():
    root = check_junit(junit(ODD))
    assert root.get("name") == "trainctl eval a<b>&\"'|`??[31m?"
    names = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert names == ["loss", "loss<1"]


def test_a_gate_given_twice_is_one(runs, capfd):
    words = ["--fail-if", "loss<0", "--fail-if", "loss<0", "--fail-if", "loss < 0"]
    assert [gate["gate"] for gate in result(capfd, "good", *words)["gates"]] == ["loss<0", "loss < 0"]


def test_markdown_escapes_what_would_be_markup():
    text = markdown(ODD)
    assert "### a&lt;b&gt;&amp;\"'\\|\\`" in text
    assert "``runs/a|b`c/checkpoints/step-1``" in text.replace("`` ", "``").replace(" ``", "``")
    assert "| loss | not finite |" in text
    assert "big: in the JSON result" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)


def test_a_surrogate_does_not_stop_a_file(runs, tmp_path):
    from trainctl.cli.output import write_text

    write_text("odd.md", markdown(ODD))
    assert b"\\ud800" in Path("odd.md").read_bytes()
