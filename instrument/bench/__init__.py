"""What the instrument itself costs, measured so that one may believe it.

Every part is one module with ``measure(effort)``, which gives rows (see `rows`), and runs in a
process of its own (see `child`). Whatever is compared runs in turn, in one go, on one machine;
every row says how often it was measured, how far the figures lie apart, and what else the machine
did meanwhile. Nothing here prints.
"""
