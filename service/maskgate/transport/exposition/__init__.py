"""What Prometheus is told: of one process, or of all workers by whichever it asks."""

from maskgate.transport.exposition.alone import Exposition, exposition_of
from maskgate.transport.exposition.siblings import Siblings

__all__ = ["Exposition", "Siblings", "exposition_of"]
