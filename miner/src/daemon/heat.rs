//! Watches the GPUs' power and heat beside the work.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{
    power::{Governor, PowerConfig, PowerError, READ_EVERY, Reading},
    report::{Event, EventSink, MinerError},
};

/// Watches until it is dropped.
pub(super) struct Heat {
    began: Instant,
    governor: Arc<Mutex<Governor>>,
    watch: JoinHandle<()>,
}

impl Drop for Heat {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Heat {
    /// Sets the driver's limit where one is configured, and begins to watch; none where no limit needs it.
    ///
    /// # Errors
    /// [`MinerError::Power`] where a limit cannot be kept.
    pub(super) async fn start(
        config: &PowerConfig,
        events: EventSink,
    ) -> Result<Option<Self>, MinerError> {
        if !config.limits() {
            return Ok(None);
        }
        let first = read(config, PowerConfig::enforce).await?;
        let began = Instant::now();
        let mut governor = Governor::new(config, Duration::ZERO);
        governor.observe(Duration::ZERO, Some(&first));
        let gpus: Vec<String> = first.iter().map(|reading| reading.gpu.clone()).collect();
        tell(&events, first);
        let governor = Arc::new(Mutex::new(governor));
        let watch = tokio::spawn(watch(config.clone(), gpus, Arc::clone(&governor), began, events));
        Ok(Some(Self { began, governor, watch }))
    }

    /// Why no new work is taken.
    pub(super) fn closed(&self) -> Option<&'static str> {
        let governor = self.governor.lock().unwrap_or_else(PoisonError::into_inner);
        governor.closed(self.began.elapsed())
    }
}

async fn watch(
    config: PowerConfig,
    gpus: Vec<String>,
    governor: Arc<Mutex<Governor>>,
    began: Instant,
    events: EventSink,
) {
    let mut blind = false;
    loop {
        tokio::time::sleep(READ_EVERY).await;
        let result = read(&config, PowerConfig::read).await;
        if let Err(error) = &result
            && !blind
        {
            tracing::warn!(%error, "the GPUs' power and temperature cannot be read");
        }
        blind = result.is_err();
        let readings = result.ok();
        let mut governor = governor.lock().unwrap_or_else(PoisonError::into_inner);
        governor.observe(began.elapsed(), readings.as_deref());
        drop(governor);
        // What is not read is not told as it was before.
        let unread = |gpu: &String| Reading {
            gpu: gpu.clone(),
            draw_mw: None,
            limit_mw: None,
            celsius: None,
        };
        tell(&events, readings.unwrap_or_else(|| gpus.iter().map(unread).collect()));
    }
}

/// Asks beside the runtime: the program may hang.
async fn read(
    config: &PowerConfig,
    how: fn(&PowerConfig) -> Result<Vec<Reading>, PowerError>,
) -> Result<Vec<Reading>, MinerError> {
    let config = config.clone();
    let read = tokio::task::spawn_blocking(move || how(&config)).await;
    Ok(read.map_err(|error| MinerError::Crashed(error.to_string()))??)
}

fn tell(events: &EventSink, readings: Vec<Reading>) {
    for Reading { gpu, draw_mw, celsius, .. } in readings {
        events(Event::Gpu { gpu, draw_mw, celsius });
    }
}
