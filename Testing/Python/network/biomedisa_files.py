"""Model files as Biomedisa writes them, with random weights, and a reference network in plain numpy and scipy."""

import json

import h5py
import numpy as np
from scipy.ndimage import correlate

EPSILON = 1e-3


def random_weights(filters, classes, channels=1, resnet=False, seed=0):
    """Layer name -> {short name: array in Keras' order}."""
    rng = np.random.default_rng(seed)
    layers = {}

    def convolution(name, size, inputs, outputs, bias=True):
        layers[name] = {"kernel": rng.normal(0, 1.2 / np.sqrt(size**3 * inputs), (size, size, size, inputs, outputs))}
        if bias:
            layers[name]["bias"] = rng.normal(0, 0.2, outputs)

    outputs_of = [*filters, *reversed(filters[:-1])]
    inputs = channels
    for block, outputs in enumerate(outputs_of, start=1):
        inputs += outputs if block > len(filters) else 0
        for stage, size in ((1, inputs), (2, outputs)):
            convolution(f"conv_{block}_{stage}", 3, size, outputs)
            layers[f"batch_norm_{block}_{stage}"] = {
                "gamma": rng.uniform(0.5, 1.5, outputs),
                "beta": rng.normal(0, 0.3, outputs),
                "moving_mean": rng.normal(0, 0.3, outputs),
                "moving_variance": rng.uniform(0.5, 2, outputs),
            }
        if resnet:
            convolution(f"Identity{block}_1", 1, inputs, outputs, bias=False)
        inputs = outputs
    convolution(f"conv_{len(outputs_of) + 1}_1", 1, inputs, classes)
    return {n: {k: v.astype(np.float32) for k, v in layer.items()} for n, layer in layers.items()}


def model_config(layers, resnet=False, extra=()):
    rows = [{"class_name": "InputLayer", "config": {"name": "input_1", "batch_input_shape": [None, 16, 16, 16, 1]}}]
    last = max(int(n.split("_")[1]) for n in layers if n.startswith("conv"))
    for name in layers:
        if "norm" in name:
            rows.append({"class_name": "BatchNormalization", "config": {"name": name, "epsilon": EPSILON}})
        else:
            linear = name.startswith("Identity") or name == f"conv_{last}_1" or (resnet and name.endswith("_2"))
            activation = "linear" if linear else "relu"
            rows.append({"class_name": "Conv3D", "config": {"name": name, "activation": activation}})
    rows.append({"class_name": "MaxPooling3D", "config": {"name": "max_pooling3d", "pool_size": [2, 2, 2]}})
    return {"class_name": "Functional", "config": {"name": "model", "layers": [*rows, *extra]}}


def write_model(path, layers, *, keras=2, labels=(0, 1, 5), scale=(20, 24, 16), resnet=False, extra=(), **meta):
    """Write a file as Keras 2 or Keras 3 lays it out; `scale` is (x, y, z), `meta` replaces or adds datasets."""
    values = {"configuration": np.array([1, *scale, 1, 0.4, 0.2]), "labels": np.array(labels)}
    if keras == 3:
        values |= {"normalization": np.array([[0.4], [0.2]]), "patch_size": np.array([16, 16, 16])}
        values |= {"scaling": 1, "patch_normalization": 0, "separation": 0}
    values |= meta
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model_config(layers, resnet, extra))
        file.attrs["keras_version"] = "2.13.1" if keras == 2 else "3.15.1"
        for name, layer in layers.items():
            group = file.create_group(f"model_weights/{name}/{name}")
            for key, value in layer.items():
                group[key + (":0" if keras == 2 else "")] = value
        for name, value in values.items():
            if value is not None:
                file[f"meta/{name}"] = value


def reference_network(image, layers, depth, resnet=False):
    """Class probabilities (k, j, i, classes) of an image (k, j, i), straight from the definition of the layers."""

    def convolution(x, layer):
        kernel = layer["kernel"].astype(float)
        total = np.zeros((*x.shape[:3], kernel.shape[4]))
        for a in range(kernel.shape[3]):
            for b in range(kernel.shape[4]):
                total[..., b] += correlate(x[..., a], kernel[..., a, b], mode="constant")
        return total + layer.get("bias", 0)

    def norm(x, layer):
        scale = layer["gamma"] / np.sqrt(layer["moving_variance"] + EPSILON)
        return (x - layer["moving_mean"]) * scale + layer["beta"]

    def block(x, n):
        start = x
        x = np.maximum(norm(np.maximum(convolution(x, layers[f"conv_{n}_1"]), 0), layers[f"batch_norm_{n}_1"]), 0)
        x = convolution(x, layers[f"conv_{n}_2"])
        if resnet:
            return np.maximum(norm(x, layers[f"batch_norm_{n}_2"]) + convolution(start, layers[f"Identity{n}_1"]), 0)
        return np.maximum(norm(np.maximum(x, 0), layers[f"batch_norm_{n}_2"]), 0)

    x, skips = image[..., None].astype(float), []
    for n in range(1, depth + 1):
        x = block(x, n)
        skips.append(x)
        k, j, i, c = x.shape
        x = x.reshape(k // 2, 2, j // 2, 2, i // 2, 2, c).max((1, 3, 5))
    x = block(x, depth + 1)
    for n in range(depth + 2, 2 * depth + 2):
        x = x.repeat(2, 0).repeat(2, 1).repeat(2, 2)
        x = block(np.concatenate([x, skips.pop()], axis=-1), n)
    logits = convolution(x, layers[f"conv_{2 * depth + 2}_1"])
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
