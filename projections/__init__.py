"""Answers about one profile: pure folds of a cut of its events, one file each."""

if __name__ != "profilestore.projections":
    msg = "import profilestore.projections, not projections: install the project first"
    raise ImportError(msg)
