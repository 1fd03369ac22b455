"""The order in which the variables of an example become known."""

from keras_bfn.orders.any_order_network import AnyOrderNetwork as AnyOrderNetwork
from keras_bfn.orders.orders import Blocks as Blocks
from keras_bfn.orders.orders import Groups as Groups
from keras_bfn.orders.orders import LeftToRight as LeftToRight
from keras_bfn.orders.orders import Order as Order
from keras_bfn.orders.orders import Random as Random
from keras_bfn.orders.orders import Together as Together
from keras_bfn.orders.orders import get as get
