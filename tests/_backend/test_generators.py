"""Dropout without a seed draws from PyTorch's own generators."""

import keras

from keras_bfn._backend.generators import torch_generators

BACKEND = keras.backend.backend()


def test_the_generators_of_dropout_without_a_seed_are_those_of_pytorch():
    generators = torch_generators()
    if BACKEND != "torch":
        assert generators == []
        return
    import torch

    assert generators[0] is torch.default_generator
    state = [generator.get_state() for generator in generators]
    first = torch.rand(4)
    for generator, before in zip(generators, state, strict=True):
        generator.set_state(before)
    assert torch.equal(torch.rand(4), first)
