from __future__ import annotations

import os
import signal
import socket
from dataclasses import fields

from click.testing import CliRunner

from maskgate.cli.up import explain, stop_signals, up
from maskgate.stack import ComponentFailed, StackConfig

ONLY_FOR_TESTS = {"triton", "gateway"}


def test_every_option_is_a_field() -> None:
    """`maskgate up` has an option for every field of the configuration, and the same default."""
    options = {parameter.name: parameter for parameter in up.params if parameter.name != "logs"}

    assert {field.name for field in fields(StackConfig)} - ONLY_FOR_TESTS == options.keys()
    context = up.make_context("up", [])
    assert StackConfig() == StackConfig(**{name: context.params[name] for name in options})


def test_every_option_has_help() -> None:
    """No option is without an explanation."""
    assert [] == [parameter.name for parameter in up.params if not getattr(parameter, "help", None)]


def test_a_port_in_use_is_one_line() -> None:
    """A taken port ends the command with status 2 and one line that names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = ["--grpc-port", "0", "--triton-grpc-port", "0", "--triton-metrics-port", "0"]

        result = CliRunner().invoke(up, ["--http-port", str(port), *free])

    assert 2 == result.exit_code
    assert f"Error: port {port} on 127.0.0.1 is already in use; choose another one with --http-port\n" == result.output


def test_a_wrong_redis_url_is_one_line() -> None:
    """An address of Redis that is no URL ends the command with status 2 and one line."""
    result = CliRunner().invoke(up, ["--redis-url", "localhost:6379"])

    assert 2 == result.exit_code
    assert "Error: --redis-url must start with redis://, rediss:// or unix://\n" == result.output


def test_a_failure_shows_the_end_of_the_log() -> None:
    """A component that died is explained by its log, which is deleted with the stack."""
    failure = ComponentFailed("triton", "died while starting (exit status 1)", log_tail="error: no models")

    assert "triton died while starting (exit status 1); its log ends with:\nerror: no models" == explain(failure)


def test_signals_become_a_flag() -> None:
    """SIGTERM and Ctrl-C are remembered instead of ending the process at once."""
    before = signal.getsignal(signal.SIGTERM)

    with stop_signals() as stopping:
        asked_before = stopping()
        os.kill(os.getpid(), signal.SIGTERM)
        asked_after = stopping()

    assert (False, True) == (asked_before, asked_after)
    assert before == signal.getsignal(signal.SIGTERM)
