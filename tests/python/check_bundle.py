"""Reads a bundle with `datasets` and takes DPO steps on it with TRL, unchanged and offline.

    python tests/python/check_bundle.py BUNDLE_DIR

Needs datasets, trl and torch from PyPI (tests/python/requirements.txt). Model and tokenizer are
made here: a two-layer llama with random weights and a tokenizer with one token a byte, so that
nothing is downloaded and every text round-trips. Exits 1 with the reason where anything is off.
"""

import copy
import os
import sys
import tempfile

for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch
from datasets import Value, get_dataset_config_names, load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

EXPECTED = ["prompt", "chosen", "rejected"]
STEPS = 2


def byte_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<eos>": 1}
    for letter in alphabet:
        vocabulary[letter] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>"
    )


def check(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def check_promises(folder, configs):
    """What the card promises of every pair, in every config that holds pairs of one group."""
    for config in {"pairs", "trap"} & set(configs):
        used = set()
        rows = [row for split in load_dataset(folder, config).values() for row in split]
        for row in rows:
            name, kind = row["pair_id"], row["pair_annotations"]["pair_type"]
            chosen, rejected = row["chosen_metadata"], row["rejected_metadata"]
            if kind == "group":
                check(chosen["pass"] and not rejected["pass"], f"{name}: not a pass and a failure")
            else:
                check("caught" in rejected["trap_outcomes"], f"{name}: nobody was caught")
            readable = rejected["failure_class"] not in ("cap", "format")
            check(readable, f"{name}: the rejected side cannot be read")
            for side in (chosen, rejected):
                once = (kind, side["record_id"])
                check(once not in used, f"{name}: an attempt twice in pairs of kind {kind}")
                used.add(once)
            said = {(v["chosen_verdict"], v["rejected_verdict"]) for v in row["verdicts"]}
            check(len(said) == 1, f"{name}: verdicts differ")
            signers = {v["verifier"] for v in row["verdicts"]}
            check(len(signers) >= 2, f"{name}: fewer than two verifiers")
        tasks = {row["challenge_id"] for row in rows}
        print(f"config {config}: {len(rows)} pairs over {len(tasks)} tasks hold what is promised")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    configs = get_dataset_config_names(folder)
    check("pairs" in configs and "attempts" in configs, f"configs are {configs}")
    check(load_dataset(folder) is not None, "the default config does not load")
    pairs = load_dataset(folder, "pairs")
    check("train" in pairs and len(pairs["train"]) > 0, f"splits are {pairs}")
    train = pairs["train"]
    for column in EXPECTED:
        kind = train.features[column]
        check(kind == Value("string"), f"column {column} is {kind}, not a string")
    for config in configs:
        splits = load_dataset(folder, config)
        rows = {split: len(splits[split]) for split in splits}
        print(f"config {config}: {rows}")
    check_promises(folder, configs)
    row = train[0]
    check(row["chosen"] == row["chosen_text"], "chosen and chosen_text differ")
    check(row["chosen"] != row["rejected"], "a pair with two equal sides")
    side = row["chosen_metadata"]
    check(side["artifact"] and side["artifact"] in row["chosen"], "the artifact is not in the text")

    tokenizer = byte_tokenizer()
    text = row["prompt"] + row["chosen"]
    check(tokenizer.decode(tokenizer(text)["input_ids"]) == text, "the text does not round-trip")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with tempfile.TemporaryDirectory() as out:
        trainer = DPOTrainer(
            model=model,
            # A model made in memory has no path that TRL could load the reference from.
            ref_model=copy.deepcopy(model),
            args=DPOConfig(
                output_dir=out,
                max_steps=STEPS,
                per_device_train_batch_size=2,
                learning_rate=1e-3,
                max_length=8192,
                logging_steps=1,
                report_to=[],
                save_strategy="no",
                use_cpu=True,
                bf16=False,
            ),
            train_dataset=train,
            processing_class=tokenizer,
        )
        trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    check(len(logs) == STEPS, f"{len(logs)} steps were logged")
    first = logs[0]["loss"]
    # Policy and reference are one model at the first step: -log sigmoid(0) = ln 2.
    check(abs(first - 0.6931) < 0.01, f"the first loss is {first}, not ln 2")
    moved = any(
        not torch.equal(old, new) for old, new in zip(before, trainer.model.parameters())
    )
    check(moved, "no parameter moved")
    print(f"ok: {len(train)} training pairs, {STEPS} DPO steps, losses {[e['loss'] for e in logs]}")


if __name__ == "__main__":
    main()
