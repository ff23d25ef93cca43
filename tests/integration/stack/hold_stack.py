"""A program that keeps a stack running until it is asked to stop, or killed: `hold_stack.py [MODEL_REPOSITORY]`.

Prints the run directory once everything is ready.
"""

from __future__ import annotations

import sys
from pathlib import Path

from maskgate.cli.up import stop_signals
from maskgate.stack import EmbeddedStack, StackConfig


def main(arguments: list[str]) -> None:
    repository = Path(arguments[0]) if arguments else None
    config = StackConfig(
        models=("tiny",),
        model_repository=repository,
        triton=repository is not None,
        gateway=False,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    with stop_signals() as stopping, EmbeddedStack(config, stopping=stopping) as stack:
        print(Path(stack.endpoints.redis.removeprefix("unix://")).parent, flush=True)  # noqa: T201 - for the test
        stack.supervise()


if __name__ == "__main__":
    main(sys.argv[1:])
