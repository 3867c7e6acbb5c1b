"""Faults played against running calls of the lab."""
