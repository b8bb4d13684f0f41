"""The commands of dev.py by concern, with the standard library alone: what they need, they install."""
