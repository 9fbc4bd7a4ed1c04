"""What an operator looks at: the state of a home for people (`status`) and as numbers for Prometheus (`metrics`)."""
