"""latent-instrument: play the latent space of a generative model as one plays a synthesizer.

The data runs left to right, and so do the imports::

    control ─ events ─→ performance ─ z ─→ decoder process ─ frames ─→ display
                             │
                             └─→ take ─→ studio (conform, render) ─→ film

==============  =================================================================
``timebase``    frame rates, frame ranges, clocks: what a second and a frame are
``event``       what hands, programs and scripts say, and the grammar of addresses
``frame``       what a picture is
``latent``      geometry, spring, noise, waypoints, z-sequences: pure numpy
``performance`` parameters, mapping, score, performer: pure functions of time
``take``        the record of a performance: written live, salvaged, replayed
``control``     devices that make events
``decoder``     z → picture; the only package that knows torch
``display``     picture → light; the only package that knows OpenGL
``studio``      offline: z-sequence → film
``live``        the loop that joins them while somebody plays
``bench``       what all that costs, measured
``cli``         the commands
==============  =================================================================
"""

__version__ = "0.1.0"


class InstrumentError(Exception):
    """Something the performer can put right: one line that names file, key and what is allowed."""
