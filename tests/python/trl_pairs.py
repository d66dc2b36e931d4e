"""TRL over pairs that are tokens already: what the golden vectors, the benchmark and `--engine trl` share.

A pair is {"prompt_ids": [...], "chosen_ids": [...], "rejected_ids": [...]}, the end token included.
"""

import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class OnTokens(DPOTrainer):
    """A DPO trainer that takes the pairs as they are, in their order, and notes every loss and the time of the reference."""

    def __init__(self, *args, **kwargs):
        self.losses, self.reference_s = [], 0.0
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset

    def _precompute_ref_logps(self, *args, **kwargs):
        began = time.perf_counter()
        found = super()._precompute_ref_logps(*args, **kwargs)
        self.reference_s += time.perf_counter() - began
        return found

    def compute_loss(self, *args, **kwargs):
        found = super().compute_loss(*args, **kwargs)
        loss = found[0] if isinstance(found, tuple) else found
        self.losses.append(loss.detach().item())
        return found


def trainer(model, pairs, out, rank, alpha, targets=TARGETS, **settings):
    """A trainer of a fresh adapter on a model, which is the reference. `settings` are those of DPOConfig."""
    adapter = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(targets), task_type="CAUSAL_LM"
    )
    vocabulary = {f"t{i}": i for i in range(model.config.vocab_size)}
    tokens = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token="t0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="t0", pad_token="t0")
    config = DPOConfig(
        output_dir=out,
        use_cpu=True,
        bf16=False,
        fp16=False,
        report_to=[],
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        dataloader_drop_last=False,
        optim="adamw_torch",
        **settings,
    )
    return OnTokens(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(pairs),
        processing_class=tokenizer,
        peft_config=adapter,
    )


def threads(count):
    torch.set_num_threads(count)
