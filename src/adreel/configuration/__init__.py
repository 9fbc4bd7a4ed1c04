"""Configuration as code: what files say of accounts, datasets, destinations and notifications, planned and applied."""
