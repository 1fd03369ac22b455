"""The check of flows finds a fault, and says which."""

import pytest

from keras_bfn import testing
from tests.testing import faults

pytestmark = pytest.mark.once  # what is without fault is checked on each backend

FLOWS = {
    faults.WrongGainInMessages: ((3, 2.0), r"sample_evidence\(x, t=0.4\) must be N\(c beta e"),
    faults.WeakUpdates: ((0.1,), "two messages by `observe`.*must be N"),
    faults.BiasedSample: ((3, 2.0), r"sample_evidence.* the mean of \d+ draws is 0\.\d+ \+-"),
    faults.OneNoiseForAllNumbers: ((3, 2.0), "with independent components"),
    faults.HalfPrecision: ((3, 2.0), r"embed\(x\) must be float32.*It is float16"),
    faults.EmbedsWithoutAnAxis: ((0.1,), r"embed\(x\) must have shape \(64, 1\). It has shape"),
    faults.WideTheta: ((2, 2.0), r"input_params.*must have shape \(4, 1\). It has shape \(4, 2\)"),
    faults.WrongMean: ((3, 2.0), "expected_embedding must be the mean embedding of samples"),
    faults.HalfDivergence: ((0.1, "data"), "sender_receiver_kl must be -log_receiver_ratio"),
    faults.WrongRatios: ((3, 2.0), "log_receiver_ratio must use the mean density"),
    faults.WrongLogProb: ((3, 2.0), r"log_prob\(x\) must be `log_probs\(\)` at x"),
    faults.WrongOutputMean: ((3, 2.0), r"mean\(\) must be the expected value"),
    faults.WrongMode: ((3, 2.0), r"mode\(\) must be the likeliest value"),
    faults.ThreefoldReconstruction: ((3, 2.0), "reconstruction_loss must be -log_prob"),
    faults.WrongTemperature: ((3, 2.0), r"tempered\(temperature\) must have p\^"),
    faults.NotTilted: ((3, 2.0), "tilted must multiply probabilities"),
    faults.WrongExpectedData: ((3, 2.0), "expected_data must be the mean of `sure_data`"),
    faults.WideEvidenceParams: ((3, 2.0), r"evidence_params\(theta\) must have shape \(4, 3\)"),
    faults.WrongDensity: ((), "log_prob must be the density of its samples"),
    faults.TakesEverything: ((3, 2.0), "check_data must raise a `ValueError` for"),
    faults.LosesItsArgument: ((3, 2.0), "must store its constructor argument `depth` as an attr"),
    faults.ForgetsItsArgument: ((3, 2.0, None, 5), "must be unchanged by from_config.*depth=6"),
}


@pytest.mark.parametrize("fault", FLOWS, ids=lambda fault: fault.__name__)
def test_a_flow_with_a_fault_is_found(fault):
    arguments, message = FLOWS[fault]
    with pytest.raises(AssertionError, match=message):
        testing.check_flow(fault(*arguments))
