"""The OpenAPI document, where FastAPI's says other than what holds."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI


class DocumentedApp(FastAPI):
    """An app that documents keys as what they are: asked for only where the gateway has any."""

    def openapi(self) -> dict[str, Any]:
        """Write the document; FastAPI keeps it."""
        written = self.openapi_schema is not None
        document = super().openapi()
        if not written:
            _make_keys_optional(document)
        return document


def _make_keys_optional(document: dict[str, Any]) -> None:
    """Add the empty requirement, which makes security optional (OpenAPI 3.1, Security Requirement Object)."""
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["security"].append({})
