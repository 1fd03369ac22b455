"""A transformer over the patches of images."""

import math

import keras
from keras import layers

from keras_bfn._typing import Shape
from keras_bfn._validation import check_int, check_rate, check_shape, refusal
from keras_bfn.flows.flow import Flow
from keras_bfn.layers import EvidenceFeatures, PositionEmbedding, TimeEmbedding
from keras_bfn.layers.embeddings import check_multiple
from keras_bfn.networks.network import Network, check_one_kind, embed_time
from keras_bfn.networks.transformer import add_blocks, check_sight, normalize


@keras.saving.register_keras_serializable("keras_bfn")
class PatchTransformer(Network):
    """A transformer over the patches of an image, which computes almost only matrix products.

    An embedding of the time and the condition shifts and scales what each block normalises. By
    default there is no attention: in each block, each patch sees those around it by a convolution
    over patches. At the end, one convolution over pixels smooths the edges between patches.

    Args:
        flow: the data type, a `keras_bfn.flows.Flow`.
        image_shape: `(height, width, channels)`.
        patch_size: int. The side of the patches; must divide height and width. Time and memory grow
            with the number of patches.
        width: int, a multiple of 4. The size of the embeddings.
        num_layers: int. The number of blocks over patches.
        num_coarse_layers: int. If above 0, the number of additional blocks in the middle, over
            squares of two by two patches: they see distant positions at a quarter of the cost.
        coarse_width: int, a multiple of 4. The size of the squares' embeddings; by default twice
            `width`.
        num_heads: int. The number of attention heads; must divide `width`. 0 leaves attention out.
        kernel_size: int. Each block sees a square of `kernel_size` by `kernel_size` patches; 1 is a
            standard transformer, which needs attention.
        expansion: int. The width inside the blocks, in multiples of the embeddings' size.
        dropout: float in [0, 1), applied to the embeddings and to what each block adds to them.
        remat: as in `keras_bfn.networks.UNet`.
        **kwargs: `times`, `shortcut`, `jumps`, `conditions`, `dtype` and `name`, as in
            `keras_bfn.networks.Network`.

    Call arguments:
        inputs: dict of `"theta"`, `(batch, height, width, channels, flow.theta_size)`, and `"t"`,
            `(batch,)`.

    Returns:
        A float32 tensor of shape `(batch, height, width, channels, flow.output_size)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> flow = keras_bfn.flows.DiscretizedFlow(num_bins=16)
    >>> network = keras_bfn.networks.PatchTransformer(flow, (8, 8, 3), width=32, num_layers=2)
    >>> network({"theta": np.zeros((4, 8, 8, 3, 1)), "t": np.zeros((4,))}).shape
    (4, 8, 8, 3, 2)

    Reference: DiT of [Peebles and Xie, 2023](https://arxiv.org/abs/2212.09748), which is
    `num_heads=6`, `kernel_size=1`, `expansion=4` and further settings.
    """

    def __init__(
        self,
        flow: Flow,
        image_shape: Shape,
        patch_size: int = 4,
        width: int = 128,
        num_layers: int = 4,
        num_coarse_layers: int = 0,
        coarse_width: int | None = None,
        num_heads: int = 0,
        kernel_size: int = 3,
        expansion: int = 2,
        dropout: float = 0.0,
        remat: bool = False,
        **kwargs,
    ) -> None:
        check_one_kind(flow)
        self.image_shape = check_shape("image_shape", image_shape)
        self.patch_size = check_int("patch_size", patch_size, 1)
        self.width = check_multiple("width", width, 4)
        self.num_layers = check_int("num_layers", num_layers, 1)
        self.num_coarse_layers = check_int("num_coarse_layers", num_coarse_layers, 0)
        coarse_width = 2 * width if coarse_width is None else coarse_width
        self.coarse_width = check_multiple("coarse_width", coarse_width, 4)
        self.num_heads, self.kernel_size = check_sight(num_heads, kernel_size)
        self.expansion = check_int("expansion", expansion, 1)
        self.dropout = check_rate("dropout", dropout)
        self.remat = remat
        square = 2 * patch_size if num_coarse_layers else patch_size
        if len(image_shape) != 3 or any(side % square for side in image_shape[:2]):
            expected = f"(height, width, channels), with sides that are multiples of {square}"
            raise refusal("image_shape", f"must be {expected}", image_shape)
        rows, columns = (side // patch_size for side in image_shape[:2])

        def connect(inputs, conditions, policy):
            embedding = embed_time(inputs["t"], TimeEmbedding(width), width, policy)
            embedding = conditions.add_to(embedding)
            seen = EvidenceFeatures(flow)(inputs["theta"])
            seen = layers.Reshape((*image_shape[:2], -1), dtype="float32")(seen)
            seen = conditions.join_to(seen)

            sizes = {"num_heads": num_heads, "kernel_size": kernel_size, "expansion": expansion}
            options = {"dropout": dropout, "remat": remat, "dtype": policy, **sizes}

            def blocks(x, num_layers, columns, name):
                told, depth = {"embedding": embedding}, num_layers + num_coarse_layers
                return add_blocks(x, num_layers, told, depth, name, num_columns=columns, **options)

            x = _embed_squares(seen, patch_size, width, "input_projection", "float32")
            x = layers.Dropout(dropout, dtype=policy)(x)
            num_before = num_layers // 2 if num_coarse_layers else 0
            x = blocks(x, num_before, columns, "block_before")
            if num_coarse_layers:
                y = normalize(x, "norm_before", policy)
                y = layers.Reshape((rows, columns, width), dtype=policy)(y)
                y = _embed_squares(y, 2, coarse_width, "coarse_projection", policy)
                y = layers.Dropout(dropout, dtype=policy)(y)
                y = blocks(y, num_coarse_layers, columns // 2, "block_coarse")
                x = _add_coarse(x, y, rows, columns, policy)
            x = blocks(x, num_layers - num_before, columns, "block")
            return _smooth_pixels(normalize(x, "norm_out", policy), seen, patch_size, policy)

        super().__init__(flow, self.image_shape, connect, **kwargs)


def _embed_squares(x, size, width, name, dtype):
    """Embeds squares of `size` by `size`, and adds position embeddings."""
    embedded = layers.Dense(width, dtype=dtype, name=name)(join_squares(x, size, dtype))
    return PositionEmbedding(x.shape[2] // size)(embedded)


def _add_coarse(x, coarse, rows, columns, dtype):
    """Adds to each patch what was computed for the square that contains it."""
    coarse = normalize(coarse, "norm_coarse", dtype)
    fine = layers.Dense(4 * x.shape[-1], dtype=dtype, name="fine_projection")(coarse)
    fine = layers.Reshape(x.shape[1:], dtype=dtype)(cut_squares(fine, rows, columns, 2, dtype))
    return layers.Add(dtype=dtype)([x, fine])


def _smooth_pixels(x, seen, patch_size, dtype):
    """Returns features of pixels from patches, the same smoothed over patch edges, and `seen`."""
    units = max(8, x.shape[-1] // patch_size**2)
    x = layers.Dense(units * patch_size**2, dtype=dtype, name="patch_projection")(x)
    x = cut_squares(x, *seen.shape[1:3], patch_size, dtype)
    form = {"padding": "same", "data_format": "channels_last", "dtype": dtype}
    smooth = layers.Concatenate(dtype=dtype)([x, seen])
    smooth = layers.Conv2D(2 * units, 3, activation="gelu", name="smooth", **form)(smooth)
    return [x, smooth, seen]


def join_squares(x, size, dtype):
    """Turns `(rows, columns, ...)` into a sequence of squares of side `size`, each one vector."""
    rows, columns = (side // size for side in x.shape[1:3])
    channels = math.prod(x.shape[3:])
    x = layers.Reshape((rows, size, columns, size, channels), dtype=dtype)(x)
    x = layers.Permute((1, 3, 2, 4, 5), dtype=dtype)(x)
    return layers.Reshape((rows * columns, size * size * channels), dtype=dtype)(x)


def cut_squares(x, rows, columns, size, dtype):
    """Reverses `join_squares`: turns a sequence of squares into `(rows, columns, channels)`."""
    channels = x.shape[-1] // size**2
    x = layers.Reshape((rows // size, columns // size, size, size, channels), dtype=dtype)(x)
    x = layers.Permute((1, 3, 2, 4, 5), dtype=dtype)(x)
    return layers.Reshape((rows, columns, channels), dtype=dtype)(x)
