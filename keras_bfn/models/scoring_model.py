"""The part of the model that says what data cost."""

from keras_bfn.models.code_length import code_length, loss_by_time


class ScoringModel:
    """The part of `BayesianFlowNetwork` that scores."""

    def code_length(
        self, x, num_steps=None, num_repeats=1, batch_size=128, seed=None, verbose="auto"
    ):
        """What it costs to send each example, estimated without bias.

        Args:
            x: data of shape `(num, *event_shape)`, or the tuple `(data, condition)`.
            num_steps: int or None. The number of messages; None is the continuous-time limit.
            num_repeats: int. Each example is looked at this many times, evenly spread over [0, 1];
                with `num_repeats=num_steps`, once at each step.
            batch_size: int.
            seed: int or None. The same seed gives the same result on the same backend.
            verbose: as in `keras.Model.predict`.

        Returns:
            A dict of `"transmission"` (the messages) and `"reconstruction"` (the last word): numpy
            arrays of shape `(num,)`, in nats per example. The sum is the code length.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> nats = model.code_length(images, num_steps=100)
        >>> (nats["transmission"] + nats["reconstruction"]).mean()
        """
        return code_length(self, x, num_steps, num_repeats, batch_size, seed, verbose)

    def loss_by_time(self, x, num_bins=20, batch_size=128, seed=None, verbose="auto"):
        """Where in time the model pays: the continuous-time loss at the times of each bin.

        Each example is looked at once in every bin. A schedule is well chosen if no part of time is
        wasted on messages that cost next to nothing.

        Args:
            x: data of shape `(num, *event_shape)`, or the tuple `(data, condition)`.
            num_bins: int. [0, 1] is cut into so many.
            batch_size, seed, verbose: as in `code_length`.

        Returns:
            A dict of `"t"`, the bins' middles, and `"loss"`, nats per example and unit of time,
            averaged over the examples: numpy arrays of shape `(num_bins,)`. The mean of `"loss"` is
            an estimate of the transmission loss.

        Raises:
            ValueError: if the data do not suit the model or an argument is out of its range.

        Example:

        >>> profile = model.loss_by_time(images, num_bins=10)
        >>> profile["loss"].mean()  # about model.code_length(images)["transmission"].mean()
        """
        return loss_by_time(self, x, num_bins, batch_size, seed, verbose)
