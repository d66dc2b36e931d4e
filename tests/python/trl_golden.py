"""Writes the golden vectors that `tests/trl.rs` holds our trainer to.

    python -m venv venv && venv/bin/pip install -r tests/python/requirements.txt
    lode model export-hf smollm2-135m --out BASE
    venv/bin/python tests/python/trl_golden.py --base BASE --out tests/golden

For a small llama whose weights a formula gives, and for the model in BASE: log-probabilities with and without
an adapter, every loss with its gradients, and eight steps of training, all by TRL on PyTorch. Adapters, weights
and tokens come from formulas that the test knows, too, so that only numbers are written.
"""

import argparse
import json
import os
import tempfile

import numpy
import torch
import transformers
import trl
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from trl_pairs import TARGETS, threads, trainer

RANK, ALPHA, BETA = 4, 8.0, 0.1
STEPS, BATCH, RATE = 8, 2, 2e-4
# Values of each tensor that are kept, and digits of every number.
SAMPLES = 4
DIGITS = 9
# TRL's loss types, with their weights, and our settings for the same.
LOSSES = [
    {"kind": "sigmoid", "trl": ["sigmoid"], "weights": [1.0], "label_smoothing": 0.0, "nll_weight": 0.0},
    {"kind": "sigmoid", "trl": ["sigmoid", "sft"], "weights": [1.0, 0.5], "label_smoothing": 0.0, "nll_weight": 0.5},
    {"kind": "robust", "trl": ["robust"], "weights": [1.0], "label_smoothing": 0.2, "nll_weight": 0.0},
    {"kind": "hinge", "trl": ["hinge"], "weights": [1.0], "label_smoothing": 0.0, "nll_weight": 0.0},
    {"kind": "ipo", "trl": ["ipo"], "weights": [1.0], "label_smoothing": 0.0, "nll_weight": 0.0},
    {"kind": "sigmoid_norm", "trl": ["sigmoid_norm"], "weights": [1.0], "label_smoothing": 0.0, "nll_weight": 0.0},
]


def formula(index, count):
    """Numbers in -1 to 1 that follow from two numbers: the multiplier is Knuth's."""
    places = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(7919 * index)
    mixed = (places * numpy.uint64(2654435761)) % numpy.uint64(1 << 32)
    return mixed.astype(numpy.float64) / float(1 << 31) - 1.0


def fill(tensor, index, scale, offset=0.0):
    values = formula(index, tensor.numel()) * scale + offset
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(values.astype(numpy.float32)).reshape(tensor.shape))


def small_llama():
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    model = LlamaForCausalLM(config)
    for index, (name, tensor) in enumerate(sorted(model.state_dict().items())):
        norm = name.endswith("norm.weight")
        fill(tensor, index, 0.2 if norm else 1.2 / tensor.shape[-1] ** 0.5, 1.0 if norm else 0.0)
    return model


