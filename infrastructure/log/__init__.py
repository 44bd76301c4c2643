"""The log on a database, behind the recorder ports of the event sourcing library."""
