"""Devices that make events. Empty for now: keys and mouse come with the window."""
