"""Every kind of mistake in a config: where it is reported, in which words, with which advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.config import LoadedConfig, load_config
from trainctl.errors import ConfigError

CONFIG = """\
name: demo
seed: 0
data:
  dataset: {MNIST: {root: datasets/mnist}}
  split: {val: 0.1}
  batch_size: 64
model:
  - Flatten
  - Linear: {out_features: 128}
  - ReLU
  - Linear: {out_features: 10}
loss: CrossEntropyLoss
optimizer: {SGD: {lr: 0.01}}
metrics: [accuracy]
train:
  epochs: 10
"""

# `what is replaced -> by what`, then each problem as `line:column message`, and below it the hint.
TABLE = r"""
# name: demo -> nmae: demo
    1:1 nmae: unknown key
        did you mean 'name'?
# name: demo -> name: a/b
    1:7 name: expected a string of up to 60 letters, digits, spaces and '_-.+', the first a letter, a digit or '_', got 'a/b' (a string)
# name: demo -> name: .hidden
    1:7 name: expected a string of up to 60 letters, digits, spaces and '_-.+', the first a letter, a digit or '_', got '.hidden' (a string)
# name: demo -> name: 7
    1:7 name: expected a string of up to 60 letters, digits, spaces and '_-.+', the first a letter, a digit or '_', got 7 (an integer)
        put it in quotes: '7'
# seed: 0 -> seed: -1
    2:7 seed: expected an integer from 0 to 2**63 - 1, got -1 (an integer)
# seed: 0 -> seed: "3"
    2:7 seed: expected an integer from 0 to 2**63 - 1, got '3' (a string)
        write it without quotes: 3
# seed: 0 -> seed: 1.0
    2:7 seed: expected an integer from 0 to 2**63 - 1, got 1.0 (a number)
        write 1
# seed: 0 -> seed: true
    2:7 seed: expected an integer from 0 to 2**63 - 1, got true (a boolean)
# seed: 0 -> seed:
    2:6 seed: expected an integer from 0 to 2**63 - 1, got nothing (null)
# seed: 0 -> seed: 2026-01-01
    2:7 seed: expected an integer from 0 to 2**63 - 1, got '2026-01-01' (a string)
# seed: 0 -> seed: 99999999999999999999
    2:7 an integer of more than 64 bits
# seed: 0 -> seed: 0\nseed: 1
    3:1 duplicate key 'seed', first on line 2
        keep one of them
# seed: 0 -> extend: base.yaml
    2:1 extend: unknown key
        did you mean 'extends'?
# seed: 0 -> seed: ${SEED}
    2:7 seed: expected an integer from 0 to 2**63 - 1, got '${SEED}' (a string)
        a file's text is taken as it is; set a value from outside with a TRAINCTL__A__B variable or --set
# seed: 0 -> seed: 1_000
    2:7 seed: expected an integer from 0 to 2**63 - 1, got '1_000' (a string)
        write it without underscores: 1000
# seed: 0 -> seed: 0b11
    2:7 seed: expected an integer from 0 to 2**63 - 1, got '0b11' (a string)
# seed: 0 -> seed 0
    2:1 a key without its ':'
        write `key: value`
# seed: 0 -> 🚀: 0
    2:1 🚀: unknown key
        valid: 'name', 'seed', 'device', 'devices', 'threads', 'plugins', 'data', 'blocks', 'model', 'init_from', 'freeze', 'loss' and 6 more
# seed: 0 -> seed🚀: 0
    2:1 seed🚀: unknown key
        did you mean 'seed'?
# seed: 0 -> device: gpu
    2:9 device: expected auto, cpu, cuda or cuda:N, got 'gpu' (a string)
        write cuda
# seed: 0 -> threads: many
    2:10 threads: expected 'auto' or an integer >= 1, got 'many' (a string)
# seed: 0 -> Seed: 0
    2:1 Seed: unknown key
        did you mean 'seed'?
# seed: 0 -> seed: !!int x
    2:7 'x' is not what its tag says (!!int)
# seed: 0 -> seed: !secret 0
    2:7 the tag !secret has no meaning here
        write the plain value
# seed: 0 -> 1: 0
    2:1 a key must be a string, not an integer
# seed: 0 -> ? [a]\n: 0
    2:3 a key must be a string, not a list
# seed: 0 -> seed: *base
    2:7 the alias *base has no anchor &base above it
# seed: 0 -> seed: 0\n\tname: x
    3:1 a tab where YAML wants spaces
        indent with spaces
