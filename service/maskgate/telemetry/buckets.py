"""Buckets of histograms: few enough that a model costs little, fine enough where the promises are."""

from __future__ import annotations

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""From a click's parts to the longest call that most gateways allow."""
PROMPTS = (1, 2, 4, 8, 16, 32, 64)
LONG_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
