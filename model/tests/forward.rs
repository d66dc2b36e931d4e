//! The forward: two sets of kernels against each other, packing, decoding.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Var};
use lode_model::kernels::{Impl, Kernels};
use lode_model::{Llama, LoraSet, LoraSpec, Packed, Session};
use rand::{Rng, SeedableRng};
use support::{flat, max_difference, tiny_config, tiny_llama, tokens};

fn lora(dtype: DType, seed: u64) -> LoraSet {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let set =
        LoraSet::init(&tiny_config(), &LoraSpec { rank: 3, ..LoraSpec::default() }, dtype, || {
            rng.random()
        })
        .unwrap();
    for (_, pair) in set.pairs() {
        // B is zero at the start; give it values, or half of the gradients would be zero.
        let b = pair.b.as_tensor();
        pair.b.set(&(b.rand_like(-0.1, 0.1).unwrap())).unwrap();
    }
    set
}

fn loss(llama: &Llama, lora: &LoraSet) -> candle_core::Tensor {
    let (prompt, a, b) = (tokens(11, 1), tokens(5, 2), tokens(3, 3));
    let packed = Packed::shared_prompt(&prompt, &[&a, &b]).unwrap();
    let hidden = llama.hidden(&packed, Some(lora)).unwrap();
    let first = llama.target_log_probs(&hidden, &packed.predicting_rows(0), &a).unwrap();
    let second = llama.target_log_probs(&hidden, &packed.predicting_rows(1), &b).unwrap();
    (first.sum_all().unwrap() - second.sqr().unwrap().sum_all().unwrap()).unwrap()
}

#[test]
fn own_kernels_give_the_values_and_gradients_of_composed_candle_operations() {
    let mut llama = tiny_llama(DType::F64, 7);
    // Norm weights as variables too: their gradient has its own kernel.
    for layer in &mut llama.weights.layers {
        for w in [&mut layer.input_norm, &mut layer.post_norm] {
            *w = Var::from_tensor(w).unwrap().as_tensor().clone();
        }
    }
    let lora = lora(DType::F64, 3);
    llama.kernels = Kernels::GRAPH;
    let reference = loss(&llama, &lora);
    let reference_grads = reference.backward().unwrap();
    llama.kernels = Kernels::OWN;
    let own = loss(&llama, &lora);
    let grads = own.backward().unwrap();
    assert!((flat(&reference)[0] - flat(&own)[0]).abs() < 1e-9);
    let compare = |name: &str, t: &candle_core::Tensor| {
        let (want, got) = (flat(reference_grads.get(t).unwrap()), flat(grads.get(t).unwrap()));
        assert!(want.iter().any(|v| v.abs() > 1e-6), "{name}: the gradient is all zero");
        assert!(max_difference(&want, &got) < 1e-8, "{name}: {}", max_difference(&want, &got));
    };
    for (name, var) in lora.named_vars() {
        compare(&name, var.as_tensor());
    }
    for (i, layer) in llama.weights.layers.iter().enumerate() {
        compare(&format!("input norm {i}"), &layer.input_norm);
        compare(&format!("post norm {i}"), &layer.post_norm);
    }
}

#[test]
fn candles_fused_kernels_compute_the_same_values() {
    let mut llama = tiny_llama(DType::F64, 7);
    let lora = lora(DType::F64, 3);
    llama.kernels = Kernels::GRAPH;
    let want = flat(&loss(&llama, &lora))[0];
    let fused = Impl::CandleFused;
    for kernels in [
        Kernels { rms_norm: fused, ..Kernels::GRAPH },
        Kernels { rope: fused, ..Kernels::GRAPH },
        Kernels { softmax: fused, ..Kernels::GRAPH },
    ] {
        llama.kernels = kernels;
        let got = flat(&loss(&llama, &lora))[0];
        assert!((want - got).abs() < 1e-3, "{kernels:?}: {want} and {got}");
    }
}

#[test]
fn packing_changes_nothing() {
    let llama = tiny_llama(DType::F64, 9);
    // Longer than one attention tile, so that tiles of prefix and segment meet.
    let (prompt, a, b) = (tokens(150, 1), tokens(140, 2), tokens(3, 3));
    let packed = Packed::shared_prompt(&prompt, &[&a, &b]).unwrap();
    let hidden = llama.hidden(&packed, None).unwrap();
    for (i, completion) in [&a, &b].into_iter().enumerate() {
        let got = llama.target_log_probs(&hidden, &packed.predicting_rows(i), completion).unwrap();
        let whole: Vec<u32> = prompt.iter().chain(completion).copied().collect();
        let alone = llama.hidden(&Packed::single(&whole).unwrap(), None).unwrap();
        let rows: Vec<u32> = (prompt.len() - 1..whole.len() - 1).map(|r| r as u32).collect();
        let want = llama.target_log_probs(&alone, &rows, completion).unwrap();
        assert!(max_difference(&flat(&want), &flat(&got)) < 1e-10);
    }
}

