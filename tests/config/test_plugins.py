"""Plugins: what may be named, what is said of one that is no good, and what a run's config may import."""

from __future__ import annotations

import hashlib

import pytest

from trainctl.build import build, check
from trainctl.config import allow_plugins, config_from_yaml, load_config, plugins
from trainctl.errors import ConfigError

CONFIG = """\
plugins: [{plugin}]
data: {{dataset: {dataset}, transforms: {transforms}}}
model: {model}
loss: {loss}
optimizer: {optimizer}
scheduler: {scheduler}
metrics: {metrics}
train: {{epochs: 1}}
"""
VALUES = {
    "plugin": "net.py",
    "dataset": "{MNIST: {root: data}}",
    "transforms": "[]",
    "model": "[Flatten, {Linear: {out_features: 10}}]",
    "loss": "CrossEntropyLoss",
    "optimizer": "Adam",
    "scheduler": "null",
    "metrics": "[]",
}
PLUGIN = """\
import trainctl as torch
from trainctl import nn, optim
from trainctl.data import Dataset
from trainctl.optim.lr_scheduler import StepLR
from trainctl.train.metrics import Metric

print("imported")

class Scale(nn.Module):
    def __init__(self, in_features, by: float = 2.0, act: "Missing" = None, own=nn.ReLU()):
        super().__init__()
        self.weight = nn.Parameter(torch.full((in_features,), by))

    def forward(self, x):
        return x * self.weight

class Squared(nn.Module):
    def forward(self, output, target):
        return ((output.argmax(1) - target) ** 2).float().mean() + output.mean()

class Half(Dataset):
    def __init__(self, size: int, train=True):
        self.size, self.train = size, train

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.ones(self.size), index % 2

class Count(Metric):
    def reset(self):
        self.seen = 0

    def update(self, output, target):
        self.seen += len(target)

    def compute(self):
        return self.seen

class Slow(optim.SGD):
    def __init__(self, params, lr: float = 1e-5):
        super().__init__(params, lr=lr)

class Steps(StepLR):
    pass

class Negative:
    def __call__(self, image):
        return -image

class _Hidden(nn.Module):
    pass
"""


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch, tmp_path):
    """Each test in a folder of its own, as a process that has imported nothing yet."""
    monkeypatch.setattr(plugins, "_permission", plugins._Permission())
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def load(text: str = PLUGIN, name: str = "net.py", **values: str):
    with open(name, "w") as file:
        file.write(text)
    with open("c.yaml", "w") as file:
        file.write(CONFIG.format(**{**VALUES, **values}))
    return load_config("c.yaml", environ={})


