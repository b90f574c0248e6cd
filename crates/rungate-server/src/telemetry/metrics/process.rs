//! The process: which build it is, and the memory it has.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The metrics of the process.
pub struct Group {
    resident_bytes: Gauge,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry) -> Self {
        registry.register("build", "The running build", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let resident_bytes = Gauge::default();
        registry.register(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM; 0 where the system does not say",
            resident_bytes.clone(),
        );
        Self { resident_bytes }
    }

    /// Looks at the process now.
    pub fn refresh(&self) {
        self.resident_bytes.set(resident_bytes().unwrap_or(0));
    }
}

/// From `/proc`, which only Linux has.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
