"""Published weights: those of the paper, of ProtBFN and AbBFN, and of ChemBFN."""

from keras_bfn.checkpoints.molecules import LogarithmicSchedule as LogarithmicSchedule
from keras_bfn.checkpoints.molecules import MoleculeBlock as MoleculeBlock
from keras_bfn.checkpoints.molecules import MoleculeTransformer as MoleculeTransformer
from keras_bfn.checkpoints.molecules import chembfn as chembfn
from keras_bfn.checkpoints.official import load_official as load_official
from keras_bfn.checkpoints.proteins import ProteinBlock as ProteinBlock
from keras_bfn.checkpoints.proteins import ProteinTransformer as ProteinTransformer
from keras_bfn.checkpoints.proteins import protbfn as protbfn
from keras_bfn.checkpoints.symbols import MOLECULES as MOLECULES
from keras_bfn.checkpoints.symbols import PROTEINS as PROTEINS
from keras_bfn.checkpoints.symbols import MarkedSymbols as MarkedSymbols
