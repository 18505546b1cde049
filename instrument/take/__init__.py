"""The record of a performance: written while it is played, salvaged when things went wrong.

=============  ====================================================================
``header``     what a take is of: rate, latent space, addresses, model, seed
``layout``     the names, channels and byte marks of ``take.mcap``
``disk``       a file that is written at once and in full, and locked while written
``writer``     messages → chunks of ``take.mcap``
``recorder``   the loop's side of it: never blocks, never raises, counts what it lost
``salvage``    the bytes of any file → the chunks whose checksum holds
``rows``       chunks → rows that keep their index, gaps that are named
``store``      rows and events as they come, in memory or on the disk
``reader``     a take → arrays, events and a list of its damage
``derive``     a take → ``z.npy``, ``z.params.npy``, ``z.json``, ``events.jsonl``
``repair``     a damaged take → a whole one beside the untouched original
``listing``    a folder of takes → one line each, without reading them
``replay``     the events → the same z again
``sampling``   the performance at any time, and as a z-sequence of any rate
=============  ====================================================================

Nothing here sees pixels, devices or the screen.
"""
