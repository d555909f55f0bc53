from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment
from trainctl.storage.locks import Lock, Taken

HOLD = "import sys\nfrom pathlib import Path\nfrom trainctl.storage.locks import Lock\nlock = Lock(Path(sys.argv[1]))\n"
FORK = (
    "import os\nif os.fork() == 0:\n    print('forked', flush=True)\n    sys.stdin.read()\n    os._exit(0)\nos.wait()\n"
)


def holder(path: Path, more: str = "print('locked', flush=True)\nsys.stdin.read()\n") -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + more, str(path)], env=environment(), stdin=pipe, stdout=pipe
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_the_second_is_told_who_is_the_first(tmp_path: Path):
    with holder(tmp_path / "lock") as other:
        with pytest.raises(Taken) as caught:
            Lock(tmp_path / "lock")
        other.kill()
    assert caught.value.holder.startswith(f"pid {other.pid} on {os.uname().nodename} since 2")
    Lock(tmp_path / "lock").release()


@pytest.mark.parametrize("text", ["", "pid 1 on elsewhere since 2020-01-01 00:00:00 UTC\n", "\x1b[31m" * 99, "\xff"])
def test_what_a_killed_process_or_a_reboot_left_is_no_obstacle(tmp_path: Path, text: str):
    (tmp_path / "lock").write_text(text, encoding="latin-1")
    lock = Lock(tmp_path / "lock")
    with pytest.raises(Taken, match=f"pid {os.getpid()} on"):
        Lock(tmp_path / "lock")
    lock.release()
    lock.release()
    assert (tmp_path / "lock").read_text() == ""


def test_a_file_that_does_not_say_who_has_it(tmp_path: Path):
    lock = Lock(tmp_path / "lock")
    (tmp_path / "lock").write_text("\x1b[31mrun rm -rf")
    with pytest.raises(Taken) as caught:
        Lock(tmp_path / "lock")
    assert caught.value.holder == ""
    lock.release()


def test_a_worker_that_outlives_its_killed_parent_does_not_hold_the_lock(tmp_path: Path):
    with holder(tmp_path / "lock", FORK) as parent:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        mine = Lock(tmp_path / "lock")
        with pytest.raises(Taken):
            Lock(tmp_path / "lock")  # it is a lock that one can have
        mine.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="keeps no locks" if code != errno.EIO else "cannot be locked") as caught:
        Lock(tmp_path / "lock")
    assert caught.value.filename == str(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match="a symbolic link"):
        Lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
