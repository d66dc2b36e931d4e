//! Attempts graded a second on one core: `grade_rate [PROFILE] [SECONDS]`.
//!
//! Groups of eight attempts at one task, as a verifier gets them: the grader is built once a group,
//! then reads the witness, the trapped witness and six damaged ones. Tasks are made beforehand.

use std::time::{Duration, Instant};

use lode_proto::{
    attempt::Finish,
    task::{Profile, TaskTemplate},
};
use lode_tasks::{ENGINE_VERSION, family::Library, grade::Grader, longdoc};

/// Tasks that the run goes round and round over.
const TASKS: u64 = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().unwrap_or_else(|| "standard".into()).parse()?;
    let seconds: u64 = arguments.next().unwrap_or_else(|| "3".into()).parse()?;
    let library = Library::builtin()?;
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named("companies")?,
        profile,
        inputs: Vec::new(),
    };
    let mut groups = Vec::new();
    for seed in 0..TASKS {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let Ok((task, key)) = longdoc::generate(&template.spec(bytes), &library) else { continue };
        let witness = key.witness.clone();
        let mut attempts = vec![witness.clone()];
        attempts.extend(key.trapped.first().map(|trapped| trapped.text.clone()));
        attempts.push(witness.replace("[paragraph_1", "[paragraph_2"));
        attempts.push(witness.replace("Q1: ", "Q1: not "));
        attempts.push(witness.replace(" = 1", " = 2"));
        attempts.push(witness.replace("Artifact: ", "Artifact: so "));
        attempts.push(witness.replacen("e2: ", "r2: ", 1));
        attempts.push(witness[..witness.len() / 2].to_owned());
        attempts.truncate(8);
        groups.push((task, key, attempts));
    }
    let before = cpu_seconds();
    let start = Instant::now();
    let limit = Duration::from_secs(seconds);
    let (mut graded, mut passed, mut bytes, mut built) = (0_u64, 0_u64, 0_usize, Duration::ZERO);
    while start.elapsed() < limit {
        for (task, key, attempts) in &groups {
            let before = Instant::now();
            let grader = Grader::new(task, key);
            built += before.elapsed();
            for attempt in attempts {
                let verdict = grader.grade(attempt.as_bytes(), Finish::Stop);
                passed += u64::from(verdict.passes());
                graded += 1;
                bytes += attempt.len();
            }
        }
    }
    let wall = start.elapsed().as_secs_f64();
    let busy = cpu_seconds().zip(before).map(|(after, before)| after - before);
    let elapsed = busy.unwrap_or(wall);
    println!(
        "{profile}: {:.0} attempts a second on one core, {:.0} bytes each, {} of {graded} passed, \
         {:.0} % of the time spent on building graders",
        graded as f64 / elapsed,
        bytes as f64 / graded as f64,
        passed,
        100.0 * built.as_secs_f64() / wall,
    );
    if let Some(busy) = busy {
        println!("(by processor time: {busy:.2} s of {wall:.2} s)");
    }
    Ok(())
}

/// Processor time of this process, where the system tells it: a busy machine does not blur it.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanos: u64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}
