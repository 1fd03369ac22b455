"""
Title: Samples in one to four network calls
Author: The keras_bfn authors
Date created: 2026/11/28
Last modified: 2026/11/28
Description: Distil a trained model into a student that draws digits of any class in one call.
Accelerator: None
"""

"""
## Introduction

`generate` usually calls the network ten to a hundred times. This guide distils a
trained model, the teacher, into a student that needs one to four calls. At the end,
`calls.png` shows digits of each class, drawn by the student in one, two and four calls,
and by the teacher in ten.

A deterministic sampler such as `"ode2"` follows a path of evidence from noise to a
sample ([Sampling](sampling.py) introduces the samplers). It takes short steps, because
the network predicts only in which direction the path continues. A student takes large
steps, called *jumps*. Its network takes two times, those of the start and the end of a
jump, and learns where the path is at the end.

This guide needs `matplotlib`, and takes about four minutes of processor time.

## Setup
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_bfn
from keras_bfn import distillation, recipes

keras.utils.set_random_seed(0)
teacher = keras_bfn.BayesianFlowNetwork.from_preset("bfn_digits_classes")

"""
## The student

`make_student` copies the teacher. The student's network has one more input, `"t_next"`,
the time at which a jump ends. Before training, this input has no effect. With
`guided=True`, the guidance scale becomes a condition. In each step, the student then
makes one prediction per digit. The teacher makes two: with and without the class.
"""

student = distillation.make_student(teacher, guided=True)
print(student.signature.condition)

"""
If the teacher's network is your own, pass a `network=` for the student that also takes
`"t_next"` (if subclassed, with an attribute `jumps = True`), and leave out `guided`.

## Jumps along the teacher's paths

`Trajectories` generates samples with the teacher, keeps their paths, and yields jumps
along them in batches. For each epoch there are new paths: here 500, of 24 steps each,
with 16 jumps per path. More than half of the jumps go all the way to the sample. The
class of each path is chosen at random from `condition`, and the guidance scale between
1 and 3.
"""

jumps = distillation.Trajectories(
    teacher,
    num_paths=500,
    num_steps=24,
    num_jumps=16,
    condition=np.arange(10),
    guidance_scale=(1, 3),
    batch_size=125,
)
inputs, target = jumps[0]
print(sorted(inputs), target.shape)

"""
Messages are about an embedding of the data, here the grey level in [-1, 1]. At each
point of a path, the teacher predicts the expected embedding. The target of a jump is
the mean of these predictions from its start to its end. With this mean, a single step
of `"ode1"` ends where the teacher's many steps end. Jumps to the sample are an
exception: their target is the sample's own embedding.

## Training

A `Distiller` is a Keras model: `compile` it with any optimizer, and pass callbacks to
`fit`. The loss is the squared error of the embedding, per variable.
"""

EPOCHS = 12
distiller = distillation.Distiller(student)
distiller.compile(recipes.adamw(EPOCHS * jumps.num_batches))
history = distiller.fit(jumps, epochs=EPOCHS, verbose=2)

"""
## Sampling

The student takes the arguments of its teacher's `generate`, the guidance scale among
them. Its sampler, `"jump"`, takes one network call for each step.
"""

guides = {"condition": np.arange(50) % 10, "guidance_scale": 2.0}


def draw(num_steps, **options):
    sampler = distillation.JumpSampler(**options)
    return student.generate(50, num_steps, sampler, seed=0, verbose=0, **guides)


pictures = {f"student, {n} call{'s' * (n > 1)}": draw(n) for n in (1, 2, 4)}
# Other samplers than "jump" take num_steps + 1 calls.
pictures["teacher, 10 calls"] = teacher.generate(
    50,
    num_steps=9,
    sampler="sde2",
    seed=0,
    verbose=0,
    **guides,
)
figure = Figure((16, 2.4), dpi=90, layout="constrained")
for axes, (title, digits) in zip(figure.subplots(1, 4), pictures.items(), strict=True):
    keras_bfn.visualization.draw_grid(axes, digits, columns=10)
    axes.set_title(title)
figure.savefig("calls.png")

"""
By default, jumps are deterministic: from the same initial noise, one call and four
calls draw similar digits. With `fresh_noise=True`, each step jumps to the data (t = 1),
and then draws new evidence about these data at the next t. This corrects some mistakes
of earlier steps, and usually improves samples of three or more calls. Less noise, such
as `noise_scale=0.9`, makes samples likelier and less varied, which helps with text.
"""

keras_bfn.visualization.plot_samples(
    draw(4, fresh_noise=True), "fresh_noise.png", columns=10
)

"""
## Saving

`save`, `save_to_preset` and `export` work as for any other model. A single exported
step, from the start to t = 1, draws a picture.

```python
student.save("student.keras")
student.export("student.onnx", format="onnx")  # on PyTorch
```

`from_preset("bfn_digits_student")` loads such a student, distilled by
`examples/distil.py`, which distils any image or text model, unconditional or given a
class, whose network is of this package.

## What to expect

- Without fresh noise, a student imitates its teacher's deterministic sampler: expect
  samples as good as those of many steps of `"ode2"`, not better.
- Longer training improves one-call samples most. The paths are never exhausted: each
  epoch has new ones.
- A student can only jump: its methods `fit`, `evaluate` and `code_length` raise an
  error. Score data with the teacher.
- `Trajectories` and `JumpSampler` must have the same `start`, the time of the student's
  first prediction (by default 0.02).
"""
