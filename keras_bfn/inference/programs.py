"""Which compiled functions of a model are used again."""

from keras_bfn._devices import scope_of
from keras_bfn._sameness import key_of, layer_key


class Programs:
    """The programs of a model, made when they are first asked for.

    A program is used again for arguments of the same key (`key_of`), while those that it was made
    with have that key, too, and the model has not changed but in the values of its variables.

    Args:
        model: the `BayesianFlowNetwork`.
        most: int. So many programs are kept, those that were used last.
    """

    def __init__(self, model, most=64):
        self.model, self.most = model, most
        self.kept, self.keys = {}, {}

    def __call__(self, kind, *arguments):
        """The program `kind(model, *arguments)`."""
        if self.is_stale("programs"):
            self.kept.clear()
        key = key_of((kind, arguments))
        program, made_with = self.kept.pop(key, (None, None))
        if program is None or key_of((kind, made_with)) != key:
            with scope_of(self.model):
                program, made_with = kind(self.model, *arguments), arguments
        self.kept[key] = program, made_with
        if len(self.kept) > self.most:
            del self.kept[next(iter(self.kept))]
        return program

    def __len__(self):
        return len(self.kept)

    def is_stale(self, name):
        """Whether the model has changed since this was last asked about what has this name.

        Keras 3.15 goes on with a function whose model has been given other layers, variables or
        attributes since it was compiled.
        """
        model = self.model
        how = (model.jit_compile, model.run_eagerly) if model.compiled else None
        before, self.keys[name] = self.keys.get(name), (layer_key(model), how)
        return before not in (None, self.keys[name])

    def clear(self):
        """Forgets all programs, and what the model was."""
        self.kept.clear()
        self.keys.clear()
