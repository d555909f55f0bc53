"""Qconfigs are PyTorch's: the same observers with the same arguments under every name."""

from __future__ import annotations

import copy
import pickle

import pytest

import trainctl
from tests.quantization.test_observers import of
from tests.scripts import Scripts
from trainctl import nn
from trainctl import quantization as Q
from trainctl.quantization import qconfig

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's warn that they will be moved to torchao

scripts = Scripts()


def described(made):
    """Return what an observer or a fake quantization is: its class, its options, those of the observer inside."""
    if made is None:
        return None
    kinds = (bool, int, float, str, type(None))
    own = {key: each if isinstance(each, kinds) else str(each) for key, each in vars(made).items() if key[0] != "_"}
    for name in ("method", "training"):
        own.pop(name, None)
    own.pop("activation_post_process", None)
    inner = getattr(made, "activation_post_process", None)
    eps = getattr(made, "eps", None)
    return [type(made).__name__, dict(sorted(own.items())), str(eps), None if inner is None else described(inner)]


def both(config):
    return [described(each() if each is not None else None) for each in (config.activation, config.weight)]


@scripts.agrees()
def every_name(lib):
    names = sorted(name for name in qconfig.__all__ if name.startswith(("default", "float", "per_channel")))
    return {name: both(getattr(of(lib).qconfig, name)) for name in names}


@scripts.agrees()
def every_backend(lib):
    q = of(lib).qconfig
    found = []
    for backend in ("x86", "fbgemm", "qnnpack", "onednn"):
        found.append(both(q.get_default_qconfig(backend)))
        found += [both(q.get_default_qat_qconfig(backend, version)) for version in (0, 1)]
    return found


@scripts.raises(AssertionError, "not supported. backend must be one of")
def another_backend(lib):
    of(lib).get_default_qconfig("tpu")


@scripts.raises(AssertionError, "Version number must be 0")
def another_version(lib):
    of(lib).get_default_qconfig("x86", 1)


@scripts.raises(AssertionError, "Version number must be 0 or 1")
def another_version_of_training(lib):
    of(lib).get_default_qat_qconfig("x86", 2)


@scripts.raises(ValueError, "received observer instance, please pass observer class instead")
def an_observer_itself(lib):
    q = of(lib)
    q.QConfig(q.MinMaxObserver(), q.MinMaxObserver)


@scripts.gives([True, False, False, False, True, True])
def equal_ones(lib):
    q = of(lib)
    same = q.qconfig.qconfig_equals
    ours = q.QConfig(q.MinMaxObserver.with_args(eps=1), q.MinMaxObserver)
    return [
        same(q.get_default_qat_qconfig("x86"), q.get_default_qat_qconfig("fbgemm")),
        same(q.get_default_qat_qconfig("x86"), q.get_default_qat_qconfig("qnnpack")),
        same(ours, q.QConfig(q.MinMaxObserver.with_args(eps=2), q.MinMaxObserver)),
        same(ours, None),
        same(None, None),
        same(ours, q.QConfig(q.MinMaxObserver.with_args(eps=1), q.MinMaxObserver)),
    ]


test_script = scripts.test()


def test_the_old_name_warns_and_has_defaults():
    with pytest.warns(FutureWarning, match="QConfig"):
        config = Q.QConfigDynamic(weight=Q.default_weight_observer)
    assert config.activation is nn.Identity
    with pytest.raises(ValueError, match=r"MinMaxObserver\.with_args"), pytest.warns(FutureWarning):
        Q.QConfigDynamic(weight=Q.MinMaxObserver())


def test_a_qconfig_can_be_copied_and_pickled():
    config = Q.get_default_qat_qconfig()
    for again in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert Q.qconfig_equals(config, again)
        assert again.weight().dtype is trainctl.qint8
