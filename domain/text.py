"""Text as it can be stored and shown anywhere."""


def storable(text: str) -> str:
    """Escape what a database's text cannot hold: U+0000, and what is no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
