"""Hands and ears: devices that make control events, and what they are told in return.

`device` what every device is · `tree` what can be steered, as a device must know it · `mirror` how
the parameters stand now, for lamps, faders and other programs · `midi` every port and its lamps ·
`osc` the server, OSCQuery and the feedback · `audio` the ear, on `features`, `onsets` and `beats` ·
`tempo` which clock leads: `midi_clock`, `heard_beat`, `link`.

No device knows the performer. Each runs in threads of its own, calls `put` with every event, and
looks into the mirror when it wants to show something.
"""
