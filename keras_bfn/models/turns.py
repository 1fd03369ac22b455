"""Threads that share a model: they take turns."""

import functools

from keras_bfn._scopes import keep_scopes


def in_turn(verb):
    """The same verb of a model, which waits until no other thread is within one.

    All verbs draw from the model's seed generator, and some change its variables. A verb may call
    others, and so may the callbacks of `fit`.
    """

    @functools.wraps(verb)
    def wrapper(self, *args, **kwargs):
        with self.turn, keep_scopes():
            return verb(self, *args, **kwargs)

    return wrapper
