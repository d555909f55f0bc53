"""Broken configs through the command line itself: exit 2, each mistake at its place, nothing on stdout."""

from __future__ import annotations

import pytest

from tests.cli.command import environment, trainctl

BROKEN = {
    "several mistakes": (
        "data: {dataset: SmallMNST}\nmodel:\n  - Linaer: {out_features: 10}\n  - Linear: {out_features: ten}\n"
        "loss: CrossEntropyLoss\nloss: MSELoss\noptimizer: {SGD: {lr: fast}}\ntrain: {epoch: 3}\n",
        """\
error: c.yaml:1:17: data.dataset: unknown dataset 'SmallMNST'
    data: {dataset: SmallMNST}
                    ^
    did you mean 'SmallMNIST'?
error: c.yaml:3:5: model.0.Linaer: unknown layer 'Linaer'
      - Linaer: {out_features: 10}
        ^
    did you mean 'Linear'?
error: c.yaml:4:28: model.1.Linear.out_features: expected an integer, got 'ten' (a string)
      - Linear: {out_features: ten}
                               ^
error: c.yaml:6:1: duplicate key 'loss', first on line 5
    loss: MSELoss
    ^
    keep one of them
error: c.yaml:7:23: optimizer.SGD.lr: expected a number, got 'fast' (a string)
    optimizer: {SGD: {lr: fast}}
                          ^
error: c.yaml:8:1: train: missing key 'epochs'
    train: {epoch: 3}
    ^
    add `epochs: ...` (an integer >= 1)
error: c.yaml:8:9: train.epoch: unknown key
    train: {epoch: 3}
            ^
    did you mean 'epochs'?
""",
    ),
    "a tab": (
        "train:\n\tepochs: 3\n",
        """\
error: c.yaml:2:1: a tab where YAML wants spaces
    \tepochs: 3
    ^
    indent with spaces
""",
    ),
    "a base that is not there": (
        "seed: 1\nextends: bsae.yaml\n",
        """\
error: c.yaml:2:10: extends: bsae.yaml: no such file
    extends: bsae.yaml
             ^
    did you mean base.yaml?
""",
    ),
    "a mistake in a base": (
        "extends: base.yaml\n",
        """\
error: base.yaml:2:1: sede: unknown key
    sede: 3
    ^
    did you mean 'seed'?
""",
    ),
    "nothing": ("", "error: c.yaml: the file is empty\nhint: trainctl init writes a whole config\n"),
}
BASE = """\
# what others extend
sede: 3
data: {dataset: SmallMNIST}
model: [Flatten, Linear: {out_features: 10}]
loss: CrossEntropyLoss
optimizer: SGD
train: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("command", "name"),
    [*(("validate", name) for name in BROKEN), *((each, "several mistakes") for each in ("train", "show", "profile"))],
)
def test_every_mistake_at_its_place(command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, shown = BROKEN[name]
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "c.yaml").write_text(text)
    run = trainctl(command, "c.yaml")
    assert (run.returncode, run.stdout, run.stderr.decode()) == (2, b"", shown)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.yaml", "c.yaml"]


def test_mistakes_outside_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text(BASE.replace("sede", "seed"))
    run = trainctl(
        "validate", "c.yaml", "trian.epochs=2", "-s", "optimizer.SGD.lr=fast", "--seed", "-1", "--threads", "many",
        cwd=tmp_path, env=environment(TRAINCTL__LOSS="MSELos", TRAINCTL__METRICS="", TRAINCTL_DATA__SHUFFLE="no"),
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (2, b"")
    assert (
        run.stderr.decode()
        == """\
error: --seed: seed: expected an integer from 0 to 2**63 - 1, got -1 (an integer)
error: --threads: threads: expected 'auto' or an integer >= 1, got 'many' (a string)
error: TRAINCTL__LOSS: loss: unknown loss 'MSELos'
    did you mean 'MSELoss'?
error: --set optimizer.SGD.lr: expected a number, got 'fast' (a string)
error: TRAINCTL__METRICS: metrics: expected a list of metrics, got nothing (null)
    write the items below it, or [] for an empty list
error: --set trian.epochs: trian: unknown key
    did you mean 'train'?
error: TRAINCTL_DATA__SHUFFLE: unknown variable
    did you mean TRAINCTL__DATA__SHUFFLE?
"""
    )