# seed: 0 -> seed: @x
    2:7 a value cannot begin with '@'
        put the value in quotes
# seed: 0 -> seed: a: b
    2:8 a ':' that does not belong here
        give each key its own line, equally indented; put a value that holds ': ' in quotes
# seed: 0 -> seed: "0
    2:7 a quote that is never closed
# seed: 0 -> seed: [0
    3:5 expected ',' or ']' here
        a comma is missing, or the bracket of an earlier line is not closed
#   dataset: {MNIST: {root: datasets/mnist}} ->   dataset: {MNSIT: {root: datasets/mnist}}
    4:13 data.dataset.MNSIT: unknown dataset 'MNSIT'
        did you mean 'MNIST'?
#   dataset: {MNIST: {root: datasets/mnist}}\n -> (nothing)
    3:1 data: missing key 'dataset'
        add `dataset: ...` (a dataset)
# {root: datasets/mnist} -> {rot: datasets/mnist}
    4:13 data.dataset.MNIST: missing argument 'root'
        add `root: ...` (a string or a path)
    4:21 data.dataset.MNIST.rot: MNIST has no such argument
        did you mean 'root'?
# {root: datasets/mnist} -> {root: 3}
    4:27 data.dataset.MNIST.root: expected a string or a path, got 3 (an integer)
        put it in quotes: '3'
# {root: datasets/mnist} -> {root: d, train: true}
    4:30 data.dataset.MNIST.train: MNIST has no such argument
        valid: 'root'
# {val: 0.1} -> {val: 1}
    5:16 data.split.val: expected a number >= 0 and < 1, got 1 (an integer)
# {val: 0.1} -> {val: .nan}
    5:16 data.split.val: expected a number >= 0 and < 1, got nan (a number)
# {val: 0.1} -> {vla: 0.1}
    5:11 data.split.vla: unknown key
        did you mean 'val'?
# {val: 0.1} -> 0.1
    5:10 data.split: expected a mapping with 'val', got 0.1 (a number)
        write {val: 0.1}
# batch_size: 64 -> batch_size: 0
    6:15 data.batch_size: expected an integer >= 1, got 0 (an integer)
# batch_size: 64 -> shuffle: yes
    6:12 data.shuffle: expected true or false, got 'yes' (a string)
        write true
# batch_size: 64 -> transforms:
    6:14 data.transforms: expected a list of transforms, got nothing (null)
        write the items below it, or [] for an empty list
# batch_size: 64 -> transforms: [Flatten]
    6:16 data.transforms.0: unknown transform 'Flatten'
        'Flatten' is a layer; valid: 'CenterCrop', 'Normalize', 'RandomCrop', 'RandomErasing', 'RandomHorizontalFlip', 'RandomRotation', 'RandomVerticalFlip', 'Resize', 'Standardize'
# model:\n -> modle:\n
    1:1 missing key 'model'
        add `model: ...` (a list of layers)
    7:1 modle: unknown key
        did you mean 'model'?
#   - Flatten\n ->   - Flaten\n
    8:5 model.0: unknown layer 'Flaten'
        did you mean 'Flatten'?
#   - ReLU\n ->   - relu\n
    10:5 model.2: unknown layer 'relu'
        did you mean 'ReLU'?
#   - ReLU\n ->   - 3\n
    10:5 model.2: expected a layer, got 3 (an integer)
        write a name such as `ReLU`, or `Name: {argument: value}`
#   - ReLU\n ->   - [ReLU]\n
    10:5 model.2: expected a layer, got ['ReLU'] (a list)
        write a name such as `ReLU`, or `Name: {argument: value}`
#   - ReLU\n ->   - {}\n
    10:5 model.2: expected a layer, got {} (a mapping)
        write a name such as `ReLU`, or `Name: {argument: value}`
#   - ReLU\n ->   - ReLU: {inplce: true}\n
    10:12 model.2.ReLU.inplce: ReLU has no such argument
        did you mean 'inplace'?
#   - ReLU\n ->   - ReLU: [true]\n
    10:11 model.2.ReLU: expected arguments by name, got [True] (a list)
        write `ReLU: {inplace: true}`
#   - ReLU\n ->   - Sigmoid: 3\n
    10:14 model.2.Sigmoid: Sigmoid takes no arguments, got 3 (an integer)
#   - ReLU\n ->   - ReLU:\n    inplace: true\n
    11:5 model.2.inplace: expected one layer, got 2 keys: 'ReLU', 'inplace'
        an argument goes below the name: `ReLU: {inplace: ...}`
