"""Read models: stored results of the folds, to ask many profiles at once."""
