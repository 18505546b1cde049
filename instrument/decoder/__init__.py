"""Decoders: z → picture. The only package that knows torch, and never from its `models` module
or from `process`, which the stage imports."""
