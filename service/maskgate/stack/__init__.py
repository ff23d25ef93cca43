"""The embedded stack: starts and supervises real Valkey, Triton and the gateway as child processes."""

from maskgate.stack.config import Endpoints, StackConfig
from maskgate.stack.embedded import EmbeddedStack
from maskgate.stack.errors import (
    CannotStart,
    ComponentFailed,
    NotInstalled,
    PortInUse,
    StackError,
    StopRequested,
)

__all__ = [
    "CannotStart",
    "ComponentFailed",
    "EmbeddedStack",
    "Endpoints",
    "NotInstalled",
    "PortInUse",
    "StackConfig",
    "StackError",
    "StopRequested",
]
