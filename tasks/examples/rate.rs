//! Tasks a second: `rate PROFILE COUNT [DOMAIN]`.
use std::{collections::BTreeMap, time::Instant};

use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{ENGINE_VERSION, family::Library, longdoc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().unwrap_or_else(|| "nano".into()).parse()?;
    let count: u64 = arguments.next().unwrap_or_else(|| "1000".into()).parse()?;
    let domain: String = arguments.next().unwrap_or_else(|| "companies".into());
    let library = Library::builtin()?;
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(&domain)?,
        profile,
        inputs: Vec::new(),
    };
    let start = Instant::now();
    let (mut tries, mut worst, mut exhausted) = (0_u64, 0, 0);
    let (mut prompt, mut document, mut longest, mut floor) = (0_usize, 0_usize, 0_usize, 0);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..count {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        match longdoc::generate_counted(&template.spec(bytes), &library) {
            Ok((task, key, tried)) => {
                tries += u64::from(tried);
                worst = worst.max(tried);
                let text = task.prompt().len();
                prompt += text;
                longest = longest.max(text);
                document += task.paragraphs.iter().map(|p| p.len() + 17).sum::<usize>();
                floor = floor.max(key.guess_floor_ppb);
                for trap in &key.traps {
                    *kinds.entry(format!("{:?} {:?}", trap.role, trap.kind)).or_default() += 1;
                }
            }
            Err(error) => {
                exhausted += 1;
                eprintln!("seed {seed}: {error}");
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let made = count - exhausted;
    println!(
        "{profile}: {made} tasks in {seconds:.2} s, {:.0} a second; {:.2} tries each, {worst} at most; \
         {exhausted} exhausted; prompt {} bytes on average, {longest} at most; document {}; \
         guess floor at most {floor} ppb",
        made as f64 / seconds,
        tries as f64 / made as f64,
        prompt as u64 / made.max(1),
        document as u64 / made.max(1),
    );
    println!("{kinds:?}");
    Ok(())
}
