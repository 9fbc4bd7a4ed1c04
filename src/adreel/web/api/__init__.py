"""The REST API under /api/v1: what the pages do, for programs.

An app of its own (`api.app`), mounted into that of the pages, so that errors have their own shape. Permissions,
validation and texts are those of the pages. It is built when it is first asked (`api.mounted`).
"""
