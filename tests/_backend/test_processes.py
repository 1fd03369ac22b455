"""One process alone is the first of one."""

from keras_bfn._backend.processes import process_of


def test_a_process_alone_is_the_first_of_one():
    assert process_of() == (0, 1)
