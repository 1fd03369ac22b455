"""Values of several parts are dicts in the order of the flow, and of one part stand alone."""

import numpy as np
import pytest

from keras_bfn import _parts
from tests.models.small import FLOWS
from tests.tensors import to_numpy, to_tensor

FLOW = {"b": FLOWS["binary"](), "a": FLOWS["continuous"]()}
VALUES = {"a": 1, "b": 2}
pytestmark = pytest.mark.once


def test_variables_are_added_up_for_each_example():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert to_numpy(_parts.sum_variables(to_tensor(x))).tolist() == [66.0, 210.0]
    assert to_numpy(_parts.sum_variables(to_tensor([5.0, 7.0]))).tolist() == [5.0, 7.0]


def test_a_function_is_called_once_or_once_for_each_part():
    def tell(flow, value, more):
        return type(flow).__name__, value, more

    assert _parts.map_parts(tell, FLOW["a"], 3, "x") == ("ContinuousFlow", 3, "x")
    found = _parts.map_parts(tell, FLOW, VALUES, "x")
    assert found == {"b": ("DiscreteFlow", 2, "x"), "a": ("ContinuousFlow", 1, "x")}
    assert list(found) == ["b", "a"]
    assert _parts.list_parts(FLOW, VALUES) == [(FLOW["b"], 2), (FLOW["a"], 1)]
    assert _parts.list_parts(3, 4) == [(3, 4)]
    assert _parts.unzip_parts(found)[1] == {"b": 2, "a": 1}
    assert _parts.unzip_parts((1, 2)) == (1, 2)


def test_parts_are_added_left_out_picked_and_put_in_order():
    assert _parts.sum_parts(VALUES) == 3
    assert _parts.sum_parts(7) == 7
    assert _parts.of_any_part({"a": 5, "b": 5}) == _parts.of_any_part(5) == 5
    assert _parts.leave_out({"b"}, VALUES) == {"a": 1}
    assert _parts.leave_out(None, 3) == 3
    assert list(_parts.order_parts(FLOW, VALUES)) == ["b", "a"]
    assert _parts.order_parts(FLOW, {"a": 1}) == {"a": 1}
    assert _parts.pick_part("a", FLOW, VALUES) == (FLOW["a"], 1)
    assert _parts.pick_part(None, FLOW["a"], 1) == (FLOW["a"], 1)
    assert _parts.count_examples({"a": np.zeros((4, 2)), "b": np.zeros(4)}) == 4


def test_parts_are_named_in_messages():
    assert _parts.part_names(FLOW, "x") == {"b": "x['b']", "a": "x['a']"}
    assert _parts.part_names(FLOW["a"], "x") == "x"
    assert _parts.names_of(FLOW) == {"a", "b"}
    assert _parts.names_of(3) is None
    assert _parts.check_event_shape(FLOW, {"a": [2], "b": ()}) == {"b": (), "a": (2,)}
