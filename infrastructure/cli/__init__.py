"""The command line (SPEC section 8): parse, call, render.

Modules here import nothing heavy at the top, so that `--help` is quick.
"""
