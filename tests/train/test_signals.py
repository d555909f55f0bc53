from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from trainctl.train.signals import StopSignals


@pytest.mark.parametrize("signum", StopSignals.SIGNALS)
def test_a_signal_is_noted_and_the_handlers_come_back(signum: int):
    before = [signal.getsignal(each) for each in StopSignals.SIGNALS]
    with StopSignals() as stop:
        assert stop.signum is None
        os.kill(os.getpid(), signum)
        assert stop.signum == signum
        assert [signal.getsignal(each) for each in StopSignals.SIGNALS] == [signal.SIG_DFL] * 2
    assert [signal.getsignal(each) for each in StopSignals.SIGNALS] == before


@pytest.mark.parametrize("first", StopSignals.SIGNALS)
@pytest.mark.parametrize("second", StopSignals.SIGNALS)
def test_a_second_signal_quits_at_once(first: int, second: int):
    source = (
        "import os, sys, time\nfrom trainctl.train.signals import StopSignals\n"
        "with StopSignals() as stop:\n"
        f"    os.kill(os.getpid(), {int(first)})\n"
        "    print(stop.signum, flush=True)\n"
        f"    os.kill(os.getpid(), {int(second)})\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, timeout=30)
    assert result.returncode == -second
    assert result.stdout.split() == [str(int(first)).encode()]


def test_in_another_thread_nothing_is_installed():
    before = [signal.getsignal(each) for each in StopSignals.SIGNALS]
    seen = []

    def enter() -> None:
        with StopSignals() as stop:
            seen.append(stop.signum)
            seen.append([signal.getsignal(each) for each in StopSignals.SIGNALS])

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [None, before]
