"""Deliveries: from bytes of any origin to events we believe."""
