"""Writes the golden scores that `tests/alignment.rs` holds `lode eval alignment` to.

    lode model export-hf smollm2-135m --out BASE
    venv/bin/python tests/python/alignment_golden.py --base BASE --data p-soups-friendly_unfriendly.json --out tests/golden

A straight port of AlignX's definition to transformers and peft: prompt and answers encoded apart and without special
tokens, at most 7,679 tokens of each from the right end, BOS + prompt + answer + EOS, the sum of the answer's
log-probabilities. The policy is the base with the adapter that a formula gives; the reference is the base, told of
the person's behaviour whatever the policy is told.
"""

import argparse
import json
import os

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from trl_golden import ALPHA, RANK, adapter_tensors, fill, short
from trl_pairs import TARGETS, threads

ROWS = 100
MOST = 8192 - 512 - 1
HEAD = "<|start_header_id|>{}<|end_header_id|>"


def frame(sentence, row, section, person):
    return (
        HEAD.format("system") + f"\n\n{sentence}\n<|eot_id|>" + HEAD.format("user")
        + f"\n\n***Task***\n\n**Post:**\n{row['prompt']}\n\n***{section}***\n\n{person}\n\n***Response:***\n\n<|eot_id|>"
        + HEAD.format("assistant")
    )


def behaviour(row):
    person = ""
    for place, item in enumerate(row.get("User-Generated Content", []), 1):
        person += "**This person has commented on some posts:**\n\n" if place == 1 else ""
        person += f"{place}. *Post:*\n{item['prompt']}\n\n*Comment:*\n{item['comment']}\n\n"
    for place, item in enumerate(row.get("Pair-wise Comparative Feedback", []), 1):
        person += "**This person has chosen or rejected comments on some posts:**\n\n" if place == 1 else ""
        person += f"{place}. *Post:*\n{item['prompt']}\n\n*Chosen:*\n{item['chosen']}\n\n*Rejected:*\n{item['rejected']}\n\n"
    person += row.get("Demographic Information", "")
    sentence = "Generate a task-specific response based on user historical behavior and preferences."
    return frame(sentence, row, "Historical Behavior and User Preferences", person)


def profile(row):
    return frame("Generate a task-specific response based on user preferences.", row, "User Preferences", row["profile"])


def score(model, tokenizer, prompt, answer):
    cut = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"][-MOST:]
    prompt = [tokenizer.bos_token_id] + cut(prompt)
    answer = cut(answer) + [tokenizer.eos_token_id]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + answer]), logits_to_keep=len(answer) + 1).logits[0, :-1]
    chosen = torch.log_softmax(logits.double(), dim=-1).gather(1, torch.tensor(answer)[:, None])
    return chosen.sum().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder that `lode model export-hf` wrote")
    parser.add_argument("--data", required=True, help="rows in AlignX's evaluation schema")
    parser.add_argument("--out", required=True, help="folder for the scores")
    args = parser.parse_args()
    threads(2)
    with open(args.data, encoding="utf-8") as file:
        rows = json.load(file)[:ROWS]
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, task_type="CAUSAL_LM")
    model = get_peft_model(base, config).eval()
    for index, tensor in enumerate(adapter_tensors(model)):
        fill(tensor, 100 + index, 0.02 if index % 2 else 1.0 / tensor.shape[1] ** 0.5)
    found = {"ica": [], "pba": []}
    for row in rows:
        with model.disable_adapter():
            reference = [score(model, tokenizer, behaviour(row), row[side]) for side in ("chosen", "rejected")]
        for method, prompt in [("ica", behaviour(row)), ("pba", profile(row))]:
            policy = [score(model, tokenizer, prompt, row[side]) for side in ("chosen", "rejected")]
            right = 0.1 * (policy[0] - reference[0]) > 0.1 * (policy[1] - reference[1])
            found[method].append({"policy": policy, "reference": reference, "right": right})
    path = os.path.join(args.out, "alignment.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(short(found), file, separators=(",", ":"))
        file.write("\n")
    for method, scores in found.items():
        print(method, sum(score["right"] for score in scores), "of", len(scores))


if __name__ == "__main__":
    main()
