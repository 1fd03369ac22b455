"""Accuracy schedules: beta(t), the accuracy of all messages up to time t."""

from keras_bfn.schedules.fitting import fit as fit
from keras_bfn.schedules.schedule import ExponentialSchedule as ExponentialSchedule
from keras_bfn.schedules.schedule import QuadraticSchedule as QuadraticSchedule
from keras_bfn.schedules.schedule import Schedule as Schedule
