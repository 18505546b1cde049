"""The performance: pure functions of time. Events and a clock's seconds go in, z comes out.

Knows no device, no window, no decoder and no file but the preset.
"""
