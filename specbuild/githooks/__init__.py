"""Git hooks: where they stand, what is written there, what was there before, and what a push brings."""
