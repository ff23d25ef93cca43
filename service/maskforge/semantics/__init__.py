"""Names for masks: a small head on the embedding that is there anyway."""
