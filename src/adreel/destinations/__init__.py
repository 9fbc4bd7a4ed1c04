"""Destinations: databases, folders and stores with a copy of datasets' tables, kept equal to a version and proved."""