#   - ReLU\n ->   - ReLU:\n    Linear:\n
    11:5 model.2.Linear: expected one layer, got 2 keys: 'ReLU', 'Linear'
        keep one of them; to replace it from outside the file, set the whole value
#   - ReLU\n ->   - Adam\n
    10:5 model.2: unknown layer 'Adam'
        'Adam' is an optimizer; valid: 'AdaptiveAvgPool1d', 'AdaptiveAvgPool2d', 'AdaptiveAvgPool3d', 'AdaptiveMaxPool1d', 'AdaptiveMaxPool2d', 'AdaptiveMaxPool3d', 'AlphaDropout', 'AvgPool1d', 'AvgPool2d', 'AvgPool3d', 'BatchNorm1d', 'BatchNorm2d' and 96 more
#   - ReLU\n ->   - Conv2d: {kernel_size: [3, a]}\n
    10:5 model.2.Conv2d: missing argument 'out_channels'
        add `out_channels: ...` (an integer)
    10:27 model.2.Conv2d.kernel_size: expected an integer or a list of integers, got [3, 'a'] (a list)
# {out_features: 128} -> {out_feature: 128}
    9:5 model.1.Linear: missing argument 'out_features'
        add `out_features: ...` (an integer)
    9:14 model.1.Linear.out_feature: Linear has no such argument
        did you mean 'out_features'?
# {out_features: 128} -> {out_features: "128"}
    9:28 model.1.Linear.out_features: expected an integer, got '128' (a string)
        write it without quotes: 128
# {out_features: 128} -> {out_features: 128, bias: no}
    9:39 model.1.Linear.bias: expected true or false, got 'no' (a string)
        write false
# {out_features: 128} -> {out_features: 128, device: cpu}
    9:33 model.1.Linear.device: Linear has no such argument
        valid: 'in_features', 'out_features', 'bias'
# {out_features: 128} -> {out_features: 128, out_features: 64}
    9:33 duplicate key 'out_features', first on line 9
        keep one of them
# loss: CrossEntropyLoss -> loss: CrossEntropy
    12:7 loss: unknown loss 'CrossEntropy'
        did you mean 'CrossEntropyLoss'?
# loss: CrossEntropyLoss -> loss: [CrossEntropyLoss]
    12:7 loss: expected a loss, got ['CrossEntropyLoss'] (a list)
        write a name such as `CrossEntropyLoss`, or `Name: {argument: value}`
# loss: CrossEntropyLoss -> loss: {CrossEntropyLoss: {reduction: avg}}
    12:38 loss.CrossEntropyLoss.reduction: expected 'none', 'mean' or 'sum', got 'avg' (a string)
# loss: CrossEntropyLoss\n -> (nothing)
    1:1 missing key 'loss'
        add `loss: ...` (a loss)
# {lr: 0.01} -> {lr: fast}
    13:23 optimizer.SGD.lr: expected a number, got 'fast' (a string)
# {lr: 0.01} -> {lr: inf}
    13:23 optimizer.SGD.lr: expected a number, got 'inf' (a string)
        write .inf
# {lr: 0.01} -> {lr: "0,01"}
    13:23 optimizer.SGD.lr: expected a number, got '0,01' (a string)
        write 0.01
# {lr: 0.01} -> {lr: .nan}
    13:23 optimizer.SGD.lr: expected a number, got nan (a number)
# {lr: 0.01} -> {lr: 12:30}
    13:23 optimizer.SGD.lr: expected a number, got '12:30' (a string)
# {lr: 0.01} -> {lr: [0.01]}
    13:23 optimizer.SGD.lr: expected a number, got [0.01] (a list)
# {lr: 0.01} -> {lr: 1e400}
    13:23 a number too large for a float
# {lr: 0.01} -> {learning_rate: 0.01}
    13:19 optimizer.SGD.learning_rate: SGD has no such argument
        valid: 'lr', 'momentum', 'dampening', 'weight_decay', 'nesterov', 'maximize'
# {SGD: {lr: 0.01}} -> {SGD: {lr: 0.01}, Adam: {lr: 0.01}}
    13:30 optimizer.Adam: expected one optimizer, got 2 keys: 'SGD', 'Adam'
        keep one of them; to replace it from outside the file, set the whole value
# {SGD: {lr: 0.01}} -> {Adam: {betas: [0.9]}}
    13:27 optimizer.Adam.betas: expected a list of 2 numbers, got [0.9] (a list)
