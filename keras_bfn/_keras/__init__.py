"""What works around Keras 3.15: each piece here, or where it must stand.

For each there is a test in `tests/test_workarounds.py` that fails when Keras no longer needs it.
These stand where they are needed:

| where | what Keras 3.15 does |
|---|---|
| `_backend/gradients.py`, `recompute` | on JAX on CPUs, `keras.remat` saves no memory |
| `_backend/randomness.py`, `torch_generators` | on PyTorch, a dropout's own generator is ignored |
| `_backend/randomness.py`, `SeedGenerator` | on TensorFlow, all replicas draw the same |
| `_backend/exports.py`, `export_program` | on PyTorch, outputs in ONNX have no names |
| `_backend/exports.py`, `export_saved_model` | on JAX, an argument that will go is used |
| `_backend/processes.py`, `rows_of_process` | on JAX, `predict` fails in several processes |
| `_devices.py`, `averaged` | in several processes of TensorFlow, `fit` fails (tensorflow#72388) |
| `_parts.py`, `order_parts` | on JAX, `predict` returns dicts in alphabetical order |
| `_random.py`, `_hash` | on PyTorch, the streams of seeds overlap |
| `_random.py`, `start_from` | on TensorFlow, seed generators that are gone leave memory behind |
| `callbacks/resume.py`, `_initial_epoch` | a `fit` that was resumed is not forgotten |
| `callbacks/resume.py`, `_variables` | `.keras` files hold no states of seed generators (#19796) |
| `datasets/batches.py`, `workers=1` | with more, batches of the last epoch come first (#20123) |
| `datasets/batches.py`, `_within_epoch` | a `PyDataset` is told of an end before the first epoch |
| `flows/priors.py`, `marginals` | on TensorFlow, what `ops.scan` gives has the shape of its carry |
| `flows/flow.py`, `RESERVED` | a dict of these names is taken for a saved object |
| `models/averaging.py`, `_model_variables_moving_average` | averages have no public name |
| `models/bayesian_flow_network.py`, `build_for` | `fit` builds in an epoch that counts |
| `models/bayesian_flow_network.py`, `programs` | the models in a dict are tracked as layers |
| `inference/program.py`, `is_stale` | compiled functions outlast changes of a model's layers |
| `inference/program.py`, `predict_params` | on TensorFlow, constants are folded into biases |
| `inputs/signature.py`, `call` | on JAX, layers within are not told that they are trained |
| `inference/scoring.py`, `score` | as for `order_parts` |
| `models/bayesian_flow_network.py`, `compute_loss` | on JAX, no metrics in `call` (#21639) |
| `models/bayesian_flow_network.py`, `get_compile_config` | what `"auto"` came to is saved |
| `networks/image_levels.py`, `repeat` | `UpSampling1D` knows channels last alone |
| `_interrupts.py`, `whole_steps` | steps and averages that are interrupted are made in part |
| `_interrupts.py`, `WholeSteps` | on JAX, a call that fails takes the weights along |
| `networks/network.py`, `names` | the names in a flat dict of inputs must be the tensors' |
| `presets/folder.py`, `make_uncompiled` | a config compiles its model |
| `presets/folder.py`, `save_weights` | the optimizer's state is saved, too (tensorflow#91498) |

Numbers are those of issues of keras-team/keras.
"""

from keras_bfn._keras.draws import call_block as call_block
from keras_bfn._keras.draws import loop as loop
from keras_bfn._keras.draws import seeded as seeded
from keras_bfn._keras.networks import build_network as build_network
from keras_bfn._keras.networks import change_layers as change_layers
from keras_bfn._keras.networks import changed_layers as changed_layers
from keras_bfn._keras.networks import in_order_of as in_order_of
from keras_bfn._keras.networks import layer_policies as layer_policies
from keras_bfn._keras.networks import layers_with_kernels as layers_with_kernels
from keras_bfn._keras.networks import layers_within as layers_within
from keras_bfn._keras.training import copy_values as copy_values
from keras_bfn._keras.training import of_no_backend as of_no_backend
from keras_bfn._keras.training import prefer_less as prefer_less
from keras_bfn._keras.training import scale_loss as scale_loss
from keras_bfn._keras.training import stand_in_for_targets as stand_in_for_targets
from keras_bfn._keras.training import unshare_buffers as unshare_buffers
from keras_bfn._keras.training import yield_tuples as yield_tuples
