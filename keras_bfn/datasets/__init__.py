"""Standard and custom data sets, in batches for `fit` on every backend."""

from keras_bfn.datasets.batches import Batches as Batches
from keras_bfn.datasets.batches import Splits as Splits
from keras_bfn.datasets.folders import image_classes as image_classes
from keras_bfn.datasets.folders import image_folder as image_folder
from keras_bfn.datasets.images import cifar10 as cifar10
from keras_bfn.datasets.images import embedded_digits as embedded_digits
from keras_bfn.datasets.images import embedded_images as embedded_images
from keras_bfn.datasets.images import fashion_mnist as fashion_mnist
from keras_bfn.datasets.images import mnist as mnist
from keras_bfn.datasets.text import clean_text as clean_text
from keras_bfn.datasets.text import embedded_text as embedded_text
from keras_bfn.datasets.text import text8 as text8
from keras_bfn.datasets.text import text_file as text_file
from keras_bfn.datasets.tokenizers import SELFIES as SELFIES
from keras_bfn.datasets.tokenizers import SMILES as SMILES
from keras_bfn.datasets.tokenizers import Bytes as Bytes
from keras_bfn.datasets.tokenizers import Letters as Letters
from keras_bfn.datasets.tokenizers import Subwords as Subwords
from keras_bfn.datasets.tokenizers import Symbols as Symbols
from keras_bfn.datasets.tokenizers import Tokenizer as Tokenizer
