"""TRL's side of one measurement of `lode bench train`: the folder's job, from the folder's start of the adapter."""

import json
import os
import resource
import sys
import tempfile
import time

import torch
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
import trl
from trl_pairs import threads, trainer


def main(folder):
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, "base"), dtype=torch.float32)
    with tempfile.TemporaryDirectory() as out:
        made = trainer(
            model,
            job["pairs"],
            out,
            job["rank"],
            job["alpha"],
            beta=job["beta"],
            learning_rate=job["rate"],
            lr_scheduler_type="linear",
            warmup_steps=0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            max_length=None,
            max_steps=job["steps"],
            per_device_train_batch_size=job["peer_batch"],
            gradient_accumulation_steps=job["batch"] // job["peer_batch"],
            precompute_ref_log_probs=True,
            precompute_ref_batch_size=job["peer_batch"],
            gradient_checkpointing=True,
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
        set_peft_model_state_dict(made.model, load_file(os.path.join(folder, "start", "adapter_model.safetensors")))
        began = time.perf_counter()
        made.train()
        train_s = time.perf_counter() - began
    parts = job["batch"] // job["peer_batch"]
    losses = [sum(made.losses[at : at + parts]) / parts for at in range(0, len(made.losses), parts)]
    found = {
        "about": f"TRL {trl.__version__}, PyTorch {torch.__version__}",
        "reference_s": made.reference_s,
        "train_s": train_s,
        "losses": losses,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    with open(os.path.join(folder, "theirs.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)


main(sys.argv[1])
