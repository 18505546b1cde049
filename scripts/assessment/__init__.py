"""Is the default model good? Numbers and sheets, with the painter as the measure.

`judge` is a classifier of its own, never part of any loss, which also knows junk when it sees it ·
`measures` compare samples with painted pictures · `paths` measures how smoothly pictures
move · `program` is the command line.
"""
