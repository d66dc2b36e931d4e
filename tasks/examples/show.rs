//! Prints one task with its key: `show PROFILE SEED [DOMAIN]`.
use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{ENGINE_VERSION, family::Library, longdoc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().unwrap_or_else(|| "nano".into()).parse()?;
    let seed: u64 = arguments.next().unwrap_or_else(|| "0".into()).parse()?;
    let domain: String = arguments.next().unwrap_or_else(|| "companies".into());
    let library = Library::builtin()?;
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(&domain)?,
        profile,
        inputs: Vec::new(),
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let (task, key, tries) = longdoc::generate_counted(&template.spec(bytes), &library)?;
    println!("{}", task.prompt());
    println!(
        "---- witness ({tries} tries, {} bytes of prompt)\n{}",
        task.prompt().len(),
        key.witness
    );
    for trapped in &key.trapped {
        println!("---- trapped by {}\n{}", trapped.trap, trapped.text);
    }
    for trap in &key.traps {
        println!("{trap:?}");
    }
    for (gold, constraint) in
        key.gold.iter().map(Some).chain(std::iter::repeat(None)).zip(&key.constraints)
    {
        println!("{gold:?}\n{constraint:?}");
    }
    println!("guess floor {} ppb", key.guess_floor_ppb);
    Ok(())
}
