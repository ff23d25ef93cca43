"""Measures a model on photos with masks."""
