"""TikTok's Business API (v1.3): authorization, pace, requests and pages; knows nothing of datasets.

Import the parts where they stand: `adreel.tiktok.client`, `adreel.tiktok.rate_limit`, `adreel.tiktok.oauth`.
"""
