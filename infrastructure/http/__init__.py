"""The HTTP edge (SPEC section 9): parse, call, render."""