# metrics: [accuracy] -> scheduler: CosineAnealingLR
    14:12 scheduler: unknown scheduler 'CosineAnealingLR'
        did you mean 'CosineAnnealingLR'?
# metrics: [accuracy] -> scheduler: SGD
    14:12 scheduler: unknown scheduler 'SGD'
        'SGD' is an optimizer; valid: 'ChainedScheduler', 'ConstantLR', 'CosineAnnealingLR', 'CosineAnnealingWarmRestarts', 'CyclicLR', 'ExponentialLR', 'LinearLR', 'MultiStepLR', 'OneCycleLR', 'PolynomialLR', 'SequentialLR', 'StepLR' and 1 more
# metrics: [accuracy] -> scheduler: [StepLR]
    14:12 scheduler: expected a scheduler, got ['StepLR'] (a list)
        write a name such as `CosineAnnealingLR`, or `Name: {argument: value}`
# metrics: [accuracy] -> scheduler: StepLR
    14:1 scheduler.StepLR: missing argument 'step_size'
        add `step_size: ...` (an integer >= 1)
# metrics: [accuracy] -> scheduler: {StepLR: {step_size: 0, gama: 0.5}}
    14:33 scheduler.StepLR.step_size: expected an integer >= 1, got 0 (an integer)
    14:36 scheduler.StepLR.gama: StepLR has no such argument
        did you mean 'gamma'?
# metrics: [accuracy] -> scheduler: {CyclicLR: {base_lr: 0.1, max_lr: 1, step_size_down: 0}}
    14:65 scheduler.CyclicLR.step_size_down: expected an integer >= 1 or null, got 0 (an integer)
# metrics: [accuracy] -> scheduler: {MultiStepLR: {milestones: 3}}
    14:39 scheduler.MultiStepLR.milestones: expected a list of integers, got 3 (an integer)
# metrics: [accuracy] -> scheduler: {CosineAnnealingLR: {T_max: 5, optimizer: SGD}}
    14:43 scheduler.CosineAnnealingLR.optimizer: CosineAnnealingLR has no such argument
        valid: 'T_max', 'eta_min', 'interval'
# metrics: [accuracy] -> scheduler: {OneCycleLR: {max_lr: 0.1, interval: batch}}
    14:49 scheduler.OneCycleLR.interval: expected 'step' or 'epoch', got 'batch' (a string)
# metrics: [accuracy] -> scheduler: {ReduceLROnPlateau: {interval: step}}
    14:43 scheduler.ReduceLROnPlateau.interval: expected 'epoch', got 'step' (a string)
# metrics: [accuracy] -> scheduler: {StepLR: {step_size: 3}, interval: step}
    14:37 scheduler.interval: expected one scheduler, got 2 keys: 'StepLR', 'interval'
        an argument goes below the name: `StepLR: {interval: ...}`
# metrics: [accuracy] -> scheduler: {SequentialLR: {schedulers: [{LinearLR: {start_facto: 0.1}}, CosineAnealing], milestones: [5]}}
    14:53 scheduler.SequentialLR.schedulers.0.LinearLR.start_facto: LinearLR has no such argument
        did you mean 'start_factor'?
    14:73 scheduler.SequentialLR.schedulers.1: unknown phase 'CosineAnealing'
        did you mean 'CosineAnnealingLR'?
# metrics: [accuracy] -> scheduler: {SequentialLR: {schedulers: [ReduceLROnPlateau], milestones: []}}
    14:41 scheduler.SequentialLR.schedulers.0: unknown phase 'ReduceLROnPlateau'
        'ReduceLROnPlateau' is a scheduler; valid: 'ChainedScheduler', 'ConstantLR', 'CosineAnnealingLR', 'CosineAnnealingWarmRestarts', 'CyclicLR', 'ExponentialLR', 'LinearLR', 'MultiStepLR', 'OneCycleLR', 'PolynomialLR', 'SequentialLR', 'StepLR'
# metrics: [accuracy] -> scheduler: {ChainedScheduler: {schedulers: LinearLR}}
    14:44 scheduler.ChainedScheduler.schedulers: expected a list of phases, got 'LinearLR' (a string)
        write [LinearLR]
# [accuracy] -> [acuracy]
    14:11 metrics.0: unknown metric 'acuracy'
        did you mean 'accuracy'?
# [accuracy] -> [accuracy, accuracy]
    14:21 metrics.1: 'accuracy' is measured already
