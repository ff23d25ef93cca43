"""Edges, as BSDS500 measures them."""
