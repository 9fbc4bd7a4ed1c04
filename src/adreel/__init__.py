"""TikTok Ads reports as verified, versioned tables."""
