"""Models of tables: trained on a CSV file, measured, gated and asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainctl.config import load_config
from trainctl.jobs import Predictor, Source, run_evaluation, run_training

CONFIG = """
name: table
threads: 1
data:
  dataset: {{CSV: {{file: {file}, features: [a, b], target: {target}{classes}}}}}
  split: {{val: 0.25}}
model: [{{Linear: {{out_features: {outputs}}}}}]
loss: {loss}
optimizer: {{Adam: {{lr: 0.1}}}}
metrics: [{metrics}]
train: {{epochs: 8}}
"""


def trained(folder: Path, **parts: object) -> Path:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 200))
    kinds = np.where(a + b > 0, "up", "down")
    rows = [f"{x},{2 * x - y},{kind},{y}" for x, y, kind in zip(a, b, kinds, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["a,size,kind,b", *rows]))
    config = folder / "table.yaml"
    config.write_text(CONFIG.format(file=folder / "rows.csv", **parts))
    run_training(load_config(config, environ={}), output_dir=folder / "run")
    return folder / "run"


def test_classes_by_name_from_a_table_in_another_order(tmp_path: Path):
    run = trained(
        tmp_path, target="kind", classes=", classes: [down, up]", outputs=2, loss="CrossEntropyLoss",
        metrics="accuracy, roc_auc, confusion_matrix",
    )  # fmt: skip
    result = run_evaluation(
        run, split="val", fail_if=["accuracy<0.9", "roc_auc<0.9"], per_class=True, baseline=run / "last"
    )
    assert result["passed"]
    predictor = Predictor(run)
    assert predictor.classes == ["down", "up"]
    (tmp_path / "new.csv").write_text("b,id,a\n3,x,3\n-3,y,-3\n5,z,-9\n")
    answers = list(predictor.predict(Source([str(tmp_path / "new.csv")])))
    assert [(each.id, each.answer.answer) for each in answers] == [("x", 1), ("y", 0), ("z", 0)]
    again = list(predictor.predict(Source([str(tmp_path / "rows.csv")])))
    assert len(again) == 200


def test_values(tmp_path: Path):
    run = trained(tmp_path, target="size", classes="", outputs=1, loss="MSELoss", metrics="mae, rmse, r2")
    result = run_evaluation(run, split="val", baseline=run, fail_if=["r2>1", "mae<0"])
    assert result["metrics"]["rmse"] ** 2 == pytest.approx(result["loss"], rel=1e-5)
    assert result["metrics"]["r2"] > 0
    [answer] = Predictor(run).answer(np.array([[1.0, 0.0]]))
    assert answer.values.shape == (1,)
    assert answer.finite


def test_several_files_are_answered_in_their_order(tmp_path: Path):
    run = trained(tmp_path, target="size", classes="", outputs=1, loss="L1Loss", metrics="mae")
    for name in ("1.jsonl", "2.csv"):
        (tmp_path / name).write_text("[1, 2]\n" if name == "1.jsonl" else "1,2\n3,4\n")
    paths = [str(tmp_path / name) for name in ("2.csv", "1.jsonl")]
    answers = list(Predictor(run, batch_size=1).predict(Source(paths)))
    assert [(each.file, each.row) for each in answers] == [(paths[0], 0), (paths[0], 1), (paths[1], 0)]
    np.testing.assert_array_equal(answers[0].answer.values, answers[2].answer.values)
