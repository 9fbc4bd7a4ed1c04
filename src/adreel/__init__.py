"""TikTok Ads reports as proved, versioned tables."""