def pairs_for(vocabulary):
    """Pairs of which two share a prompt; chosen sides of one length, as one of TRL's losses is a mean over tokens."""

    def tokens(index, count):
        return [int((value + 1.0) / 2.0 * vocabulary) % vocabulary for value in formula(1000 + index, count)]

    prompts = [tokens(place // 2, 24 + 5 * (place // 2)) for place in range(4)]
    return [
        {"prompt_ids": prompts[i], "chosen_ids": tokens(10 + i, 9), "rejected_ids": tokens(20 + i, 5 + 3 * i)}
        for i in range(4)
    ]


def adapter_tensors(model):
    """Every tensor of the adapter in our order: by layer, by target, A before B."""
    by_name = dict(model.named_parameters())
    for layer in range(model.config.num_hidden_layers):
        for target in TARGETS:
            parent = "self_attn" if target in TARGETS[:4] else "mlp"
            for side in "AB":
                yield by_name[f"base_model.model.model.layers.{layer}.{parent}.{target}.lora_{side}.default.weight"]


def stirred(made):
    """Moves the adapter away from its start, where it changes nothing; the reference stays the base."""
    for index, tensor in enumerate(adapter_tensors(made.model)):
        fill(tensor, 100 + index, 0.02 if index % 2 else 1.0 / tensor.shape[1] ** 0.5)
    return made


def summary(tensors):
    """Norm of each tensor, and some of its values at even distances."""
    found = []
    for tensor in tensors:
        flat = tensor.detach().double().flatten()
        stride = max(1, flat.numel() // SAMPLES)
        found.append({"norm": flat.norm().item(), "values": flat[::stride][:SAMPLES].tolist()})
    return found


def short(value):
    """The same with few digits: a float has seven."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: short(inner) for key, inner in value.items()}
    return [short(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def vectors(name, make, vocabulary):
    pairs = pairs_for(vocabulary)
    common = dict(
        beta=BETA,
        max_length=None,
        per_device_train_batch_size=BATCH,
        precompute_ref_log_probs=True,
        gradient_checkpointing=False,
    )
    losses, logps = [], None
    for loss in LOSSES:
        with tempfile.TemporaryDirectory() as out:
            made = trainer(
                make().float(), pairs, out, RANK, ALPHA, loss_type=loss["trl"], loss_weights=loss["weights"],
                label_smoothing=loss["label_smoothing"], num_train_epochs=1, **common,
            )
            model = stirred(made).model
            batches = list(made.get_train_dataloader())
            model.train()
            value = made._compute_loss(model, batches[0], False)
            value.backward()
            grads = summary(tensor.grad for tensor in adapter_tensors(model))
            losses.append({**{k: v for k, v in loss.items() if k not in ("trl", "weights")}, "loss": value.item(), "gradients": grads})
            if logps is None:
                reference = [[], []]
                policy = [[], []]
                with torch.no_grad():
                    for batch in batches:
                        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
                        reference[0] += batch["ref_chosen_logps"].tolist()
                        reference[1] += batch["ref_rejected_logps"].tolist()
                        output = model(
                            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                            labels=labels, fused_lm_head=True, use_cache=False,
                        )
                        wide = batch["completion_mask"].shape[1] - 1
                        sums = output.log_probs[:, -wide:].sum(dim=1).chunk(2, dim=0)
                        policy[0] += sums[0].tolist()
                        policy[1] += sums[1].tolist()
                logps = {"reference": list(zip(*reference)), "policy": list(zip(*policy))}
    with tempfile.TemporaryDirectory() as out:
        made = trainer(
            make().float(), pairs, out, RANK, ALPHA, loss_type=["sigmoid"], num_train_epochs=STEPS * BATCH / len(pairs), max_steps=STEPS,
            learning_rate=RATE, lr_scheduler_type="cosine", warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, **common,
        )
        stirred(made).train()
        history = [entry for entry in made.state.log_history if "grad_norm" in entry]
        steps = [
            {"loss": loss, "grad_norm": entry["grad_norm"], "learning_rate": entry["learning_rate"]}
            for loss, entry in zip(made.losses, history, strict=True)
        ]
        after = summary(adapter_tensors(made.model))
    return {
        "model": name,
        "versions": {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__},
        "rank": RANK, "alpha": ALPHA, "beta": BETA, "batch": BATCH, "rate": RATE,
        "pairs": pairs, "log_probs": logps, "losses": losses, "steps": steps, "after": after,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder that `lode model export-hf` wrote")
    parser.add_argument("--out", required=True, help="folder for the vectors")
    args = parser.parse_args()
    threads(2)
    real = lambda: AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    for name, make, vocabulary in [("small", small_llama, 96), ("smollm2", real, 49152)]:
        path = os.path.join(args.out, f"trl-{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(short(vectors(name, make, vocabulary)), file, separators=(",", ":"))
            file.write("\n")
        print(path)


if __name__ == "__main__":
    main()
