"""The Data Center: pages for people and a REST API for programs, over one home."""
