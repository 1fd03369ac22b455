"""The shapes and dtypes of all that a flow answers."""

import keras

BATCH = 4


class Contract(keras.Layer):
    """Everything that a flow answers, so that Keras works out shapes without numbers."""

    def __init__(self, flow, seed):
        super().__init__(dtype="float32", autocast=False)
        self.flow, self.seed = flow, seed

    def call(self, x, params, t):
        flow, seed, beta = self.flow, self.seed, self.flow.schedule.beta(t)
        s = flow.sample_evidence(x, t, seed)
        distribution = flow.output_distribution(params, s, t)
        return {
            "embedding": {
                "embed": flow.embed(x),
                "sample_evidence": s,
                "observe": flow.observe(flow.embed(x), beta, seed),
                "expected_embedding": flow.expected_embedding(distribution),
            },
            "theta": {"input_params": flow.input_params(s, beta)},
            "variables": {
                "mean": distribution.mean(),
                "log_prob": distribution.log_prob(x),
                "sender_receiver_kl": flow.sender_receiver_kl(x, distribution, beta, seed),
                "reconstruction_loss": flow.reconstruction_loss(x, params, s),
            },
        }


def assert_shapes_and_dtypes(flow, event_shape, seed):
    variables = (BATCH, *event_shape)
    results = Contract(flow, seed)(
        keras.KerasTensor(variables, "int32" if flow.discrete else "float32"),
        keras.KerasTensor((*variables, flow.output_size), "float32"),
        keras.KerasTensor((BATCH,), "float32"),
    )
    shapes = {
        "embedding": (*variables, flow.embedding_size),
        "theta": (*variables, flow.theta_size),
        "variables": variables,
    }
    for kind, shape in shapes.items():
        for name, result in results[kind].items():
            assert (result.shape, result.dtype) == (shape, "float32"), name
