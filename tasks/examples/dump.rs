//! Tasks as JSON lines for other tools: `dump PROFILE FIRST COUNT [DOMAIN]`.
use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{ENGINE_VERSION, family::Library, longdoc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().unwrap_or_else(|| "nano".into()).parse()?;
    let first: u64 = arguments.next().unwrap_or_else(|| "0".into()).parse()?;
    let count: u64 = arguments.next().unwrap_or_else(|| "10".into()).parse()?;
    let domain = arguments.next().unwrap_or_else(|| "companies".into());
    let library = Library::builtin()?;
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(&domain)?,
        profile,
        inputs: Vec::new(),
    };
    for seed in first..first + count {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let (task, key) = longdoc::generate(&template.spec(bytes), &library)?;
        let line = serde_json::json!({
            "seed": seed,
            "prompt": task.prompt(),
            "witness": key.witness,
            "trapped": key.trapped.iter().map(|t| &t.text).collect::<Vec<_>>(),
        });
        println!("{line}");
    }
    Ok(())
}
