"""Offline: z-sequence → film. Knows no controls, no performer and no display."""
