"""Dashboards: charts of several datasets that a person pinned, shared by link, and sent each morning.

`boards` changes them with the rights of each, `cards` reads what a pin shows, for pages, API, command line and messages
alike. `document` is a dashboard as plain values, from which `drawing` makes a picture and a PDF in a process of its own
(`rendering`). `times` says when a dashboard is sent next, `sending` sends it, and `process` does so for workers.
"""
