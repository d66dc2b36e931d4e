"""Compares our logits with those of transformers and peft on the same files.

    lode model export-hf smollm2-135m --out BASE
    lode model merge --adapter ADAPTER --out MERGED
    python tests/python/check_adapter.py --base BASE --adapter ADAPTER --merged MERGED

ADAPTER is a folder that training wrote. Its probe.json holds some texts with their token ids and
our own logits at the last position, with and without the adapter, for a sample of the vocabulary.
Checks, for each of them:
  * the exported tokenizer gives the same token ids;
  * the exported base gives the same logits as our forward;
  * peft loads the adapter on the base, without a missing or left-over tensor, and gives the same
    logits as our forward with the adapter;
  * the merged model gives those logits, too.
The adapter must also change something, or the comparison would prove nothing.
Exits with 1 and says what differs.
"""

import argparse
import json
import os
import sys
import warnings

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

TOLERANCE = 1e-3
# Below this, the adapter changes so little that equality with the base would pass as well.
LEAST_EFFECT = 10 * TOLERANCE


def last_logits(model, ids, sample):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, -1, sample].double()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder that the export wrote")
    parser.add_argument("--adapter", required=True, help="folder that training wrote")
    parser.add_argument("--merged", help="folder that merging wrote")
    args = parser.parse_args()

    with open(os.path.join(args.adapter, "probe.json"), encoding="utf-8") as file:
        probe = json.load(file)
    cases, sample = probe["cases"], torch.tensor(probe["vocabulary"])
    if not cases:
        sys.exit("probe.json holds no case")

    tokenizer = AutoTokenizer.from_pretrained(args.base)
    base = AutoModelForCausalLM.from_pretrained(args.base, torch_dtype=torch.float32).eval()
    faults, worst, effect = [], 0.0, 0.0

    def compare(what, case, ours, theirs):
        nonlocal worst
        difference = (torch.tensor(ours, dtype=torch.float64) - theirs).abs().max().item()
        worst = max(worst, difference)
        if not difference <= TOLERANCE:
            faults.append(f"{what}: logits differ by {difference:.2e} on {case['text'][:40]!r}")

    for case in cases:
        ids = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
        if ids != case["ids"]:
            faults.append(f"tokens differ on {case['text'][:40]!r}: {ids[:12]} and {case['ids'][:12]}")
        compare("base", case, case["base"], last_logits(base, case["ids"], sample))

    with warnings.catch_warnings():
        # peft only warns about adapter tensors that found no place; here that is a fault.
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        model = PeftModel.from_pretrained(base, args.adapter).eval()
    for case in cases:
        theirs = last_logits(model, case["ids"], sample)
        compare("adapter", case, case["adapter"], theirs)
        effect = max(effect, (theirs - torch.tensor(case["base"], dtype=torch.float64)).abs().max().item())

    if args.merged:
        merged = AutoModelForCausalLM.from_pretrained(args.merged, torch_dtype=torch.float32).eval()
        for case in cases:
            compare("merged", case, case["adapter"], last_logits(merged, case["ids"], sample))

    if effect < LEAST_EFFECT:
        faults.append(f"the adapter changes logits by {effect:.2e} at most; train it longer, this proves nothing")
    for fault in faults:
        print(fault)
    print(f"{len(cases)} prompts, largest difference {worst:.2e} (limit {TOLERANCE}), adapter's effect {effect:.2e}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
