"""What a person asks for: datasets, their menus, checks, columns, status and restatements."""
