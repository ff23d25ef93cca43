"""Between messages and values, both ways, one module a subject; nothing is decided here."""
