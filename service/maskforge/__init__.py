"""The forge: makes what the gateway serves (architecture, training, evaluation, export)."""
