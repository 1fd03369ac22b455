"""Networks, from the input distribution's parameters and the time to the output distribution's."""

from keras_bfn.networks.mlp import MLP as MLP
from keras_bfn.networks.multi_part import MultiPart as MultiPart
from keras_bfn.networks.network import Network as Network
from keras_bfn.networks.patch_transformer import PatchTransformer as PatchTransformer
from keras_bfn.networks.transformer import Transformer as Transformer
from keras_bfn.networks.unet import UNet as UNet
from keras_bfn.networks.vdm_unet import VDMUNet as VDMUNet
