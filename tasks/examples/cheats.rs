//! How often cheating readers survive: `cheats PROFILE COUNT [DOMAIN]`.
use lode_proto::task::{Profile, TaskTemplate};
use lode_tasks::{
    ENGINE_VERSION,
    family::Library,
    longdoc::{
        self,
        cheat::{Cheats, Shortcut},
    },
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().unwrap_or_else(|| "standard".into()).parse()?;
    let count: u64 = arguments.next().unwrap_or_else(|| "500".into()).parse()?;
    let domain = arguments.next().unwrap_or_else(|| "companies".into());
    let library = Library::builtin()?;
    let template = TaskTemplate {
        family: longdoc::NAME.into(),
        engine_version: ENGINE_VERSION,
        domain: library.named(&domain)?,
        profile,
        inputs: Vec::new(),
    };
    let mut totals = [[0_usize; 4]; 6];
    for seed in 0..count {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let Ok((task, key)) = longdoc::generate(&template.spec(bytes), &library) else { continue };
        let cheats = Cheats::new(&task, &key);
        for (at, shortcut) in Shortcut::ALL.into_iter().enumerate() {
            let survival = cheats.survival(shortcut)?;
            totals[at][0] += survival.disputes;
            totals[at][1] += survival.survived;
            totals[at][2] += 1;
            totals[at][3] += usize::from(cheats.answers_twin(shortcut)?);
        }
    }
    for (shortcut, [disputes, survived, twins, right]) in Shortcut::ALL.iter().zip(totals) {
        println!(
            "{shortcut:?}: survives {survived} of {disputes} ({} per mille); twins {right} of {twins}",
            survived * 1000 / disputes.max(1)
        );
    }
    Ok(())
}
