"""Output distributions, one per variable: mean, mode, sample, log_prob, probs.

They sample with `normal` and `uniform`.
"""

from keras_bfn._random import normal as normal
from keras_bfn._random import uniform as uniform
from keras_bfn.distributions.continuous import Delta as Delta
from keras_bfn.distributions.continuous import Normal as Normal
from keras_bfn.distributions.discrete import Bernoulli as Bernoulli
from keras_bfn.distributions.discrete import Categorical as Categorical
from keras_bfn.distributions.discrete import DiscretizedNormal as DiscretizedNormal
from keras_bfn.distributions.distribution import Distribution as Distribution
from keras_bfn.distributions.von_mises import VonMises as VonMises
