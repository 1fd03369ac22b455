"""What a function cannot use it refuses by name, before it starts: not by an error from within."""

import re

import numpy as np
import pytest

from keras_bfn import (
    BayesianFlowNetwork,
    Look,
    callbacks,
    checkpoints,
    codec,
    datasets,
    flows,
    guidance,
    layers,
    losses,
    metrics,
    networks,
    presets,
    samplers,
    schedules,
    visualization,
)
from tests.models.small import FLOWS, make_data, make_model, make_text_model

pytestmark = pytest.mark.once

FLOW = FLOWS["binary"]()
X = make_data(FLOW)
IMAGES, LABELS = np.zeros((4, 8, 8, 1)), np.array([0, 1, 0, 1])
ROWS = np.zeros((8, 2))
NUMBERS = np.zeros((3, 2, 4, 4, 1, 1), "float32")
STEPS = Look(np.linspace(0, 1, 3), np.repeat(NUMBERS, 2, axis=-1), NUMBERS, NUMBERS)
SHAPE = (4, 4, 1)
NGRAMS = metrics.NgramModel([0, 1], num_classes=1000, order=3)


def keep(rows, rng):
    return rows


# By the argument that is refused: functions of a model and a folder.
REFUSED = {
    "x": [
        lambda model, _: model.fit(None),
        lambda model, _: model.fit(3),
        lambda model, _: model.evaluate(None),
        lambda model, _: model.code_length(None),
        lambda model, _: model.code_length(object()),
        lambda model, _: model.loss_by_time(None),
        lambda model, _: model.encode(None),
        lambda model, _: model.encode("images"),
        lambda model, _: model.inpaint(None, True),
        lambda model, _: codec.Codec(model).compress(None),
        lambda model, _: FLOW.check_data(None),
        lambda model, _: FLOW.remaining_cost(None),
        lambda model, _: schedules.fit(FLOW, None),
        lambda model, _: schedules.fit({"a": FLOW}, X),
        lambda model, _: schedules.fit({"a": FLOW}, {"b": X}),
    ],
    "batch_size": [
        lambda model, _: model.fit(X, batch_size=0),
        lambda model, _: model.fit(X, batch_size=1.5),
        lambda model, _: model.evaluate(X, batch_size=0),
        lambda model, _: model.code_length(X, batch_size=0),
        lambda model, _: model.loss_by_time(X, batch_size=0),
        lambda model, _: model.generate(1, batch_size=0),
        lambda model, _: model.encode(X, batch_size=0),
        lambda model, _: model.inpaint(X, True, batch_size=0),
        lambda model, _: codec.Codec(model, batch_size=0),
        lambda model, _: metrics.FrechetDistance(keep, IMAGES, batch_size=0),
        lambda model, _: datasets.Batches(ROWS, keep, 0),
        lambda model, _: datasets.Batches(ROWS, keep, None),
        lambda model, _: datasets.embedded_text(batch_size=0),
        lambda model, _: datasets.embedded_digits(batch_size=0),
        lambda model, _: datasets.embedded_images(batch_size=0),
        lambda model, _: datasets.mnist(batch_size=0),
        lambda model, _: datasets.fashion_mnist(batch_size=0),
        lambda model, _: datasets.cifar10(batch_size=0),
        lambda model, folder: datasets.image_folder(folder, (8, 8), batch_size=0),
        lambda model, folder: datasets.text_file(make_text(folder), batch_size=0, seq_length=4),
    ],
    "epochs": [
        lambda model, _: model.fit(X, epochs=1.5),
        lambda model, _: model.fit(X, epochs=-1),
        lambda model, _: metrics.SampleQuality(IMAGES, LABELS, epochs=0),
    ],
    "steps_per_epoch": [
        lambda model, _: model.fit(X, steps_per_epoch=0),
        lambda model, _: datasets.Batches(ROWS, keep, 2, steps_per_epoch=0),
    ],
    "num_steps": [
        lambda model, _: model.code_length(X, num_steps=0),
        lambda model, _: model.generate(1, num_steps=None),
        lambda model, _: model.encode(X, num_steps=0),
        lambda model, _: model.inpaint(X, True, num_steps=1.5),
        lambda model, _: losses.DiscreteTimeLoss(None),
        lambda model, _: codec.Codec(model, num_steps=0),
        lambda model, _: callbacks.SampleImages("samples", num_steps=0),
        lambda model, _: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_steps=0),
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", num_steps=0),
    ],
    "num_samples": [
        lambda model, _: model.generate(None),
        lambda model, _: model.generate(0),
        lambda model, _: losses.DiscreteTimeLoss(3, num_samples=0),
        lambda model, _: callbacks.SampleImages("samples", 0),
        lambda model, _: callbacks.SampleText("samples", num_samples=1.5),
        lambda model, _: visualization.plot_trajectory(FLOW, STEPS, "a.png", num_samples=0),
        lambda model, _: visualization.animate_generation(FLOW, STEPS, "a.gif", num_samples=0),
    ],
    "seed": [
        lambda model, _: model.code_length(X, seed="a"),
        lambda model, _: model.generate(1, seed=-1),
        lambda model, _: model.encode(X, seed=1.5),
        lambda model, _: model.inpaint(X, True, seed=-1),
        lambda model, _: BayesianFlowNetwork(FLOW, model.network, seed="a"),
        lambda model, _: codec.Codec(model, seed=None),
        lambda model, _: schedules.fit(FLOW, X, seed=None),
        lambda model, _: datasets.Batches(ROWS, keep, 2, seed=-1),
        lambda model, _: callbacks.SampleImages("samples", seed="a"),
    ],
    "sampler": [
        lambda model, _: model.generate(1, sampler=None),
        lambda model, _: model.generate(1, sampler=samplers.SDE1Sampler),
        lambda model, _: model.encode(X, sampler="ancestral"),
        lambda model, _: samplers.get(None),
        lambda model, _: callbacks.SampleText("samples", sampler=None),
        lambda model, _: model.export("step.onnx", "onnx", sampler="euler"),
    ],
    "loss": [
        lambda model, _: model.compile(loss="mse"),
        lambda model, _: losses.get(losses.ContinuousTimeLoss),
    ],
    "columns": [
        lambda model, _: callbacks.SampleImages("samples", columns=0),
        lambda model, _: visualization.plot_samples(IMAGES, "a.png", columns=0),
        lambda model, _: visualization.animate_generation(FLOW, STEPS, "a.gif", columns=0),
    ],
    "every": [lambda model, _: callbacks.SampleText("samples", every=0)],
    "num_repeats": [lambda model, _: model.code_length(X, num_repeats=0)],
    "num_particles": [
        lambda model, _: model.inpaint(X, True, num_particles=0),
        lambda model, _: model.generate(1, num_particles=0),
    ],
    "twisted": [lambda model, _: model.inpaint(X, True, twisted=None)],
    "return_statistics": [
        lambda model, _: model.inpaint(X, True, return_statistics=1),
        lambda model, _: model.generate(1, return_statistics="yes"),
        lambda model, _: make_text_model().generate_text(1, return_statistics=True),
    ],
    "guidance": [
        lambda model, _: model.generate(1, guidance="x"),
        lambda model, _: model.generate(1, guidance=len),
        lambda model, _: model.generate(1, num_particles=2),
        lambda model, _: model.inpaint(X, True, guidance=3),
        lambda model, _: guidance.get(3),
    ],
    "guidance_interval": [
        lambda model, _: model.generate(1, guidance_interval=(0.5, 0.5)),
        lambda model, _: model.inpaint(X, True, guidance_interval=None),
    ],
    "guidance_rescale": [
        lambda model, _: model.generate(1, guidance_rescale=0.5),
        lambda model, _: model.inpaint(X, True, guidance_rescale=-1),
    ],
    "fn": [
        lambda model, _: guidance.Guidance(),
        lambda model, _: guidance.Constraint(None, 1.0, 0.1),
    ],
    "values": [lambda model, _: guidance.Guidance(len, values=[1])],
    "interval": [lambda model, _: guidance.Guidance(len, interval=1)],
    "through_network": [lambda model, _: guidance.Guidance(len, through_network=None)],
    "classifier": [lambda model, _: guidance.ClassifierGuidance(None, 1)],
    "target": [
        lambda model, _: guidance.ClassifierGuidance(len, 0.5),
        lambda model, _: guidance.Constraint(len, "a", 0.1),
    ],
    "std": [lambda model, _: guidance.Constraint(len, 1.0, 0)],
    "A": [lambda model, _: guidance.LinearInverse(np.ones(3), [1.0], 0.1)],
    "y": [lambda model, _: guidance.LinearInverse(np.ones((1, 3)), 1.0, 0.1)],
    "noise": [
        lambda model, _: guidance.LinearInverse(np.ones((1, 3)), [1.0], 0),
        lambda model, _: samplers.SDE1Sampler(noise=2),
        lambda model, _: samplers.SDE2Sampler(noise=None),
    ],
    "top_k": [lambda model, _: samplers.SDE1Sampler(top_k=0)],
    "top_p": [lambda model, _: samplers.ODE1Sampler(top_p=0)],
    "num_intervals": [lambda model, _: model.loss_by_time(X, num_intervals=None)],
    "num_draws": [
        lambda model, _: schedules.fit(FLOW, X, num_draws=0),
        lambda model, _: guidance.Guidance(len, num_draws=0),
    ],
    "given": [
        lambda model, _: model.code_length(X, given=3),
        lambda model, _: model.generate(1, given=["a"]),
    ],
    "mask": [
        lambda model, _: model.inpaint(X, 0.5),
        lambda model, _: model.inpaint(X, "known"),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", None),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", np.ones(3, bool)),
    ],
    "latents": [
        lambda model, _: model.generate(1, sampler="ode1", latents="a"),
        lambda model, _: model.generate(1, sampler="ode1", latents=object()),
        lambda model, _: model.generate(1, sampler="ode1", latents={"a": 1}),
    ],
    "condition": [lambda model, _: model.generate(1, condition=3)],
    "guidance_scale": [lambda model, _: model.generate(1, guidance_scale=None)],
    "flow": [
        lambda model, _: BayesianFlowNetwork(None, model.network),
        lambda model, _: BayesianFlowNetwork(flows.DiscreteFlow, model.network),
        lambda model, _: networks.MLP(None, (8,)),
        lambda model, _: networks.UNet({"a": FLOW}, SHAPE),
        lambda model, _: networks.MultiPart(FLOW, (8,)),
        lambda model, _: layers.EvidenceShortcut(None),
        lambda model, _: schedules.fit(None, X),
        lambda model, _: flows.fit_scaling(FLOW, X),
        lambda model, _: visualization.plot_trajectory(None, STEPS, "a.png"),
        lambda model, _: visualization.plot_flow(None, STEPS, "a.png"),
    ],
    "network": [
        lambda model, _: BayesianFlowNetwork(FLOW, None),
        lambda model, _: checkpoints.load_official(None, "weights.pt"),
    ],
    "model": [lambda model, _: codec.Codec(None)],
    "data": [
        lambda model, _: codec.Codec(model).decompress(None),
        lambda model, _: callbacks.Resume("run", data=3),
        lambda model, _: model.upload_preset("hf://user/repo", None, "mit"),
    ],
    "event_shape": [
        lambda model, _: networks.MLP(FLOW, event_shape=8),
        lambda model, _: networks.Transformer(FLOW, 0),
        lambda model, _: networks.Transformer(FLOW, (4, 4, 1)),
        lambda model, _: networks.MLP(FLOW, event_shape=None),
        lambda model, _: networks.MultiPart({"a": FLOW}, {"b": (8,)}),
        lambda model, _: BayesianFlowNetwork(FLOW, model.network, event_shape=8),
    ],
    "image_shape": [
        lambda model, _: networks.UNet(FLOW, 8),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 6, 1)),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 12, 1), num_coarse_layers=1),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 8)),
        lambda model, _: networks.VDMUNet(FLOW, None),
    ],
    "width_multipliers": [
        lambda model, _: networks.UNet(FLOW, SHAPE, width_multipliers=2),
        lambda model, _: networks.UNet(FLOW, SHAPE, width_multipliers=()),
        lambda model, _: networks.UNet(FLOW, SHAPE, width_multipliers=(1, 0)),
    ],
    "networks": [lambda model, _: networks.MultiPart({"a": FLOW}, {"a": (8,)}, networks=3)],
    "patch_size": [
        lambda model, _: networks.MultiPart({"a": FLOW}, {"a": SHAPE}, patch_size=0),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 8, 1), patch_size=0),
    ],
    "width": [
        lambda model, _: networks.MLP(FLOW, (8,), width=None),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 8, 1), width=6),
    ],
    "num_coarse_layers": [
        lambda model, _: networks.PatchTransformer(FLOW, (8, 8, 1), num_coarse_layers=-1),
    ],
    "coarse_width": [
        lambda model, _: networks.PatchTransformer(
            FLOW, (8, 8, 1), num_coarse_layers=1, coarse_width=6
        ),
    ],
    "kernel_size": [
        lambda model, _: networks.Transformer(FLOW, 4, kernel_size=0),
        lambda model, _: networks.Transformer(FLOW, 4, num_heads=0, kernel_size=1),
        lambda model, _: networks.PatchTransformer(FLOW, (8, 8, 1), kernel_size=0),
    ],
    "positions": [lambda model, _: networks.Transformer(FLOW, 4, positions="learned")],
    "features": [lambda model, _: networks.Transformer(FLOW, 4, features=None)],
    "num_columns": [
        lambda model, _: layers.PositionEmbedding(-1),
        lambda model, _: layers.TransformerBlock(1, num_columns=0),
    ],
    "prior": [
        lambda model, _: flows.DiscreteFlow(3, 1.0, prior=0.5),
        lambda model, _: flows.ContinuousFlow(prior=1),
    ],
    "counts": [lambda model, _: flows.MarkovChain(None)],
    "mean": [lambda model, _: flows.JointNormal(None, [[1.0]])],
    "covariance": [lambda model, _: flows.JointNormal([0.0], None)],
    "center": [lambda model, _: flows.ContinuousFlow(center=None)],
    "scale": [
        lambda model, _: guidance.Guidance(len, scale=None),
        lambda model, _: flows.ContinuousFlow(scale=None),
        lambda model, _: flows.ContinuousFlow(scale=0),
    ],
    "by": [lambda model, _: flows.fit_scaling(flows.ContinuousFlow(), ROWS, by="mean")],
    "per": [lambda model, _: flows.fit_scaling(flows.ContinuousFlow(), ROWS, per=1)],
    "margin": [
        lambda model, _: flows.fit_scaling(flows.ContinuousFlow(), ROWS, margin=-0.1),
        lambda model, _: flows.fit_scaling(flows.ContinuousFlow(), ROWS, margin=None),
    ],
    "num_blocks": [lambda model, _: networks.MLP(FLOW, (8,), num_blocks=0)],
    "num_layers": [lambda model, _: networks.Transformer(FLOW, 4, num_layers=0)],
    "conditions": [lambda model, _: networks.MLP(FLOW, (8,), conditions=0)],
    "num_heads": [
        lambda model, _: networks.Transformer(FLOW, 4, width=8, num_heads=3),
        lambda model, _: layers.SpatialAttention(0),
        lambda model, _: layers.TransformerBlock(None),
    ],
    "dropout": [
        lambda model, _: networks.MLP(FLOW, (8,), dropout=None),
        lambda model, _: layers.ConvBlock(4, dropout=2),
        lambda model, _: layers.DenseBlock(4, dropout=-1),
        lambda model, _: layers.TransformerBlock(1, dropout="a"),
    ],
    "filters": [lambda model, _: layers.ConvBlock(0)],
    "groups": [
        lambda model, _: layers.ConvBlock(4, groups=0),
        lambda model, _: layers.SpatialAttention(1, groups=None),
    ],
    "data_format": [
        lambda model, _: layers.ConvBlock(4, data_format="NCHW"),
        lambda model, _: layers.SpatialAttention(1, data_format=3),
    ],
    "hidden_size": [lambda model, _: layers.DenseBlock(None)],
    "size": [
        lambda model, _: layers.TokenEmbedding(0),
        lambda model, _: layers.TimeEmbedding(None),
        lambda model, _: NGRAMS.probabilities(-1),
        lambda model, _: NGRAMS.probabilities(3),
    ],
    "exponents": [
        lambda model, _: layers.FourierFeatures(3),
        lambda model, _: layers.FourierFeatures(()),
    ],
    "num_classes": [
        lambda model, _: flows.DiscreteFlow(None, 1.0),
        lambda model, _: metrics.NgramModel([0, 1], 1),
    ],
    "num_bins": [
        lambda model, _: flows.DiscretizedFlow(1),
        lambda model, _: flows.ContinuousFlow(num_bins=0),
        lambda model, _: datasets.embedded_digits(num_bins=0),
    ],
    "schedule": [lambda model, _: flows.DiscreteFlow(2, schedule=schedules.QuadraticSchedule)],
    "beta_1": [
        lambda model, _: flows.DiscreteFlow(2, "a"),
        lambda model, _: schedules.QuadraticSchedule(float("nan")),
    ],
    "sigma_1": [lambda model, _: schedules.ExponentialSchedule(None)],
    "temperature": [lambda model, _: samplers.SDE1Sampler(temperature=None)],
    "start": [lambda model, _: samplers.ODE1Sampler(start=1)],
    "images": [
        lambda model, _: metrics.SampleQuality(None, LABELS),
        lambda model, _: metrics.FrechetDistance(keep, None),
        lambda model, _: metrics.SampleQuality(IMAGES[:0], LABELS[:0]),
    ],
    "labels": [
        lambda model, _: metrics.SampleQuality(IMAGES, None),
        lambda model, _: metrics.SampleQuality(IMAGES, -LABELS),
        lambda model, _: datasets.Batches(ROWS, keep, 2, labels=3),
    ],
    "num_features": [lambda model, _: metrics.SampleQuality(IMAGES, LABELS, num_features=0)],
    "extractor": [
        lambda model, _: metrics.FrechetDistance(None, IMAGES),
        lambda model, _: metrics.FrechetDistance(lambda images: images, IMAGES),
    ],
    "covariance_1": [
        lambda model, _: metrics.frechet_distance(np.zeros(2), None, np.zeros(2), np.eye(2))
    ],
    "mean_2": [
        lambda model, _: metrics.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    ],
    "examples": [lambda model, _: datasets.Batches(None, keep, 2)],
    "transform": [lambda model, _: datasets.Batches(ROWS, None, 2)],
    "form": [
        lambda model, _: datasets.embedded_digits(form=None),
        lambda model, _: datasets.mnist(form=[]),
    ],
    "limit": [lambda model, _: datasets.embedded_digits(limit=1)],
    "held_out": [lambda model, _: datasets.embedded_digits(held_out=1.0)],
    "image_size": [lambda model, folder: datasets.image_folder(folder, 8)],
    "seq_length": [lambda model, _: datasets.embedded_text(seq_length=0)],
    "text": [
        lambda model, _: datasets.clean_text(None),
        lambda model, _: datasets.Letters().encode(3),
        lambda model, _: datasets.Letters().encode("A"),
        lambda model, _: datasets.Bytes().encode(None),
    ],
    "texts": [lambda model, _: metrics.spelling_rate("a b c", "b")],
    "reference_text": [lambda model, _: metrics.spelling_rate(["a b c"], ["b"])],
    "tokens": [
        lambda model, _: datasets.Letters().decode(None),
        lambda model, _: datasets.Letters().decode([27]),
        lambda model, _: datasets.Bytes().decode([-1]),
        lambda model, _: datasets.Bytes().decode([0.5]),
        lambda model, _: metrics.NgramModel([], 2),
        lambda model, _: metrics.NgramModel([0, 2], 2),
        lambda model, _: NGRAMS.bits_per_token([0.5]),
        lambda model, _: NGRAMS.perplexity(None),
    ],
    "order": [
        lambda model, _: flows.fit_prior(FLOW, np.zeros((2, 8), "int32"), order=-1),
        lambda model, _: metrics.NgramModel([0, 1], 2, order=-1),
        lambda model, _: NGRAMS.bits_per_token([0], order=4),
    ],
    "alphabet": [lambda model, _: datasets.Letters("a")],
    "tokenizer": [
        lambda model, _: datasets.embedded_text(tokenizer=datasets.Bytes),
        lambda model, _: BayesianFlowNetwork(FLOW, model.network, tokenizer="letters"),
        lambda model, _: BayesianFlowNetwork(FLOW, model.network, tokenizer=datasets.Bytes()),
        lambda model, _: model.generate_text(2),
    ],
    "stride": [lambda model, _: datasets.embedded_text(stride=0)],
    "path": [
        lambda model, _: datasets.text_file(None),
        lambda model, _: datasets.image_folder(None, (8, 8)),
        lambda model, _: datasets.image_classes(None),
        lambda model, _: visualization.plot_samples(IMAGES, None),
        lambda model, _: visualization.plot_series(ROWS, None),
        lambda model, _: visualization.plot_forecast(ROWS, None, True),
        lambda model, _: visualization.plot_trajectory(FLOW, STEPS, 3),
        lambda model, _: visualization.plot_flow(FLOW, STEPS, None),
        lambda model, _: visualization.animate_generation(FLOW, STEPS, None),
    ],
    "directory": [
        lambda model, _: callbacks.Resume(None),
        lambda model, _: callbacks.SampleImages(None),
    ],
    "preset": [
        lambda model, _: BayesianFlowNetwork.from_preset(None),
        lambda model, _: presets.upload_preset("hf://user/repo", None),
    ],
    "folder": [
        lambda model, _: model.save_to_preset(None),
        lambda model, _: model.upload_preset("hf://user/repo", "Noise.", "mit", folder=3),
    ],
    "uri": [
        lambda model, _: model.upload_preset(None, "Noise.", "mit"),
        lambda model, _: presets.upload_preset("repo", "preset"),
    ],
    "license": [lambda model, _: model.upload_preset("hf://user/repo", "Noise.", None)],
    "figures": [lambda model, _: model.upload_preset("hf://user/repo", "Noise.", "mit", 3)],
    "samples": [
        lambda model, _: visualization.plot_samples(None, "a.png"),
        lambda model, _: visualization.plot_samples(IMAGES[:0], "a.png"),
        lambda model, _: visualization.plot_samples({"a": IMAGES}, "a.png"),
        lambda model, _: visualization.plot_series(np.zeros(3), "a.png"),
        lambda model, _: visualization.plot_series(None, "a.png"),
    ],
    "real": [
        lambda model, _: visualization.plot_samples(IMAGES, "a.png", real="a"),
        lambda model, _: visualization.plot_series(ROWS, "a.png", real=np.zeros((8, 2, 2))),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", True, real="a"),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", True, real=np.zeros(3)),
    ],
    "completions": [
        lambda model, _: visualization.plot_forecast(IMAGES, "a.png", True),
        lambda model, _: visualization.plot_forecast(ROWS[:0], "a.png", True),
    ],
    "levels": [
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", True, levels=0.9),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", True, levels=(1,)),
    ],
    "names": [
        lambda model, _: visualization.plot_series(ROWS, "a.png", names="a"),
        lambda model, _: visualization.plot_forecast(ROWS, "a.png", True, names=["a", "b"]),
    ],
    "trajectory": [
        lambda model, _: visualization.plot_trajectory(FLOW, None, "a.png"),
        lambda model, _: visualization.plot_trajectory({"a": FLOW}, STEPS, "a.png", part="a"),
        lambda model, _: visualization.plot_flow(FLOW, X, "a.png"),
        lambda model, _: visualization.animate_generation(FLOW, {"a": STEPS}, "a.gif"),
    ],
    "part": [
        lambda model, _: visualization.plot_trajectory(FLOW, STEPS, "a.png", part="a"),
        lambda model, _: visualization.plot_flow({"a": FLOW}, {"a": STEPS}, "a.png"),
    ],
    "pixels": [lambda model, _: visualization.animate_generation(FLOW, STEPS, "a.gif", pixels=0)],
    "frames_per_second": [
        lambda model, _: visualization.animate_generation(
            FLOW, STEPS, "a.gif", frames_per_second=2000
        )
    ],
    "sample": [
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", sample=7),
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", sample=None),
    ],
    "variable": [
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", variable=3),
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(0.5, 0, 0)),
        lambda model, _: visualization.plot_flow(FLOW, STEPS, "a.png", variable=(4, 0, 0)),
    ],
    "resolution": [lambda model, _: codec.Codec(model, resolution=0)],
    "filepath": [
        lambda model, _: model.export(None),
        lambda model, _: model.export("step", "onnx"),
    ],
    "format": [
        lambda model, _: model.export("step", "pickle"),
        lambda model, _: model.export("step", None),
    ],
    "what": [lambda model, _: model.export("step.onnx", "onnx", what="loop")],
    "guided": [lambda model, _: model.export("step.onnx", "onnx", guided=True)],
}


def make_text(folder):
    path = folder / "text.txt"
    path.write_text("call me ishmael " * 100)
    return path


@pytest.fixture(scope="module")
def model():
    return make_model(FLOW)


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_argument_is_refused_by_name(name, model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    for call in REFUSED[name]:
        with pytest.raises(ValueError, match="Received") as caught:
            call(model, tmp_path)
        assert re.search(rf"`{name}[`\[]", str(caught.value)), caught.value


def test_no_parts_are_given_by_none(model):
    one, other = (model.code_length(X, given=given, seed=0, verbose=0) for given in (None, ()))
    np.testing.assert_array_equal(one["transmission"], other["transmission"])
