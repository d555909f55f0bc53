"""Compiled loops on disk: loaded when they are whole, compiled again whatever happened to them, never an error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainctl.backend import jit, kernel_cache
from trainctl.backend.kernel_cache import log

pytestmark = pytest.mark.skipif(not jit.available(), reason="needs Numba")


def doubled(x):
    for i in range(x.size):
        x[i] += x[i]


def doubled_twice(x):
    loop(x)
    loop(x)


loop = jit.kernel("void(f4[::1])")(doubled)


def used(kernel=None):
    """Make a kernel as a new process would, run it, and return how many were compiled for it."""
    before = log.compiled
    fresh = jit.Kernel(doubled, ("void(f4[::1])",)) if kernel is None else kernel
    x = np.ones(5, np.float32)
    fresh(x)
    assert (x == (4 if kernel else 2)).all()
    return log.compiled - before


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TRAINCTL_CACHE_DIR", str(tmp_path))
    return tmp_path / "kernels"


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.exists() else []


def test_what_is_compiled_once_is_loaded_then(cache):
    assert [used() for _ in range(3)] == [1, 0, 0]
    assert [each.suffix for each in files(cache)] == [".kernel"]


def test_each_signature_and_each_option_has_a_file(cache):
    for signatures, exact in ((("void(f4[::1])", "void(f8[::1])"), False), (("void(f4[::1])",), True)):
        jit.Kernel(doubled, signatures, exact)(np.ones(3, np.float32))
    assert len(files(cache)) == 3


def test_a_loop_that_calls_another_is_loaded_without_it(cache, monkeypatch):
    def outer():
        return jit.Kernel(doubled_twice, ("void(f4[::1])",))

    monkeypatch.setitem(globals(), "loop", jit.Kernel(doubled, ("void(f4[::1])",)))
    assert used(outer()) == 2
    monkeypatch.setitem(globals(), "loop", jit.Kernel(doubled, ("void(f4[::1])",)))
    assert used(outer()) == 0
    assert globals()["loop"]._compiled is None


def test_a_loop_that_calls_a_loaded_one_is_compiled_with_it(cache, monkeypatch):
    used()
    monkeypatch.setitem(globals(), "loop", jit.Kernel(doubled, ("void(f4[::1])",)))
    assert used(jit.Kernel(doubled_twice, ("void(f4[::1])",))) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(os.urandom(5000)),
        lambda file: file.write_bytes(file.read_bytes().replace(b"doubled", b"doubles")),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["empty", "within the digest", "truncated", "garbage", "changed", "a folder"],
)
def test_a_damaged_file_is_compiled_again(spoil, cache):
    used()
    (file,) = files(cache)
    spoil(file)
    assert used() == 1
    if file.is_file():
        assert used() == 0  # it was replaced


@pytest.mark.parametrize("place", ["a-file/below", "/proc/none", "/dev/null/none"])
def test_a_folder_that_cannot_be_made_is_no_error(place, tmp_path, monkeypatch):
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("TRAINCTL_CACHE_DIR", str(tmp_path / place))
    assert [used(), used()] == [1, 1]
    assert not log.kept


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_full_or_locked_disk_is_no_error(number, cache, monkeypatch):
    def refuse(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", refuse)
        assert [used(), used()] == [1, 1]
        assert not log.kept
    assert files(cache) == []  # what was begun is gone
    assert [used(), used()] == [1, 0]


def test_without_a_home_nothing_is_kept(monkeypatch):
    for name in ("TRAINCTL_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert kernel_cache.folder() is None
    assert used() == 1


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("TRAINCTL_CACHE_DIR", "mine")
    assert kernel_cache.folder() == Path("mine/kernels")
    monkeypatch.delenv("TRAINCTL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert kernel_cache.folder() == Path("caches/trainctl/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernel_cache.folder() == Path.home() / ".cache/trainctl/kernels"


def test_numba_s_own_settings_stay_as_they_were(cache):
    import numba

    before = numba.config.CACHE_DIR
    used()
    assert before == numba.config.CACHE_DIR


def test_the_code_goes_with_what_the_sources_say_not_with_when_they_were_written(tmp_path):
    """A checkout in CI has new times each day; a kept cache is of use all the same."""
    source = tmp_path / "module.py"
    found = []
    for text, when in (("x = 1", 1), ("x = 1", 2), ("x = 2", 2)):
        source.write_text(text)
        os.utime(source, (when, when))
        kernel_cache._stamp.cache_clear()
        found.append(kernel_cache._stamp(tmp_path))
    kernel_cache._stamp.cache_clear()
    assert found[0] == found[1] != found[2]


def test_a_plan_runs_on_loops_of_which_some_were_lost(tmp_path):
    script = (
        "import trainctl\n"
        "from trainctl.backend.kernel_cache import log\n"
        "net = trainctl.nn.Linear(784, 128)\n"
        "step = trainctl.compile(lambda x: net(x).relu().sum().detach(), threads=1)\n"
        "found = [step(trainctl.ones(64, 784)).item() for _ in range(4)]\n"
        "assert len(step.plans) == 1 and abs(found[3] / found[0] - 1) < 1e-5\n"
        "print(log.compiled)"
    )

    def run() -> int:
        environment = {**os.environ, "TRAINCTL_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert run() > 1
    assert run() == 0
    lost = [each for each in files(tmp_path / "kernels") if each.name.startswith(("multiply-", "run_alone-"))]
    for each in lost:
        each.write_bytes(b"lost")
    assert run() == len(lost) > 0
