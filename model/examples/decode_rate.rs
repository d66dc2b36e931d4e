//! Speed of reading a prompt and of decoding eight continuations.
//! Usage: `bench MODEL [PROMPT_TOKENS] [ROWS] [NEW_TOKENS]`.
use std::time::Instant;

use lode_model::{Message, Model, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |i: usize, default: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (prompt_len, rows, new) = (number(2, 256), number(3, 8), number(4, 64));
    let t = Instant::now();
    let model = Model::load(args.get(1).ok_or("usage: bench MODEL")?.as_ref())?;
    println!("load {:.2} s", t.elapsed().as_secs_f64());
    let session = Session::new(&model, None)?;
    let text =
        "Volt Link is based in Lisbon and employs 4,210 people. ".repeat(1 + prompt_len / 10);
    let mut prompt = model.tokenizer.encode_prompt(&text)?;
    prompt.truncate(prompt_len);
    session.prefill(&prompt[..8])?;
    let (t, c) = (Instant::now(), cpu());
    let read = session.prefill(&prompt)?;
    let s = t.elapsed().as_secs_f64();
    println!("processor time {:.2} s", cpu() - c);
    println!("prefill {} tokens: {s:.3} s, {:.0} tokens/s", prompt.len(), prompt.len() as f64 / s);
    for rows in [1, rows] {
        let mut batch = session.fork(&read.prefix, rows, new)?;
        let mut tokens = vec![10u32; rows];
        let (t, c) = (Instant::now(), cpu());
        let mut fastest = f64::INFINITY;
        for i in 0..new {
            let t = Instant::now();
            let step = session.decode(&mut batch, &tokens)?;
            fastest = fastest.min(t.elapsed().as_secs_f64());
            for (r, token) in tokens.iter_mut().enumerate() {
                *token = argmax(step.logits(r)).wrapping_add((r + i) as u32) % 40_000;
            }
        }
        let s = t.elapsed().as_secs_f64();
        println!("processor time {:.1} ms a step", (cpu() - c) * 1e3 / new as f64);
        println!(
            "decode {rows} rows x {new}: {:.1} ms a step (fastest {:.2}), {:.0} tokens/s",
            s * 1e3 / new as f64,
            fastest * 1e3,
            (rows * new) as f64 / s
        );
    }
    let chat = model
        .tokenizer
        .render_chat(&[Message::new("user", "What is the capital of France?")], true)?;
    let ids = model.tokenizer.encode_prompt(&chat)?;
    let read = session.prefill(&ids)?;
    let mut batch = session.fork(&read.prefix, 1, 40)?;
    let mut out = vec![argmax(&read.logits)];
    while out.len() < 40 && !model.tokenizer.is_end(out[out.len() - 1]) {
        let step = session.decode(&mut batch, &out[out.len() - 1..])?;
        out.push(argmax(step.logits(0)));
    }
    println!("{}", model.tokenizer.decode(&out)?);
    Ok(())
}

/// Processor time of this process so far, seconds; 0 where the system does not say.
fn cpu() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.split_whitespace().skip(13).take(2).filter_map(|f| f.parse().ok()).collect();
    fields.iter().sum::<f64>() / TICKS_PER_SECOND
}

fn argmax(v: &[f32]) -> u32 {
    v.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i as u32)
}
