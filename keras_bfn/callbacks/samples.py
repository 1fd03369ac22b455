"""Callbacks that write samples during training."""

import contextlib
from typing import Any

import keras

from keras_bfn import samplers
from keras_bfn._imports import tell_to_install
from keras_bfn._parts import check_part, pick_part
from keras_bfn._typing import Array, ArrayLike, Parts, Path
from keras_bfn._validation import check_int, check_path, check_seed, refusal
from keras_bfn.flows import Flow
from keras_bfn.inputs.conditions import condition_inputs
from keras_bfn.models import averaging
from keras_bfn.orders import AnyOrderNetwork, Order
from keras_bfn.orders.any_order_network import check_order
from keras_bfn.samplers import NUM_STEPS, Sampler
from keras_bfn.saving.files import write_atomically
from keras_bfn.text import text_part
from keras_bfn.visualization.grid import import_pillow, join_images, to_pillow


class _Samples(keras.callbacks.Callback):
    """Generates samples every few epochs, with the averaged weights if the optimizer keeps them."""

    needs_raw_weights = True  # at the end of an epoch: averages replace them

    def __init__(
        self,
        directory: Path,
        num_samples: int = 8,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        every: int = 1,
        seed: int | None = 0,
        tensorboard: Path | None = None,
        part: str | None = None,
        order: str | Order | Parts[ArrayLike] = "together",
    ) -> None:
        super().__init__()
        self.directory = check_path("directory", directory)
        self.num_samples = check_int("num_samples", num_samples, 1)
        self.num_steps = check_int("num_steps", num_steps, 1)
        self.every = check_int("every", every, 1)
        # Only a student knows "jump".
        self.sampler = sampler if sampler in (None, "jump") else samplers.get(sampler)
        self.condition = condition
        self.seed = seed if seed is None else check_seed(seed)
        self.tensorboard = None if tensorboard is None else check_path("tensorboard", tensorboard)
        self.part, self.order = check_part(part), order

    @property
    def source(self) -> Any:
        """The model that generates: the trained one, or the student that a `Distiller` trains."""
        return getattr(self.model, "student", self.model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        pick_part(self.part, self.source.flow)
        self.source.get_sampler(self.sampler)
        check_order(self.source, self.order)
        condition_inputs(self.source, self.condition, self.num_samples)
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.tensorboard is not None:
            with tell_to_install("`tensorboard` needs TensorBoard: pip install tensorboard"):
                from tensorboard.summary.writer.event_file_writer import EventFileWriter
            # One file for all epochs: TensorBoard reads several in the order of their names.
            self.events = EventFileWriter(str(self.tensorboard), filename_suffix=".samples")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.tensorboard is not None:
            self.events.close()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        model, is_averaged = self.source, averaging.has_averages(self.model)
        averages = averaging.assigned(self.model) if is_averaged else contextlib.nullcontext()
        with model.turn, averages:
            options = {"condition": self.condition, "seed": self.seed}
            if isinstance(model, AnyOrderNetwork):
                options["order"] = self.order
            sizes = self.num_samples, self.num_steps
            samples = model.generate(*sizes, self.sampler, **options, verbose=0)
        self.write(*pick_part(self.part, model.flow, samples), epoch + 1)

    def show(self, epoch: int, summary: Any) -> None:
        """Adds a summary to TensorBoard's events, without any of the backends."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.events.add_event(Event(step=epoch, summary=summary))
        self.events.flush()


class SampleImages(_Samples):
    """Writes a PNG of samples, `epoch_0001.png` and so on, at the end of every `every` epochs.

    Samples use the averaged weights if the optimizer keeps them (`use_ema=True`), and the same seed
    each time, so that pictures can be compared.

    Args:
        directory: where to write.
        num_samples: int. The number of samples.
        num_steps, sampler, condition, seed, order: as in `BayesianFlowNetwork.generate`.
        every: int. The number of epochs between two pictures.
        columns: int. The number of images per row.
        tensorboard: None, or the directory for the event files from which TensorBoard shows the
            pictures.
        part: for a dict of flows, the name of the part to show.

    Raises:
        ValueError: if an argument is invalid; when training starts, if the model's flow has no such
            part, the part is not an image, or the sampler or the condition does not suit the model.

    Example:

    ```python
    model.fit(images, epochs=10, callbacks=[keras_bfn.callbacks.SampleImages("samples/")])
    ```
    """

    def __init__(
        self,
        directory: Path,
        num_samples: int = 64,
        num_steps: int = NUM_STEPS,
        sampler: str | Sampler | None = None,
        condition: Parts[ArrayLike] | None = None,
        every: int = 1,
        columns: int = 8,
        seed: int | None = 0,
        tensorboard: Path | None = None,
        part: str | None = None,
        order: str | Order | Parts[ArrayLike] = "together",
    ) -> None:
        options = (condition, every, seed, tensorboard, part, order)
        super().__init__(directory, num_samples, num_steps, sampler, *options)
        self.columns = check_int("columns", columns, 1)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        _, shape = pick_part(self.part, self.source.flow, self.source.event_shape)
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] not in (1, 3)):
            expected = "must be (height, width) or (height, width, channels), with 1 or 3 channels"
            raise refusal("event_shape", expected, shape)
        import_pillow()

    def write(self, flow: Flow, samples: Array, epoch: int) -> None:
        grid = join_images(samples, self.columns, *flow.data_range)
        image = to_pillow(grid, max(1, 256 // max(samples.shape[1:3]) // 4))
        path = self.directory / f"epoch_{epoch:04}.png"
        write_atomically(path, lambda file: image.save(file, "png"))
        if self.tensorboard is not None:
            shape = {"height": image.height, "width": image.width, "colorspace": 3}
            shown = {"encoded_image_string": path.read_bytes(), **shape}
            self.show(epoch, {"value": [{"tag": "samples", "image": shown}]})


class SampleText(_Samples):
    """Writes samples of text, `epoch_0001.txt` and so on, at the end of every `every` epochs.

    Samples are generated as by `SampleImages`, and decoded with the model's tokenizer.

    Args:
        directory: where to write.
        num_samples: int. The number of samples.
        num_steps, sampler, condition, seed, order: as in `BayesianFlowNetwork.generate`.
        every: int. The number of epochs between two files.
        tensorboard: None, or the directory for the event files from which TensorBoard shows the
            text.
        part: for a dict of flows, the name of the part that is text.

    Raises:
        ValueError: if an argument is invalid; when training starts, if the model has no tokenizer,
            its flow has no such part, or the sampler or the condition does not suit the model.

    Example:

    ```python
    model.fit(tokens, epochs=10, callbacks=[keras_bfn.callbacks.SampleText("samples/")])
    ```
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        text_part(self.source, self.part)
        super().on_train_begin(logs)

    def write(self, flow: Flow, samples: Array, epoch: int) -> None:
        tokenizer, _ = text_part(self.source, self.part)
        lines = tokenizer.decode(samples)
        path = self.directory / f"epoch_{epoch:04}.txt"
        write_atomically(path, lambda file: file.write(("\n".join(lines) + "\n").encode()))
        if self.tensorboard is not None:
            from tensorboard.plugins.text.summary_v2 import text_pb

            self.show(epoch, text_pb("samples", "\n\n".join(lines)))
