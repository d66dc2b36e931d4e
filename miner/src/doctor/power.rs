//! The limits of power and heat against what the GPUs tell.

use super::finding::{Check, Finding};
use crate::power::{PowerConfig, PowerError, Reading};

/// Judges the limits of a configuration that has some.
#[must_use]
pub fn judge(config: &PowerConfig, read: Result<Vec<Reading>, PowerError>) -> Finding {
    let readings = match read {
        Ok(readings) => readings,
        Err(error) => {
            return Finding::failure(Check::Power, "power-unread", error.to_string())
                .expected("GPUs that tell what the limits are about")
                .advice("Install NVIDIA's driver, set power.nvidia_smi, or remove the limits");
        }
    };
    if let Some((gpu, has_mw)) = config.over(&readings).first() {
        let (has, want) = (has_mw / 1000, config.limit_watts);
        return Finding::warning(
            Check::Power,
            "power-over-limit",
            format!("GPU {gpu} may draw {has} W, power.limit_watts is {want}"),
        )
        .expected("a limit of the driver that is no higher")
        .advice(format!(
            "The miner sets it where it runs as root and does not start otherwise; or run \
             `sudo nvidia-smi -i {gpu} -pl {want}` after every boot"
        ));
    }
    let told = |reading: &Reading| {
        let draw = reading.draw_mw.map_or("? W".into(), |mw| format!("{} W", mw / 1000));
        let heat = reading.celsius.map_or("? °C".into(), |celsius| format!("{celsius} °C"));
        format!("GPU {}: {draw}, {heat}", reading.gpu)
    };
    Finding::ok(Check::Power, readings.iter().map(told).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::SmiError;

    #[test]
    fn each_state_of_the_limits_is_told() {
        let config = PowerConfig { limit_watts: 300, ..PowerConfig::default() };
        let gpu = |limit_mw| Reading {
            gpu: "0".into(),
            draw_mw: Some(61_500),
            limit_mw: Some(limit_mw),
            celsius: Some(40),
        };
        let over = judge(&config, Ok(vec![gpu(300_000), gpu(450_000)]));
        assert_eq!(over.fault, Some("power-over-limit"));
        assert!(over.measured.contains("450 W"), "{over}");
        let kept = judge(&config, Ok(vec![gpu(300_000)]));
        assert_eq!((kept.fault, kept.measured.as_str()), (None, "GPU 0: 61 W, 40 °C"));
        let none = SmiError::Missing("nvidia-smi".into());
        assert_eq!(judge(&config, Err(none.into())).fault, Some("power-unread"));
    }
}