# [accuracy] -> accuracy
    14:10 metrics: expected a list of metrics, got 'accuracy' (a string)
        write [accuracy]
#   epochs: 10\n ->   epochs: 0\n
    16:11 train.epochs: expected an integer >= 1, got 0 (an integer)
#   epochs: 10\n ->   epoch: 10\n
    15:1 train: missing key 'epochs'
        add `epochs: ...` (an integer >= 1)
    16:3 train.epoch: unknown key
        did you mean 'epochs'?
#   epochs: 10\n ->   epochs: 10\n  monitor: f1\n
    17:12 train.monitor: 'f1' is not measured
        valid: 'train_loss', 'val_loss', 'accuracy'
#   epochs: 10\n ->   epochs: 10\n  checkpoint_every: 0\n
    17:21 train.checkpoint_every: expected an integer >= 1 or null, got 0 (an integer)
# train:\n  epochs: 10\n -> train: 10\n
    15:8 train: expected a mapping with 'epochs', 'checkpoint_every', 'keep_best', 'keep_last', 'monitor', 'compile', 'deterministic', 'clip_grad_norm', 'clip_grad_value', 'accumulate', 'early_stopping', 'ema', got 10 (an integer)
# train:\n  epochs: 10\n -> train:\n
    15:7 train: expected a mapping with 'epochs', 'checkpoint_every', 'keep_best', 'keep_last', 'monitor', 'compile', 'deterministic', 'clip_grad_norm', 'clip_grad_value', 'accumulate', 'early_stopping', 'ema', got nothing (null)
#   epochs: 10\n ->   epochs: 10\n---\nseed: 0\n
    17:1 more than one document; a config is one
        remove the '---' or what follows
#   epochs: 10\n ->   epochs: 10\n extra: 3\n
    17:2 the indentation does not fit the lines above
        indent the keys of one mapping equally, and do not mix keys and list items
#   epochs: 10\n ->   epochs 10\n
    16:3 train: expected a mapping with 'epochs', 'checkpoint_every', 'keep_best', 'keep_last', 'monitor', 'compile', 'deterministic', 'clip_grad_norm', 'clip_grad_value', 'accumulate', 'early_stopping', 'ema', got 'epochs 10' (a string)
        write `epochs: 10`
#   epochs: 10\n ->   <<: 3\n  epochs: 10\n
    16:7 '<<' takes mappings, not an integer
"""


def read_table() -> list[tuple[str, str, str]]:
    cases: list[tuple[str, str, list[str]]] = []
    for line in TABLE.strip("\n").split("\n"):
        if line.startswith("# "):
            old, new = line[2:].replace("\\n", "\n").replace("\\t", "\t").split(" -> ")
            cases.append((old, new.replace("(nothing)", ""), []))
        else:
            cases[-1][2].append(line)
    return [(old, new, "\n".join(problems)) for old, new, problems in cases]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(text: str) -> LoadedConfig:
    """Through a file, as the command line does it."""
    Path("c.yaml").write_text(text)
    return load_config("c.yaml", environ={})


def problems_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert {each.file for each in caught.value.problems} == {"c.yaml"}
    return "\n".join(
        f"    {each.line}:{each.column} {each.message}" + (f"\n        {each.hint}" if each.hint else "")
        for each in caught.value.problems
    )


def test_the_table_is_long():
    assert len({problems for _, _, problems in read_table()}) >= 60


@pytest.mark.parametrize(("old", "new", "problems"), read_table())
def test_a_mistake(old, new, problems):
    assert CONFIG.count(old) == 1
    assert problems_of(CONFIG.replace(old, new)) == problems


def test_the_config_without_a_mistake():
    assert load(CONFIG).config.name == "demo"


def test_all_mistakes_at_once_in_the_order_of_the_file():
    text = CONFIG.replace("seed: 0", "seed: -1").replace("- ReLU", "- relu").replace("[accuracy]", "[acuracy]")
    with pytest.raises(ConfigError) as caught:
        load(text + "extra: 1\nextra: 2\n")
    assert [each.line for each in caught.value.problems] == [2, 10, 14, 17, 18]


def test_a_problem_shows_the_line_and_a_caret_below_the_mistake():
    with pytest.raises(ConfigError) as caught:
        load(CONFIG.replace("- ReLU", "- Rellu  # the activation"))
    assert str(caught.value) == (
        "c.yaml:10:5: model.2: unknown layer 'Rellu'\n"
        "      - Rellu  # the activation\n"
        "        ^\n"
        "    did you mean 'ReLU'?"
    )
