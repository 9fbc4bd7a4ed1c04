"""Rows as files, as JSON and as texts."""
