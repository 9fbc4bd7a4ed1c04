"""Destinations: databases elsewhere that hold a copy of datasets' tables, kept equal to a version and proved so."""
