"""Training the default model: a small generator learns what the painter paints.

`world` shares z out among the families · `pictures` keeps painted pictures at hand ·
`critic` is the discriminator · `losses` and `smoothness` say what is wanted · `loop` is the
training itself, `state` its memory on disk, `sheet` its pictures for people, `program` its
command line.
"""
