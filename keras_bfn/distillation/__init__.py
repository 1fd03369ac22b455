"""Distillation: a student that samples in one to four network calls."""

from keras_bfn.distillation.distiller import Distiller as Distiller
from keras_bfn.distillation.distiller import make_student as make_student
from keras_bfn.distillation.trajectories import Trajectories as Trajectories
