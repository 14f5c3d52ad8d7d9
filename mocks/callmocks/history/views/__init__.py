"""Three views of the same calls; each knows its provider's columns and nothing of its wire."""
