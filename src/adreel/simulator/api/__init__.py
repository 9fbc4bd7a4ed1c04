"""TikTok's endpoints, and how they refuse."""
