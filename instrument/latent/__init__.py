"""Latent space: where z lives and how it moves. Pure numpy; knows no parameter and no picture."""
