"""Little of everything: for scripts of which each line should run."""

import functools

import keras
import numpy as np

from keras_bfn import simulation
from keras_bfn.codec import Codec
from keras_bfn.datasets import Batches
from keras_bfn.distillation import Trajectories
from keras_bfn.models.programs import LoopProgram, Program


def make_brief(monkeypatch):
    """Leaves two steps of a training and of a sampler, one of a codec, and the first of batches.

    An evaluation has one batch. A teacher's paths are as many as two batches of jumps need, and
    have two steps. Samples outside of bounds are drawn again once.

    What is returned has the same shape as ever.
    """
    fit, evaluate, set_steps = keras.Model.fit, keras.Model.evaluate, LoopProgram.set_steps
    make_codec, make_trajectories = Codec.__init__, Trajectories.__init__

    @functools.wraps(fit)
    def fit_briefly(self, *args, epochs=1, **kwargs):
        x = args[0] if args else kwargs["x"]
        options = {**kwargs, "epochs": 1, "validation_steps": 1}
        options.pop("steps_per_epoch", None)
        if isinstance(x, Batches):  # of which `Resume` takes whole epochs alone
            with monkeypatch.context() as context:
                context.setattr(x, "steps_per_epoch", 2)
                history = fit(self, *args, **options)
        else:
            history = fit(self, *args, **options, steps_per_epoch=2)
        history.history = {name: values * epochs for name, values in history.history.items()}
        return history

    @functools.wraps(evaluate)
    def evaluate_briefly(self, *args, **kwargs):
        return evaluate(self, *args, **{"steps": 1} | kwargs)

    def of_the_first_batch(run):
        @functools.wraps(run)
        def run_briefly(self, batches, **kwargs):
            num = batches.num_batches
            with monkeypatch.context() as context:
                context.setattr(type(batches), "num_batches", 1)
                outputs = run(self, batches, **kwargs)
            return keras.tree.map_structure(lambda rows: np.concatenate([rows] * num), outputs)

        return run_briefly

    def set_steps_briefly(self, times, *guides):
        keeps_trajectory = getattr(self, "keeps_trajectory", False)
        few = times[[0, len(times) // 2, -1]] if len(times) > 3 else times
        set_steps(self, times if keeps_trajectory else few, *guides)

    def make_codec_briefly(self, model, num_steps=1, **kwargs):
        make_codec(self, model, 1, **kwargs)

    def make_trajectories_briefly(self, model, num_paths=512, *args, **kwargs):
        make_trajectories(self, model, num_paths, *args, **kwargs)
        self.num_steps = min(self.num_steps, 2)
        self.num_paths = -(-2 * self.batch_size // self.num_jumps)

    monkeypatch.setattr(simulation, "ATTEMPTS", 1)
    monkeypatch.setattr(keras.Model, "fit", fit_briefly)
    monkeypatch.setattr(keras.Model, "evaluate", evaluate_briefly)
    monkeypatch.setattr(Trajectories, "__init__", make_trajectories_briefly)
    for name in ("predict", "predict_batches"):  # what programs are run by
        monkeypatch.setattr(Program, name, of_the_first_batch(getattr(Program, name)))
    monkeypatch.setattr(LoopProgram, "set_steps", set_steps_briefly)
    monkeypatch.setattr(Codec, "__init__", make_codec_briefly)
