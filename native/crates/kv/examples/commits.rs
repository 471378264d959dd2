//! What a durable commit costs: `commits FILE SECONDS DEPTH [BYTES]` makes a store in the file,
//! which is overwritten and must be there, keeps DEPTH commits of one value each in flight, and
//! tells the rate and the processor time of the process for each.
//!
//! `cargo run --release -p osdyno-kv --example commits -- FILE 5 16`

#[cfg(not(rocksdb))]
fn main() {
    eprintln!("built without RocksDB: {}", osdyno_kv::ROCKSDB_HINT);
}

#[cfg(rocksdb)]
fn main() {
    if let Err(message) = measured::run() {
        eprintln!("{message}");
        std::process::exit(2);
    }
}

#[cfg(rocksdb)]
mod measured {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use osdyno_kv::DEFAULT_OPTIONS;
    use osdyno_kv::batch::{BatchBuilder, Operation};
    use osdyno_kv::bluefs::config::Config;
    use osdyno_kv::device::file::{FileDevice, FileMode};
    use osdyno_kv::rocks::database::DatabaseSpec;
    use osdyno_kv::rocks::store::{Store, StoreDevice, StoreSpec};
    use osdyno_kv::sharding::DEFAULT_SHARDING;

    fn cpu() -> Duration {
        // SAFETY: plain numbers, filled by the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            usage
        };
        [usage.ru_utime, usage.ru_stime]
            .iter()
            .map(|time| {
                Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
            })
            .sum()
    }

    pub fn run() -> Result<(), String> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
        let (Some(path), Some(seconds), Some(depth)) = (arguments.first(), number(1), number(2))
        else {
            return Err("usage: commits FILE SECONDS DEPTH [BYTES]".to_owned());
        };
        let value = vec![7; number(3).unwrap_or(300) as usize];
        let mode = FileMode {
            write: true,
            direct: true,
            cached_reads: true,
        };
        let device = FileDevice::open(Path::new(path), mode).map_err(|error| error.to_string())?;
        let device = StoreDevice {
            device: Arc::new(device),
            shared: None,
        };
        let spec = StoreSpec {
            devices: [None, Some(device), None],
            config: Config::default(),
            uuid: [1; 16],
            owner: [2; 16],
            sharding: DEFAULT_SHARDING.to_owned(),
            database: DatabaseSpec {
                create: true,
                read_only: false,
                salvage: false,
                options: DEFAULT_OPTIONS.to_owned(),
                operators: Vec::new(),
                cache_bytes: 64 << 20,
                bloom_bits: 20.0,
                block_bytes: 4096,
            },
        };
        let store = Store::open(&spec).map_err(|error| error.to_string())?;
        let (started, cpu_before) = (Instant::now(), cpu());
        let mut submitted = 0;
        while started.elapsed() < Duration::from_secs(seconds) {
            while submitted < store.committer.done() + depth {
                submitted += 1;
                let mut batch = BatchBuilder::default();
                let key = submitted.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                batch.push(b"O", Operation::Set(&key, &value));
                store.committer.submit(batch.bytes);
            }
            let done = store.committer.done();
            while store.committer.park(done) {
                let mut poll = libc::pollfd {
                    fd: store.committer.ready_fd(),
                    events: libc::POLLIN,
                    revents: 0,
                };
                // SAFETY: one descriptor, which is open.
                unsafe { libc::poll(&raw mut poll, 1, 100) };
            }
            store.committer.unpark();
        }
        let (elapsed, spent) = (started.elapsed(), cpu().saturating_sub(cpu_before));
        let commits = store.committer.done();
        let writes = store.committer.counters().writes.load(Ordering::Relaxed);
        let flushes = store.fs().counters.flushes.load(Ordering::Relaxed);
        eprintln!(
            "depth {depth}: {:.0} commits/s, {:.1} us CPU each, {:.2} commits a write, {:.3} flushes a \
             commit",
            commits as f64 / elapsed.as_secs_f64(),
            spent.as_secs_f64() * 1e6 / commits as f64,
            commits as f64 / writes as f64,
            flushes as f64 / commits as f64,
        );
        store.close().map_err(|error| error.to_string())
    }
}
