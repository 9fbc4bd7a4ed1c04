"""Alembic's scripts: `versions/rNNNN.py`, one for each change of the tables, numbered without gaps."""