/// Feeds `sequences` to a batch; returns the logits of every step of every row.
fn decode_all(session: &Session, prompt: &[u32], sequences: &[Vec<u32>]) -> Vec<Vec<Vec<f32>>> {
    let read = session.prefill(prompt).unwrap();
    let longest = sequences.iter().map(Vec::len).max().unwrap();
    let mut batch = session.fork(&read.prefix, sequences.len(), longest).unwrap();
    let mut out = vec![Vec::new(); sequences.len()];
    for step in 0..longest {
        for index in (0..batch.len()).rev() {
            if sequences[batch.ids()[index]].len() <= step {
                batch.drop_row(index);
            }
        }
        let ids = batch.ids();
        let feed: Vec<u32> = ids.iter().map(|id| sequences[*id][step]).collect();
        let result = session.decode(&mut batch, &feed).unwrap();
        for (i, id) in ids.iter().enumerate() {
            out[*id].push(result.logits(i).to_vec());
        }
    }
    out
}

#[test]
fn decoding_gives_the_logits_of_the_forward() {
    let llama = tiny_llama(DType::F32, 5);
    let session = Session::from_llama(llama.clone()).unwrap();
    let prompt = tokens(37, 1);
    let sequences: Vec<Vec<u32>> = (0..5).map(|i| tokens(4 + 3 * i, 10 + i as u64)).collect();
    let decoded = decode_all(&session, &prompt, &sequences);
    let mut graph = llama;
    graph.kernels = Kernels::GRAPH;
    for (sequence, steps) in sequences.iter().zip(&decoded) {
        let whole: Vec<u32> = prompt.iter().chain(sequence).copied().collect();
        let hidden = graph.hidden(&Packed::single(&whole).unwrap(), None).unwrap();
        let logits: Vec<Vec<f32>> = graph.logits(&hidden).unwrap().to_vec2().unwrap();
        for (i, step) in steps.iter().enumerate() {
            for (a, b) in step.iter().zip(&logits[prompt.len() + i]) {
                assert!((a - b).abs() < 1e-4, "{a} and {b}");
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    let session = Session::from_llama(tiny_llama(DType::F32, 6)).unwrap();
    let prompt = tokens(9, 1);
    let sequences: Vec<Vec<u32>> = (0..11).map(|i| tokens(3 + i, 20 + i as u64)).collect();
    let together = decode_all(&session, &prompt, &sequences);
    for (sequence, steps) in sequences.iter().zip(&together) {
        let alone = decode_all(&session, &prompt, std::slice::from_ref(sequence));
        let bits = |s: &[Vec<f32>]| s.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&alone[0]), bits(steps));
    }
}

#[test]
fn a_row_does_not_depend_on_the_number_of_threads() {
    let session = Session::from_llama(tiny_llama(DType::F32, 6)).unwrap();
    let sequences: Vec<Vec<u32>> = (0..3).map(|i| tokens(9, 20 + i as u64)).collect();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let logits = pool.install(|| decode_all(&session, &tokens(9, 1), &sequences));
        logits.iter().flatten().flatten().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let alone = with(1);
    assert!([2, 3, 8].into_iter().all(|threads| with(threads) == alone));
}

#[test]
fn merged_adapter_decodes_like_the_adapter_beside_the_weights() {
    let llama = tiny_llama(DType::F32, 8);
    let lora = lora(DType::F32, 4);
    let session = Session::from_llama(llama.merge_lora(&lora).unwrap()).unwrap();
    let (prompt, completion) = (tokens(12, 1), tokens(6, 2));
    let packed = Packed::shared_prompt(&prompt, &[&completion]).unwrap();
    let hidden = llama.hidden(&packed, Some(&lora)).unwrap();
    let want = llama.target_log_probs(&hidden, &packed.predicting_rows(0), &completion).unwrap();
    let got: Vec<f64> =
        session.score(&prompt, &completion).unwrap().into_iter().map(f64::from).collect();
    assert!(max_difference(&flat(&want), &got) < 1e-4);
    let plain: Vec<f64> =
        llama.score(&prompt, &completion).unwrap().into_iter().map(f64::from).collect();
    assert!(max_difference(&plain, &got) > 1e-3, "the adapter changed nothing");
}

#[test]
fn bad_calls_are_refused() {
    let session = Session::from_llama(tiny_llama(DType::F32, 6)).unwrap();
    assert!(session.prefill(&[]).is_err());
    assert!(session.prefill(&[300]).is_err());
    assert!(session.prefill(&tokens(513, 1)).is_err());
    let read = session.prefill(&tokens(10, 1)).unwrap();
    assert!(session.fork(&read.prefix, 0, 4).is_err());
    assert!(session.fork(&read.prefix, 1, 503).is_err());
    assert!(session.fork(&read.prefix, 1, usize::MAX).is_err());
    let mut batch = session.fork(&read.prefix, 2, 1).unwrap();
    assert!(session.decode(&mut batch, &[1]).is_err());
    assert!(session.decode(&mut batch, &[1, 900]).is_err());
    assert!(session.decode(&mut batch, &[1, 2]).is_ok());
    assert!(session.decode(&mut batch, &[1, 2]).is_err(), "the rows are full");
    assert!(session.score(&[1], &[]).is_err());
}
