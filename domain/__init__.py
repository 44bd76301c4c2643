"""What a profile is: source events, their order, the aggregate. No I/O, no clock."""

if __name__ != "profilestore.domain":
    # Imported from the working directory this would be a second copy of each class.
    msg = "import profilestore.domain, not domain: install the project first"
    raise ImportError(msg)
