"""Weights on disk: our own, Meta's and Hugging Face's."""
