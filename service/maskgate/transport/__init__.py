"""The protocols: convert, call a use case, convert."""
