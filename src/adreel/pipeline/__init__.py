"""A run, step by step: plan, extract, normalize, verify, load."""
