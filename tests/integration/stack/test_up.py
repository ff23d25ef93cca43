from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
ANY_PORTS = [word for part in ("grpc", "http", "triton-grpc", "triton-metrics") for word in (f"--{part}-port", "0")]


def test_the_whole_stack_until_ctrl_c() -> None:
    """`maskgate up` starts Valkey, Triton and the gateway in this order; Ctrl-C stops them in reverse, status 0."""
    command = [sys.executable, "-m", "maskgate", "up", *ANY_PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            started = [process.stdout.readline().split()[0] for _ in range(4)]
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert ["valkey", "triton", "gateway", "Ctrl-C"] == started
    assert ["gateway", "triton", "valkey"] == [line.split()[0] for line in output.splitlines()]
    assert 0 == process.returncode
