"""What tests and the demo order: days, faults, and a look at what was asked."""
