//! What is measured of the machine, whenever the metrics are read.

use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::Timestamp;
use prometheus::{Gauge, GaugeVec};

use super::registrar::Registrar;
use crate::system::disk::{Disk, RealDisk};

/// What is measured of the machine.
#[derive(Debug)]
pub struct MachineMetrics {
    /// `weir_clock_seconds`: the machine's clock, for comparison with Prometheus' own.
    clock: Gauge,
    /// `weir_disk_room_bytes`: only there in a process with a queue.
    disk_room: GaugeVec,
    disk: OnceLock<(PathBuf, u64)>,
}

impl MachineMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(MachineMetrics {
            clock: r.add(Gauge::new("weir_clock_seconds", "The machine's clock, in Unix time."))?,
            disk_room: r.gauges(
                "weir_disk_room_bytes",
                "Free bytes on the disk of data beyond queue.free_bytes.",
                &[],
            )?,
            disk: OnceLock::new(),
        })
    }

    /// From now on, also measures the free bytes of the disk that has `folder`, beyond `kept` bytes. The first call
    /// counts.
    pub fn watch_disk(&self, folder: PathBuf, kept: u64) {
        self.disk.get_or_init(|| (folder, kept));
    }

    /// Measures.
    pub(super) fn look(&self) {
        self.clock.set(Timestamp::now().as_duration().as_secs_f64());
        let Some((folder, kept)) = self.disk.get() else { return };
        if let Ok(free) = RealDisk.free(folder) {
            // A float holds bytes exactly up to 9 PB.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            self.disk_room.with_label_values::<&str>(&[]).set(free.saturating_sub(*kept) as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::observe::metrics::Metrics;

    #[test]
    fn room_on_the_disk_is_what_is_free_beyond_what_is_kept() {
        let room = |kept: Option<u64>| {
            let metrics = Metrics::new([]).unwrap();
            if let Some(kept) = kept {
                metrics.machine.watch_disk(Path::new("/").to_owned(), kept);
            }
            let text = String::from_utf8(metrics.render()).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("weir_disk_room_bytes "));
            line.map(|room| room.parse::<f64>().unwrap())
        };
        assert_eq!(room(None), None, "a process without a queue");
        assert_eq!(room(Some(u64::MAX)), Some(0.0));
        assert!(room(Some(0)).unwrap() > 0.0);
    }
}
