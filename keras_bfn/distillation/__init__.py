"""Distillation: a student that samples in one to four network calls."""

from keras_bfn.distillation.distiller import Distiller as Distiller
from keras_bfn.distillation.jump_sampler import JumpSampler as JumpSampler
from keras_bfn.distillation.student import AnyOrderStudent as AnyOrderStudent
from keras_bfn.distillation.student import Student as Student
from keras_bfn.distillation.student import make_student as make_student
from keras_bfn.distillation.trajectories import Trajectories as Trajectories
