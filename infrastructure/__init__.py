"""Everything that touches the world: deliveries, the log, the store, its edges."""

if __name__ != "profilestore.infrastructure":
    msg = "import profilestore.infrastructure: install the project first"
    raise ImportError(msg)
