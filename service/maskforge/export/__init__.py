"""Turns a model into the folders that Triton serves."""
