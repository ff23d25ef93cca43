"""Several processes that serve one port: the parent, which starts and keeps them, and its line to each.

Of the standard library alone. The parent serves nothing itself, and a worker is a program of its own, not a fork:
gRPC's threads and locks would not survive one.
"""

from maskgate.workers.crew import Crew, Orders, Pauses
from maskgate.workers.line import Brief, Parent
from maskgate.workers.worker import WorkerFailedError

__all__ = ["Brief", "Crew", "Orders", "Parent", "Pauses", "WorkerFailedError"]
