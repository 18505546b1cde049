"""What a process finds whose path of modules has this folder in it: a card of ordinary memory."""

from pretended_card import Pretended

PROCESS = Pretended()


def __getattr__(name):
    return getattr(PROCESS, name)
