from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from airflow_provider_polytomic.emulator import Clock, Emulator, samples
from airflow_provider_polytomic.emulator.__main__ import main

COMMAND = [sys.executable, "-m", "airflow_provider_polytomic.emulator", "--port", "0"]


def test_stops_listening_at_the_end():
    with Emulator() as emulator:
        url = emulator.url
        assert httpx.get(f"{url}/_emulator/").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_stops_with_open_connections_and_pending_responses():
    with Emulator() as emulator, httpx.Client(base_url=emulator.url) as client:
        emulator.fault("delay", delay=600)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/api/syncs", timeout=0.5)
        client.get("/_emulator/")


def test_stops_although_a_test_has_changed_the_time(monkeypatch):
    asked = threading.Semaphore(0)

    def ahead():
        if threading.current_thread().name == "polytomic-emulator":
            asked.release()
        return 1e9

    emulator = Emulator()
    emulator.open()
    with monkeypatch.context() as patch:
        patch.setattr("time.monotonic", ahead)
        assert all(asked.acquire(timeout=30) for _ in range(20))
    closing = threading.Thread(target=emulator.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()


def test_closes_although_its_loop_has_seen_the_end_before_it_is_woken():
    emulator = Emulator()
    emulator.open()
    emulator._server.should_exit = True
    emulator._thread.join()
    emulator.close()


def test_closes_idle_connections_when_it_stops():
    with Emulator() as emulator:
        connection = socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])), timeout=10)
        connection.sendall(b"GET /_emulator/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    with connection:
        while connection.recv(65536):
            pass


def test_each_has_its_own_port_and_state():
    with Emulator() as one, Emulator() as other:
        one.add_model_sync()
        assert one.url != other.url
        assert other.syncs == []


def test_takes_the_port_it_is_given():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Emulator(port=port) as emulator:
        assert emulator.url == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            Emulator(port=port).open()


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])
def test_refuses_to_serve_the_network(host, capsys):
    with pytest.raises(ValueError, match="loopback"):
        Emulator(host=host)
    assert main(["--host", host]) == 1
    assert "loopback" in capsys.readouterr().err


def test_clock_follows_its_source_until_frozen():
    now = [100.0]
    clock = Clock(lambda: now[0])
    clock.advance(5)
    now[0] = 110.0
    assert clock() == 115.0
    clock.freeze()
    now[0] = 999.0
    assert clock() == 115.0
    clock.advance(1)
    assert clock() == 116.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_line(number):
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            listed = httpx.get(f"{url}/_emulator/syncs").json()["data"]
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
            output, errors = process.stdout.read(), process.stderr.read()
        finally:
            process.kill()
    assert errors == ""
    assert [each["id"] for each in listed] == [
        samples.MODEL_SYNC_ID,
        samples.FAILING_MODEL_SYNC_ID,
        samples.BULK_SYNC_ID,
    ]
    export = next(line for line in output.splitlines() if "export" in line)
    assert f'"host": "{url}"' in shlex.split(export)[1]
    failing = [line for line in output.splitlines() if "its executions end as failed" in line]
    assert len(failing) == 1
    assert samples.FAILING_MODEL_SYNC_ID in failing[0]


def test_command_line_empty():
    with subprocess.Popen([*COMMAND, "--empty"], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            assert httpx.get(f"{url}/_emulator/syncs").json()["data"] == []
        finally:
            process.terminate()


def test_outcomes_of_the_samples():
    with Emulator() as emulator:
        emulator.clock.freeze()
        emulator.add_samples()
        for sync in emulator.syncs:
            emulator.start(sync.id)
        emulator.clock.advance(20)
        assert [emulator.executions(sync.id)[0].status for sync in emulator.syncs] == [
            "completed",
            "failed",
            "completed",
        ]


def test_importing_the_package_and_the_plugin_loads_no_server():
    code = (
        "import sys, airflow_provider_polytomic.emulator.pytest_plugin;"
        "assert not {'starlette', 'uvicorn', 'airflow', 'httpx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_emulator_imports_no_airflow():
    code = "import sys, airflow_provider_polytomic.emulator.server; assert 'airflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
