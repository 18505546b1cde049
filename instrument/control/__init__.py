"""Hands and ears: devices that make control events, and what they are told in return.

`device` what every device is · `tree` what can be steered, as a device must know it · `mirror` how
the parameters stand now, for lamps, faders and other programs.

No device knows the performer. Each runs in threads of its own, calls `put` with every event, and
looks into the mirror when it wants to show something.
"""
