use super::*;

const WATCHED: PowerConfig = PowerConfig {
    gpus: Vec::new(),
    limit_watts: 0,
    mean_watts: 300,
    max_celsius: 80,
    nvidia_smi: PathBuf::new(),
};

fn at(watts: u64, celsius: i32) -> Vec<Reading> {
    let (draw_mw, celsius) = (Some(watts * 1000), Some(celsius));
    vec![Reading { gpu: "0".into(), draw_mw, limit_mw: None, celsius }]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn readings_are_read_and_what_is_not_told_is_none() {
    let read = parse("0, 72.35, 450.00, 41\n\n1, [N/A], [Not Supported], 90\n").expect("two");
    assert_eq!(
        read[0],
        Reading {
            gpu: "0".into(),
            draw_mw: Some(72_350),
            limit_mw: Some(450_000),
            celsius: Some(41)
        }
    );
    assert_eq!(
        read[1],
        Reading { gpu: "1".into(), draw_mw: None, limit_mw: None, celsius: Some(90) }
    );
    for broken in ["No devices were found", "0, 1, 2", "0, 1, 2, 3, 4"] {
        assert_eq!(parse(broken), Err(SmiError::Unreadable(broken.into())));
    }
    for none in ["-1", "inf", "NaN", "1e9", ""] {
        assert_eq!(milliwatts(none), None, "{none}");
    }
}

#[test]
fn heat_holds_work_off_until_it_is_well_below() {
    let mut governor = Governor::new(&WATCHED, seconds(0));
    for (second, celsius, closed) in
        [(0, 79, false), (5, 80, true), (10, 76, true), (15, 75, false), (20, 79, false)]
    {
        governor.observe(seconds(second), Some(&at(0, celsius)));
        assert_eq!(governor.closed(seconds(second)), closed.then_some(TOO_HOT), "{celsius}");
    }
}

/// A GPU that draws 450 W at work and 30 W at rest is kept at 300 W on average.
#[test]
fn the_mean_of_power_is_kept() {
    let mut governor = Governor::new(&WATCHED, seconds(0));
    let (mut energy, mut from) = (0, 0);
    for second in (0..40_000).step_by(5) {
        let work = governor.closed(seconds(second)).is_none();
        let watts = if work { 450 } else { 30 };
        governor.observe(seconds(second), Some(&at(watts, 20)));
        if second >= 10_000 {
            energy += watts * 5;
            from += 5;
        }
    }
    let mean = energy / from;
    assert!((285..=300).contains(&mean), "{mean} W");
}

#[test]
fn all_gpus_together_are_meant() {
    let mut governor = Governor::new(&WATCHED, seconds(0));
    governor.observe(seconds(0), Some(&[at(200, 1), at(200, 1)].concat()));
    assert_eq!(governor.closed(seconds(0)), Some(TOO_MUCH));
}

#[test]
fn a_limit_that_the_driver_forgets_holds_work_off() {
    let config = PowerConfig { limit_watts: 300, ..PowerConfig::default() };
    let mut governor = Governor::new(&config, seconds(0));
    let with = |limit_mw| vec![Reading { limit_mw: Some(limit_mw), ..at(1, 1)[0].clone() }];
    for (limit_mw, closed) in [(300_000, None), (450_000, Some(UNLIMITED)), (250_000, None)] {
        governor.observe(seconds(5), Some(&with(limit_mw)));
        assert_eq!(governor.closed(seconds(5)), closed);
    }
}

#[test]
fn a_gpu_that_is_not_seen_gets_no_work() {
    let mut governor = Governor::new(&WATCHED, seconds(100));
    governor.observe(seconds(160), None);
    assert_eq!(governor.closed(seconds(160)), None);
    assert_eq!(governor.closed(seconds(161)), Some(UNSEEN));
    governor.observe(seconds(170), Some(&at(1, 1)));
    assert_eq!(governor.closed(seconds(170)), None);
}

/// A program in the place of `nvidia-smi` with one GPU, whose limit may be set where `root` is true.
fn program(folder: &std::path::Path, root: bool) -> PowerConfig {
    use std::os::unix::fs::PermissionsExt;
    let (path, limit) = (folder.join("nvidia-smi"), folder.join("limit"));
    std::fs::write(&limit, "450.00").expect("written");
    let set = if root {
        format!("echo $4 > {}", limit.display())
    } else {
        "echo Insufficient Permissions; exit 4".into()
    };
    let script = format!(
        "#!/bin/sh\nif [ \"$3\" = -pl ]; then {set}; else echo \"0, 60.5, $(cat {}), 40\"; fi\n",
        limit.display()
    );
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("made to run");
    PowerConfig { limit_watts: 300, nvidia_smi: path, ..PowerConfig::default() }
}

#[test]
fn the_drivers_limit_is_set_or_the_miner_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = program(folder.path(), true);
    assert_eq!(config.enforce().expect("set")[0].limit_mw, Some(300_000));

    let refused = program(folder.path(), false).enforce().expect_err("not allowed").to_string();
    for part in ["450 W", "is 300", "Insufficient Permissions", "sudo nvidia-smi -i 0 -pl 300"] {
        assert!(refused.contains(part), "{refused}");
    }
    let enough = PowerConfig { limit_watts: 450, ..program(folder.path(), false) };
    assert!(enough.enforce().is_ok(), "the driver's limit is low enough already");
    let none = PowerConfig { nvidia_smi: folder.path().join("none"), ..config };
    assert!(matches!(none.enforce(), Err(PowerError::Unread(SmiError::Missing(_)))));
}