def problems(text: str, **values: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        check(load(text, **values))
    return [(f"{each.line}:{each.column} {each.message}", each.hint) for each in caught.value.problems]


def test_every_kind_of_class(capsys):
    loaded = load(
        dataset="{Half: {size: 5}}",
        model="[Scale, {Scale: {by: 3}}, {Linear: {out_features: 2}}]",
        loss="Squared",
        optimizer="Slow",
        scheduler="{Steps: {step_size: 3}}",
        metrics="[Count]",
    )
    assert check(loaded).parameters == 5 + 5 + 12
    experiment = build(loaded)
    assert type(experiment.optimizer).__name__ == "Slow"
    assert len(experiment.train_data) == 8
    assert list(experiment.metrics) == ["Count"]
    assert config_from_yaml(loaded.to_yaml(), "again").config == loaded.config
    assert capsys.readouterr().out == ""


def test_a_transform_also_of_a_dataset_that_takes_none():
    assert check(load(transforms="[Negative]"))
    experiment = build(
        load(dataset="{Half: {size: 5}}", transforms="[Negative]", model="[{Linear: {out_features: 2}}]")
    )
    inputs, _ = experiment.train_data[0]
    assert inputs.tolist() == [-1.0] * 5


def test_names_last_as_long_as_their_config():
    load(model="[Scale]", dataset="{Half: {size: 5}}")
    with pytest.raises(ConfigError, match="unknown layer 'Scale'"):
        config_from_yaml(CONFIG.format(**{**VALUES, "plugin": "", "model": "[Scale]"}), "c.yaml")


NET = (
    "from trainctl import nn\nclass Net(nn.Module):\n    def __init__(self, hidden: int):\n        super().__init__()\n"
)
BROKEN = {
    "x = 1": ("net.py: has no class that a config can name",
              "a plugin has classes: nn.Module, Dataset, Metric, Optimizer, LRScheduler, or with a __call__"),
    "x = 1\ny = undefined": ("net.py:2: NameError: name 'undefined' is not defined\n    y = undefined", None),
    "x = (": ("net.py:1: SyntaxError: '(' was never closed\n    x = (", None),
    "import torch.nn": ("net.py:1: ModuleNotFoundError: No module named 'torch'\n    import torch.nn",
                        "write `import trainctl as torch`; the names below it are the same"),
    "raise SystemExit(3)": ("net.py:1: SystemExit: 3\n    raise SystemExit(3)", None),
    "from trainctl import nn\nclass ReLU(nn.Module): pass": ("net.py: 'ReLU' is a layer of trainctl", "give the class another name"),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_plugin_that_is_no_good(text, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    ((message, hint),) = problems(text, model="[Flatten, {Net: {hidden: 3}}]")
    said, advice = BROKEN[text]
    said = said.replace("No module named 'torch'", "import of torch halted; None in sys.modules")
    if "torch" in text.partition("\n")[0] and "trainctl" not in text:
        assert message.startswith("1:11 plugins.0: net.py:1: ModuleNotFoundError: ")
    else:
        assert message == f"1:11 plugins.0: {said}"
    assert hint == advice


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("missing.py", "1:11 plugins.0: missing.py: no such file"),
        (".", "1:11 plugins.0: '.' is not the name of a module"),
        ("sub/", "1:11 plugins.0: ./sub: cannot be read: Is a directory"),
        ("no_such_module", "1:11 plugins.0: there is no module 'no_such_module'"),
        ("no.such", "1:11 plugins.0: there is no module 'no.such'"),
        ("3", "1:11 plugins.0: expected a file such as net.py, or a module's name, got 3 (an integer)"),
        ("net.py, net.py", "1:19 plugins.1: 'net.py' is a plugin already"),
        ("{file: net.py, sha256: '0'}", "1:11 plugins.0: net.py: its SHA-256 is "),
        ("net.py, ./net.py", "1:19 plugins.1: net.py: 'Scale' is in net.py already"),
    ],
)
def test_a_plugin_that_is_not_there(plugin, message, tmp_path):
    (tmp_path / "sub").mkdir()
    assert problems(PLUGIN, plugin=plugin)[0][0].startswith(message)


def test_what_a_model_class_gets_wrong_is_said_with_its_line():
    body = NET + "    def forward(self, x):\n        return {}\n"
    cases = {
        body.format("x.no_such"): "3:9 model: Net does not take [N, 1, 28, 28] from the data: AttributeError: ",
        body.format("(x, x)"): "3:9 model: Net gives a tuple",
        body.format("x.sum()"): "3:9 model: Net gives []",
        NET
        + "        self.x = 1 // 0\n": "3:9 model: Net: ZeroDivisionError: integer division or modulo by zero (net.py:5)",
    }
    for text, message in cases.items():
        (found, _), *_ = problems(text, model="{Net: {hidden: 3}}")
        assert found.startswith(message), found
    ((found, hint), *_) = problems(NET, model="{Net: {hiden: 3}}")
    assert found == "3:9 model.Net: missing argument 'hidden'"
    assert hint == "add `hidden: ...` (an integer)"


# -- the config of a run ------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path) -> str:
    """The resolved config of a run, in a process that did not train it; its plugin leaves a mark where it is run."""
    text = load(PLUGIN + "open('mark', 'w').close()\n", model="[Flatten, {Linear: {out_features: 10}}]").to_yaml()
    (tmp_path / "mark").unlink()
    (tmp_path / "config.resolved.yaml").write_text(text)
    (tmp_path / "net.py").write_text(PLUGIN + "open('mark', 'w').close()\nprint('again')\n")
    plugins._permission.own.clear()
    return text


def test_a_run_s_config_imports_nothing_unasked(recorded, tmp_path):
    for act in (lambda: config_from_yaml(recorded, "x"), lambda: load_config("config.resolved.yaml", environ={})):
        with pytest.raises(ConfigError) as caught:
            act()
        (problem,) = caught.value.problems
        assert "net.py is not imported for a config of a run" in problem.message
        assert problem.hint == "if you trust it: --plugins net.py, or TRAINCTL_PLUGINS=net.py"
    allow_plugins(["other.py"], ["eval", "a run"])
    with pytest.raises(
        ConfigError, match=r"if you trust it: trainctl eval 'a run' --plugins other\.py --plugins net\.py"
    ):
        config_from_yaml(recorded, "x")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("how", ["flag", "variable", "moved"])
def test_a_plugin_that_is_named_is_imported_and_a_change_is_told(how, recorded, tmp_path, monkeypatch):
    if how == "variable":
        monkeypatch.setenv(plugins.VARIABLE, "net.py")
    elif how == "moved":
        (tmp_path / "sub").mkdir()
        (tmp_path / "net.py").rename(tmp_path / "sub" / "net.py")
    allow_plugins({"flag": ["net.py"], "variable": [], "moved": ["sub/net.py"]}[how])
    loaded = config_from_yaml(recorded, "x")
    assert (tmp_path / "mark").exists()
    name = "sub/net.py" if how == "moved" else "net.py"
    assert loaded.notices == (f"{name}: changed since the run was recorded; results may differ",)
    (plugin,) = loaded.config.plugins
    assert plugin.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
