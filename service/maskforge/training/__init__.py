"""Teaches lite0 on photos with masks."""
