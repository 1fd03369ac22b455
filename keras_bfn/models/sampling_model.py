"""The part of the model that makes examples: new ones, encoded ones, completed ones."""

from keras_bfn.models.encoding import encode
from keras_bfn.models.generation import generate
from keras_bfn.models.inpainting import inpaint


class SamplingModel:
    """The part of `BayesianFlowNetwork` that samples."""

    def generate(
        self,
        num_samples,
        num_steps=100,
        sampler="ancestral",
        condition=None,
        guidance_scale=1.0,
        latents=None,
        seed=None,
        batch_size=None,
        return_trajectory=False,
        verbose="auto",
    ):
        """Generates samples with `num_steps + 1` network calls.

        Args:
            num_samples: int, at least 1.
            num_steps: int, at least 1.
            sampler: a `keras_bfn.samplers.Sampler` or a name: `"ancestral"`, the paper's; or
                `"sde1"`, `"sde2"`, `"ode1"`, `"ode2"`, which need fewer steps. Temperature, start,
                end and spacing of steps are options of the objects. For few
                steps, try `SDE2Sampler(start=0.02, spacing="log_beta")`, the best by far in the
                README's tables.
            condition: for conditional models, an array of shape `(num_samples, ...)`. Left out, it
                is the network's null class, if it has one.
            guidance_scale: float. 1 samples what the network has learnt; above 1, the classes
                stand out more than that: the network's answer is that for the null class plus so
                many times what the class changes in it. Train with `label_dropout` for it.
            latents: where a deterministic sampler (`"ode1"`, `"ode2"`) starts: an array of shape
                `(num_samples, *event_shape, flow.embedding_size)`, as `encode` returns it. By
                default drawn from N(0, flow.gain).
            seed: int or None. The same seed gives the same samples on the same backend.
            batch_size: int; by default all at once, up to 64. One program is compiled for each
                batch size, number of steps and sampler, and used again.
            return_trajectory: bool. Whether to return the steps, too.
            verbose: as in `keras.Model.predict`.

        Returns:
            A numpy array of shape `(num_samples, *event_shape)`, in the data's own form: integers
            for discrete and discretised data. With `return_trajectory`, the tuple of it and a dict:
            `"t"`, `(num_steps + 1,)`; `"evidence"`, `(num_steps + 1, num_samples, *event_shape,
            embedding_size)`; `"theta"`, the input distribution's parameters, likewise with
            `theta_size`; and `"params"`, the output distribution's, with `output_size`. A sampler
            with `end="last"` makes one look less.

        Raises:
            ValueError: if an argument is out of its range, or the model has no event shape yet.

        Example:

        >>> images = model.generate(64, num_steps=20, sampler="ode2", seed=0)

        Reference: guidance follows [Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598).
        """
        return generate(
            self,
            num_samples,
            num_steps,
            sampler,
            condition,
            guidance_scale,
            latents,
            seed,
            batch_size,
            return_trajectory,
            verbose,
        )

    def encode(
        self,
        x,
        num_steps=100,
        sampler="ode2",
        condition=None,
        seed=None,
        batch_size=None,
        verbose="auto",
    ):
        """The latents from which a deterministic sampler generates `x`, up to its error.

        Evidence about `x` is drawn at t = 1, and the sampler runs backwards from there to its
        `start`. Where many small steps late in time do not suffice, space them evenly in log(beta):
        with `ODE2Sampler(start=0.01, spacing="log_beta")`, 50 of them give the digits of the guide
        back but for single levels.

        Args:
            x: data, of shape `(num, *event_shape)`.
            num_steps: int, at least 1.
            sampler: `"ode1"`, `"ode2"`, or such a sampler.
            condition: as in `generate`.
            seed: int or None, of the evidence.
            batch_size: int; by default up to 64.
            verbose: as in `keras.Model.predict`.

        Returns:
            A float32 array of shape `(num, *event_shape, flow.embedding_size)`: the evidence at the
            sampler's `start`, divided by the square root of its accuracy. Over data that the model
            knows well and for an early start it is distributed as N(0, flow.gain), so interpolate
            on the sphere.

        Raises:
            ValueError: if the sampler is not deterministic, the data do not suit the model, or an
                argument is out of its range.

        Example:

        >>> latents = model.encode(images)
        >>> again = model.generate(len(images), sampler="ode2", latents=latents)
        """
        return encode(self, x, num_steps, sampler, condition, seed, batch_size, verbose)

    def inpaint(
        self,
        x,
        mask,
        num_steps=100,
        num_particles=1,
        condition=None,
        guidance_scale=1.0,
        seed=None,
        batch_size=None,
        return_statistics=False,
        verbose="auto",
    ):
        """Completes each example, given its known variables.

        The known variables send their true messages, the others are sampled as by the ancestral
        sampler. With one particle that is all, and the result is biased: nothing asks whether what
        was made up goes with what is known. With more, sequential Monte Carlo does: each particle
        is weighted by how well it expected the messages of the known variables, and drawn anew by
        weight (systematic resampling) when the effective sample size falls below half. As
        particles grow, the completions follow the model's own conditional distribution.

        Args:
            x: data, of shape `(num, *event_shape)`; what it holds where `mask` is false must be
                data, and is ignored. One completion is made for each example: repeat an example for
                several.
            mask: array of bool, true where `x` is known, of shape `(num, *event_shape)` or
                `event_shape`.
            num_steps: int, at least 1. The network is called `num_steps + 1` times.
            num_particles: int, at least 1. Each call is on `num_particles` rows per example.
            condition, guidance_scale, seed, verbose: as in `generate`.
            batch_size: int, in examples; by default up to 64 rows.
            return_statistics: bool. Whether to return, too, how the particles fared.

        Returns:
            An array shaped as `x`, equal to it where it is known. With `return_statistics`, the
            tuple of it and a dict: `"effective_sample_size"`, `(num_steps + 1, num)`, of 1 to
            `num_particles`, at each look before resampling; and `"log_likelihood"`, `(num,)`, in
            nats: the logarithm of an unbiased estimate of the probability (or density) that the
            model gives to the known variables.

        Raises:
            ValueError: if the data do not suit the model, or an argument is out of its range.

        Example:

        >>> known = np.zeros(images.shape, bool)
        >>> known[:, :2] = True  # the two rows at the top
        >>> completed = model.inpaint(images, known, num_steps=50, num_particles=4)
        """
        return inpaint(
            self,
            x,
            mask,
            num_steps,
            num_particles,
            condition,
            guidance_scale,
            seed,
            batch_size,
            return_statistics,
            verbose,
        )
