"""Recordings: channels over time."""
