"""llama.cpp by its Python package, measured for `lode bench engine`.

Reads one JSON object on standard input, writes one on standard output. A single stream is timed by
`generate`; the group's calls are `create_completion`, one after the other, as a user would call it,
once with what is kept of earlier prompts thrown away before each call and once with it.
"""

import json
import sys
import time

import llama_cpp

job = json.load(sys.stdin)
llm = llama_cpp.Llama(
    model_path=job["model"],
    n_ctx=job["context"],
    n_threads=job["threads"],
    n_threads_batch=job["threads"],
    verbose=False,
)
now = time.perf_counter


def stream(text, tokens):
    prompt = llm.tokenize(text.encode(), add_bos=False, special=False)
    llm.reset()
    start, first, count = now(), None, 0
    for token in llm.generate(prompt, temp=0.7):
        count += 1
        if first is None:
            first = now() - start
        if count == tokens or token == llm.token_eos():
            break
    return {
        "prompt_tokens": len(prompt),
        "first_s": first,
        "total_s": now() - start,
        "generated": count,
        "attempts": 1,
    }


def calls(text, tokens, attempts, keep):
    llm.reset()
    start, generated, prompt_tokens = now(), 0, 0
    for seed in range(attempts):
        if not keep:
            llm.reset()
        done = llm.create_completion(text, max_tokens=tokens, temperature=0.7, seed=seed)
        generated += done["usage"]["completion_tokens"]
        prompt_tokens = done["usage"]["prompt_tokens"]
    total = now() - start
    return {
        "prompt_tokens": prompt_tokens,
        "first_s": 0.0,
        "total_s": total,
        "generated": generated,
        "attempts": attempts,
    }


stream("Volt Link", 4)
json.dump(
    {
        "version": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode(errors="replace"),
        "single": stream(job["prompt"], job["tokens"]),
        "cold": calls(job["document"], job["tokens"], job["group"], keep=False),
        "warm": calls(job["document"], job["tokens"], job["group"], keep=True),
    },
    sys.stdout,
)
