"""Servers as one would write them with other frameworks; they run in an environment of their own (.venv-peers)."""
