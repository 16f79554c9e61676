"""Run programs in sessions of their own, so that each can be stopped, killed or frozen by its own ids."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

from .logs import tail

POLL_SECONDS = 0.1

T = TypeVar("T")


def poll(predicate: Callable[[], T], timeout: float, interval: float = POLL_SECONDS) -> T:
    """Ask until the answer is true or the time is over, and return the last answer."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(interval)


_given: set[int] = set()


def free_port(preferred: int | None = None) -> int:
    """Find a loopback port that nobody listens on.

    All candidates lie below the range that outgoing connections take their ports from: such a connection could come
    before the program that is to listen. So could another that asks here, so nobody is given a port twice, and each
    process of a test run has ports of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    candidates = random.sample(sorted({*range(20000 + 1500 * worker, 21500 + 1500 * worker)} - _given), 100)
    for port in [preferred, *candidates] if preferred else candidates:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def is_running(pid: int) -> bool:
    """Tell whether a process still does anything; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_frozen(pid: int) -> bool:
    """Tell whether a process has been stopped by SIGSTOP."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return True


def run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Give the `subprocess` arguments that run a program as another user; none for the current one."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def interrupt_on_sigterm() -> None:
    """Make SIGTERM unwind the stack as Ctrl-C does, so that what was started is ended by its `finally`."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


class Process:
    """Start a program in a new session with its output in a file.

    Everything the program forks stays in the session, also when its parent died, so the session and not the tree of
    parents says what belongs to it.

    :param name: what messages call it.
    :param command: program and arguments.
    :param log: file that takes standard output and standard error.
    :param env: the whole environment; None inherits.
    :param account: user to run as, None for the current one.
    :param stop_signal: the signal that asks the program to end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        account: pwd.struct_passwd | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        self.ended_on_purpose = False
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
                **run_as(account),
            )
        self.pid = self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the program, None while it runs."""
        return self._popen.poll()

    def pids(self) -> list[int]:
        """List the processes of the session that still run."""
        self._popen.poll()
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(pid) == self.pid and is_running(pid):
                    found.append(pid)
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        if self.exit_code is None:
            self._popen.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of the session."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        """Freeze the whole session, as a stalled machine would."""
        self.send_all(signal.SIGSTOP)
        poll(lambda: all(is_frozen(pid) for pid in self.pids()), timeout=10)

    def resume(self) -> None:
        """Let a frozen session go on."""
        self.send_all(signal.SIGCONT)

    def terminate(self, timeout: float = 60) -> None:
        """Ask the program to end and wait until its session is empty.

        :raises TimeoutError: something of it still runs after so many seconds.
        """
        self.ended_on_purpose = True
        self.send(self.stop_signal)
        if not poll(lambda: not self.pids(), timeout):
            raise TimeoutError(f"{self.name} still runs {timeout:g} s after {self.stop_signal.name}: {self.pids()}")

    def kill(self) -> None:
        """End the whole session with SIGKILL, as a lost machine would."""
        self.ended_on_purpose = True

        def is_gone() -> bool:
            self.send_all(signal.SIGKILL)
            return not self.pids()

        poll(is_gone, timeout=10)

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        return tail(self.log, lines)


def stop_all(processes: Iterable[Process], grace: float) -> None:
    """End many programs at once: ask all of them, wait a little, kill what is left."""
    remaining = [process for process in processes if process.pids()]
    for process in remaining:
        process.ended_on_purpose = True
        process.send(process.stop_signal)
    poll(lambda: not any(process.pids() for process in remaining), timeout=grace)
    for process in remaining:
        process.kill()
