"""Run each program in its own session, so that it can be stopped, killed or frozen with all of its processes."""

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

CHECK_INTERVAL = 0.1

T = TypeVar("T")


def poll(predicate: Callable[[], T], timeout: float, interval: float = CHECK_INTERVAL) -> T:
    """Call the predicate until its result is true or the timeout has passed, and return the last result."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(interval)


_returned_ports: set[int] = set()


def free_port(preferred: int | None = None) -> int:
    """Return a loopback port that is free.

    All candidates are below the range of ports for outgoing connections: such a connection could take the port before
    the caller's program listens on it. For the same reason no port is returned twice, and each process of a test run
    has its own range.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    candidates = random.sample(sorted({*range(20000 + 1500 * worker, 21500 + 1500 * worker)} - _returned_ports), 100)
    for port in [preferred, *candidates] if preferred else candidates:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            _returned_ports.add(port)
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def is_running(pid: int) -> bool:
    """Return True if a process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_frozen(pid: int) -> bool:
    """Return True if a process has been stopped by SIGSTOP, or has ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return True


def run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments of `subprocess` to run a program as another user; none for the current user."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def interrupt_on_sigterm() -> None:
    """Make SIGTERM raise `KeyboardInterrupt` as Ctrl-C does, so that `finally` blocks stop the started processes."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


class Process:
    """Start a program in a new session with its output in a file.

    All processes that the program forks stay in the session, even if their parent ends. So the session, not the tree of
    processes, identifies them.

    :param name: Name for messages.
    :param command: Program and arguments.
    :param log: File for standard output and standard error.
    :param env: The whole environment; default None, which inherits it.
    :param account: User to run the program as; default None, the current user.
    :param stop_signal: Signal that requests the program to end; default SIGTERM.
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
        self.was_stopped = False
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
        """The exit code of the program; None while it runs."""
        return self._popen.poll()

    def pids(self) -> list[int]:
        """Return the ids of the session's running processes."""
        self._popen.poll()
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(pid) == self.pid and is_running(pid):
                    found.append(pid)
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program only."""
        if self.exit_code is None:
            self._popen.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of the session."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        """Freeze all processes of the session, as on a stalled machine."""
        self.send_all(signal.SIGSTOP)
        poll(lambda: all(is_frozen(pid) for pid in self.pids()), timeout=10)

    def resume(self) -> None:
        """Continue a frozen session."""
        self.send_all(signal.SIGCONT)

    def terminate(self, timeout: float = 60) -> None:
        """Request the program to end and wait until its session is empty.

        :param timeout: Seconds to wait; default 60.
        :raises TimeoutError: if a process of the session still runs then
        """
        self.was_stopped = True
        self.send(self.stop_signal)
        if not poll(lambda: not self.pids(), timeout):
            raise TimeoutError(f"{self.name} still runs {timeout:g} s after {self.stop_signal.name}: {self.pids()}")

    def kill(self) -> None:
        """Kill all processes of the session with SIGKILL, as the loss of a machine does."""
        self.was_stopped = True

        def is_gone() -> bool:
            self.send_all(signal.SIGKILL)
            return not self.pids()

        poll(is_gone, timeout=10)

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        return tail(self.log, lines)


def stop_all(processes: Iterable[Process], timeout: float) -> None:
    """Stop many programs at once: send each its stop signal, wait, and kill the remaining processes."""
    remaining = [process for process in processes if process.pids()]
    for process in remaining:
        process.was_stopped = True
        process.send(process.stop_signal)
    poll(lambda: not any(process.pids() for process in remaining), timeout=timeout)
    for process in remaining:
        process.kill()
