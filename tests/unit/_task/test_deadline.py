"""run_with_deadline: the result, the exception, or a TimeoutError."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_polytomic._task.deadline import run_with_deadline


def test_the_result_is_returned():
    assert run_with_deadline(lambda: threading.current_thread().name, 10, name="lookup") == "lookup"


@pytest.mark.parametrize("error", [ValueError("no such sync"), TimeoutError("its own"), KeyboardInterrupt()])
def test_the_exception_of_the_function_is_raised(error):
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        run_with_deadline(fail, 10)
    assert raised.value is error


def test_a_function_that_does_not_return_in_time_raises_the_built_in_timeout_error():
    never = threading.Event()
    try:
        with pytest.raises(TimeoutError, match="no result within 0 s"):
            run_with_deadline(never.wait, 0)
    finally:
        never.set()


def test_the_thread_does_not_keep_the_process_alive():
    assert run_with_deadline(lambda: threading.current_thread().daemon, 10)
