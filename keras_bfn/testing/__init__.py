"""Contract tests for custom flows, losses, schedules, samplers and networks, each in one call.

Each function returns None, or raises an `AssertionError` that describes the defect.
"""

from keras_bfn.testing.flows import check_flow as check_flow
from keras_bfn.testing.losses import check_loss as check_loss
from keras_bfn.testing.networks import check_network as check_network
from keras_bfn.testing.samplers import check_sampler as check_sampler
from keras_bfn.testing.schedules import check_schedule as check_schedule
