"""`make chart-test`: what these tests need is no part of .dev, so `make test` passes them over."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("kubernetes_validate") else ["test_*.py"]
