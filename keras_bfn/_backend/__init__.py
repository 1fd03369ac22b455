"""Operations that `keras.ops` lacks. Only this package and `checkpoints` depend on the backends."""

from keras_bfn._backend.devices import fastest_data_format as fastest_data_format
from keras_bfn._backend.devices import scope_of as scope_of
from keras_bfn._backend.exports import check_format as check_format
from keras_bfn._backend.exports import export_program as export_program
from keras_bfn._backend.exports import export_saved_model as export_saved_model
from keras_bfn._backend.gradients import recompute as recompute
from keras_bfn._backend.gradients import takes_gradients as takes_gradients
from keras_bfn._backend.gradients import unfuse as unfuse
from keras_bfn._backend.gradients import value_and_gradient as value_and_gradient
from keras_bfn._backend.operations import add_product as add_product
from keras_bfn._backend.operations import attend as attend
from keras_bfn._backend.operations import normalize_groups as normalize_groups
from keras_bfn._backend.operations import one_by_one as one_by_one
from keras_bfn._backend.operations import sum_of as sum_of
from keras_bfn._backend.operations import write_step as write_step
from keras_bfn._backend.processes import mean_of_processes as mean_of_processes
from keras_bfn._backend.processes import of_all_processes as of_all_processes
from keras_bfn._backend.processes import process_of as process_of
from keras_bfn._backend.processes import rows_of_process as rows_of_process
from keras_bfn._backend.randomness import SeedGenerator as SeedGenerator
from keras_bfn._backend.randomness import draw_normal as draw_normal
from keras_bfn._backend.randomness import torch_generators as torch_generators
from keras_bfn._backend.traits import backend_version as backend_version
from keras_bfn._backend.traits import compiles_gradients_of_scans as compiles_gradients_of_scans
from keras_bfn._backend.traits import is_data_loader as is_data_loader
from keras_bfn._backend.traits import steps_take_values as steps_take_values
