"""Looking after a store: verify it, back it up, copy it, ask what is unsafe."""
