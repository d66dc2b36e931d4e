//! The device that the configuration asks for, against what this machine and this build have.

use super::finding::{Check, Finding, bytes};
use crate::config::{Device, EngineKind};

/// What was found of NVIDIA's driver and GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuFacts {
    /// The driver's version as the kernel module gives it; none where it is not loaded.
    pub driver: Option<String>,
    /// What `nvidia-smi` lists, or why it lists nothing.
    pub listed: Result<Vec<Gpu>, String>,
    /// Cores that this process may use.
    pub cores: usize,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Its memory, bytes.
    pub memory: u64,
    /// Of that: free, bytes.
    pub free: u64,
}

/// Most GPUs that are read of one machine.
const MAX_GPUS: usize = 64;

/// Reads `nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits`.
///
/// # Errors
/// The line that is not like that.
pub fn parse_listing(text: &str) -> Result<Vec<Gpu>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .take(MAX_GPUS)
        .map(|line| {
            // A name may have commas; the figures stand last.
            let mut fields = line.rsplitn(3, ',').map(str::trim);
            let mebibytes = |field: Option<&str>| -> Option<u64> {
                field?.parse::<u64>().ok()?.checked_mul(1 << 20)
            };
            let (free, memory) = (mebibytes(fields.next()), mebibytes(fields.next()));
            match (fields.next(), memory, free) {
                (Some(name), Some(memory), Some(free)) => {
                    Ok(Gpu { name: name.to_owned(), memory, free })
                }
                _ => Err(format!("nvidia-smi said {line:?}, which is no GPU with its memory")),
            }
        })
        .collect()
}

/// Share of a GPU's memory that a model may take, hundredths: the rest is the server's, the desktop's.
const USABLE: u64 = 85;
/// Memory for the cache of a group or two and for activations, bytes.
const BESIDES_WEIGHTS: u64 = 3 << 29;
/// Bytes of a thousand weights in four bits (GGUF's Q4_K_M, AWQ) and in eight (Q8_0, FP8), scales included.
const FOUR_BITS: u64 = 610;
const EIGHT_BITS: u64 = 1_070;

/// The largest models that fit a GPU, in billions of weights (in four bits, in eight); none below one
/// billion.
#[must_use]
pub fn largest_models(memory: u64) -> Option<(u64, u64)> {
    let room = (memory / 100 * USABLE).saturating_sub(BESIDES_WEIGHTS);
    let billions = |bytes_a_thousand: u64| room / bytes_a_thousand / 1_000_000;
    let (four, eight) = (billions(FOUR_BITS), billions(EIGHT_BITS));
    (four > 0).then_some((four, eight))
}

/// Which tasks models of a size are for (DESIGN 3.4).
fn tasks_for(billions: u64) -> &'static str {
    match billions {
        0..7 => "mini",
        7..70 => "standard",
        _ => "standard and hard",
    }
}

/// What to run on a GPU, in words.
fn model_advice(memory: u64) -> String {
    match largest_models(memory) {
        None => "room for models below 1 billion weights: nano tasks".into(),
        Some((four, eight)) => format!(
            "room for models up to {four} billion weights in 4 bits or {eight} in 8: {} tasks",
            tasks_for(four)
        ),
    }
}

impl GpuFacts {
    /// The GPU with the most free memory.
    #[must_use]
    pub fn best(&self) -> Option<&Gpu> {
        self.listed.as_ref().ok()?.iter().max_by_key(|gpu| gpu.free)
    }

    fn described(&self) -> Option<String> {
        let gpus = self.listed.as_ref().ok()?;
        let names = gpus.iter().map(|gpu| {
            format!("{} ({}; {})", gpu.name, bytes(gpu.memory), model_advice(gpu.memory))
        });
        (!gpus.is_empty()).then(|| names.collect::<Vec<_>>().join(", "))
    }

    /// What keeps a GPU from being used, where one is asked for.
    fn missing(&self) -> Option<String> {
        if self.best().is_some() {
            return None;
        }
        let driver = match &self.driver {
            None => "no NVIDIA driver is loaded".to_owned(),
            Some(version) => format!("NVIDIA driver {version} is loaded"),
        };
        Some(match &self.listed {
            Ok(_) => format!("{driver}, nvidia-smi lists no GPU"),
            Err(reason) => format!("{driver}, {reason}"),
        })
    }
}

const OTHERWISE: &str = "or set engine.device to \"auto\" to compute on the CPU";

/// Judges the device.
#[must_use]
pub fn judge(
    asked: Device,
    kind: EngineKind,
    facts: &GpuFacts,
    of_this_build: &[Device],
) -> Finding {
    let named = format!("engine.device is \"{}\"", asked.name());
    let supported = of_this_build.contains(&asked);
    match asked {
        Device::Cuda => {
            if let Some(missing) = facts.missing() {
                return Finding::failure(
                    Check::Device,
                    "no-gpu",
                    format!("{named}, but {missing}"),
                )
                .expected("an NVIDIA GPU with its driver")
                .advice(format!(
                    "Install the driver until `nvidia-smi` lists the GPU (in a container: \
                         `--gpus all`), {OTHERWISE}"
                ));
            }
            let found = facts.described().unwrap_or_default();
            // Behind a server it is the server that computes there.
            if supported || kind == EngineKind::Openai {
                return Finding::ok(Check::Device, found);
            }
            Finding::failure(
                Check::Device,
                "gpu-not-in-build",
                format!("{named} and there is {found}, but this build computes on the CPU only"),
            )
            .expected("an engine that uses it")
            .advice(format!(
                "Start vLLM or llama.cpp's server on the GPU and set engine.kind to \"openai\", \
                 {OTHERWISE}"
            ))
        }
        Device::Metal if !supported => Finding::failure(
            Check::Device,
            "no-gpu",
            format!("{named}, but this build has no Metal"),
        )
        .expected("a build for a Mac's GPU")
        .advice(format!(
            "Start llama.cpp's server on the Mac and set engine.kind to \"openai\", \
                     {OTHERWISE}"
        )),
        Device::Metal => Finding::ok(Check::Device, "the GPU of this Mac"),
        Device::Auto | Device::Cpu if kind == EngineKind::Openai => {
            Finding::ok(Check::Device, "the model server's own")
        }
        Device::Auto | Device::Cpu => {
            let cpu = format!("the CPU, {} cores", facts.cores);
            match facts.described() {
                Some(gpu) if asked == Device::Auto && !of_this_build.contains(&Device::Cuda) => {
                    Finding::warning(
                        Check::Device,
                        "gpu-idle",
                        format!("{cpu}; there is {gpu}, which this build does not use"),
                    )
                    .expected("work for the GPU")
                    .advice(
                        "Start vLLM or llama.cpp's server on the GPU and set engine.kind to \
                         \"openai\"; engine.device = \"cpu\" silences this",
                    )
                }
                _ => Finding::ok(Check::Device, cpu),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(driver: Option<&str>, listed: Result<&str, &str>) -> GpuFacts {
        let listed = listed.map_err(str::to_owned).and_then(parse_listing);
        GpuFacts { driver: driver.map(str::to_owned), listed, cores: 2 }
    }

    const H200: &str = "NVIDIA H200, 143771, 143161\n";
    const CPU: &[Device] = &[Device::Cpu];

    #[test]
    fn a_gpu_that_is_asked_for_must_be_there_and_usable() {
        let none = facts(None, Err("nvidia-smi is not installed"));
        let native = |asked, facts: &GpuFacts| judge(asked, EngineKind::Native, facts, CPU).fault;
        assert_eq!(native(Device::Cuda, &none), Some("no-gpu"));
        assert_eq!(native(Device::Cuda, &facts(Some("570.1"), Ok(""))), Some("no-gpu"));
        assert_eq!(native(Device::Cuda, &facts(Some("1"), Ok(H200))), Some("gpu-not-in-build"));
        assert_eq!(native(Device::Auto, &none), None);
        assert_eq!(native(Device::Auto, &facts(Some("1"), Ok(H200))), Some("gpu-idle"));
        assert_eq!(native(Device::Cpu, &facts(Some("1"), Ok(H200))), None);
        assert_eq!(native(Device::Metal, &none), Some("no-gpu"));
        let server = judge(Device::Cuda, EngineKind::Openai, &facts(Some("1"), Ok(H200)), CPU);
        assert_eq!(server.fault, None);
        let built =
            judge(Device::Cuda, EngineKind::Native, &facts(None, Ok(H200)), &[Device::Cuda]);
        assert_eq!(built.fault, None);
    }

    /// Files of known models: Qwen2.5-7B Q8_0 has 8.1 GB, -14B Q4_K_M 9.0, -32B Q4_K_M 19.9; Llama-3.3-70B
    /// Q4_K_M 42.5.
    #[test]
    fn what_fits_a_gpu_fits_it() {
        let gib = |number: u64| number << 30;
        assert_eq!(largest_models(gib(2)), None);
        for (memory, four, eight) in
            [(8, 9, 5), (12, 15, 8), (24, 33, 18), (48, 69, 39), (80, 117, 66)]
        {
            assert_eq!(largest_models(gib(memory)), Some((four, eight)), "{memory} GiB");
        }
        let found = facts(Some("570.1"), Ok("NVIDIA RTX 4090, 24564, 24000\n"));
        let server = judge(Device::Cuda, EngineKind::Openai, &found, CPU);
        let wanted = "up to 33 billion weights in 4 bits or 18 in 8: standard tasks";
        assert!(server.measured.contains(wanted), "{server}");
    }

    #[test]
    fn a_listing_is_read_or_refused() {
        let read = parse_listing("A, B 1, 10, 4\n\nNVIDIA H200, 143771, 143161\n").expect("two");
        assert_eq!(read[0], Gpu { name: "A, B 1".into(), memory: 10 << 20, free: 4 << 20 });
        assert_eq!(read.len(), 2);
        for broken in ["x", "NVIDIA, [N/A], 3", "a, 1, 99999999999999999999"] {
            assert!(parse_listing(broken).is_err(), "{broken}");
        }
        let unreadable = facts(Some("1"), Ok("No devices were found"));
        let found = judge(Device::Cuda, EngineKind::Native, &unreadable, CPU);
        assert!(found.measured.contains("No devices were found"), "{found}");
    }
}
