//! What a store with RocksDB is opened with, as TypeScript writes it down.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::*;
use osdyno_core::allocator::shared;
use osdyno_kv::bluefs::config::Config;
use osdyno_kv::bluefs::placement::{PolicyConfig, PolicyKind};
use osdyno_kv::device::file::{FileDevice, FileMode};
use osdyno_kv::device::gate::{Gate, Shut};
use osdyno_kv::device::traced::traced;
use osdyno_kv::rocks::database::{DatabaseSpec, MergeKind};
use osdyno_kv::rocks::store::{StoreDevice, StoreSpec};
use osdyno_kv::space::Space;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceSpec {
    path: String,
    /// The store's allocator gives space here.
    #[serde(default)]
    shared: bool,
}

/// Tuning of BlueFS; sizes in bytes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct BluefsSpec {
    alloc_bytes: u64,
    shared_alloc_bytes: u64,
    min_flush_bytes: u64,
    log_runway_bytes: u64,
    log_growth_bytes: u64,
    log_compact_min_bytes: u64,
    log_compact_ratio: f64,
    log_compact_sync: bool,
    wal_recycle_bytes: u64,
    buffered: bool,
    policy: String,
    reserved_factor: f64,
    reserved_bytes: u64,
    level_base_bytes: u64,
    level_multiplier: u64,
}

impl Default for BluefsSpec {
    fn default() -> Self {
        let config = Config::default();
        Self {
            alloc_bytes: config.alloc_unit,
            shared_alloc_bytes: config.shared_alloc_unit,
            min_flush_bytes: config.min_flush_bytes,
            log_runway_bytes: config.log_runway,
            log_growth_bytes: config.log_growth,
            log_compact_min_bytes: config.log_compact_min,
            log_compact_ratio: config.log_compact_ratio,
            log_compact_sync: config.log_compact_sync,
            wal_recycle_bytes: config.wal_recycle_bytes,
            buffered: true,
            policy: "use_some_extra".to_owned(),
            reserved_factor: config.policy.reserved_factor,
            reserved_bytes: config.policy.reserved_bytes,
            level_base_bytes: config.policy.level_base,
            level_multiplier: config.policy.level_multiplier,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// WAL, DB, slow.
    devices: [Option<DeviceSpec>; 3],
    /// Of the allocator of the shared device.
    allocator: Option<u32>,
    create: bool,
    read_only: bool,
    /// Read what can be read of a damaged one.
    #[serde(default)]
    salvage: bool,
    /// 32 hexadecimal digits each.
    uuid: String,
    owner: String,
    families: String,
    options: String,
    /// Prefix to `xor` or `addInt64`.
    operators: Vec<(String, String)>,
    cache_bytes: u64,
    bloom_bits: f64,
    block_bytes: u64,
    #[serde(default)]
    bluefs: BluefsSpec,
}

pub fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

fn uuid_of(text: &str) -> Result<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).map_err(invalid)?;
    Ok(number.to_be_bytes())
}

impl BluefsSpec {
    fn config(&self) -> Result<Config> {
        let kind = PolicyKind::parse(&self.policy)
            .ok_or_else(|| invalid(format!("unknown volume selection policy {}", self.policy)))?;
        Ok(Config {
            alloc_unit: self.alloc_bytes,
            shared_alloc_unit: self.shared_alloc_bytes,
            min_flush_bytes: self.min_flush_bytes,
            log_runway: self.log_runway_bytes,
            log_growth: self.log_growth_bytes,
            log_compact_min: self.log_compact_min_bytes,
            log_compact_ratio: self.log_compact_ratio,
            log_compact_sync: self.log_compact_sync,
            wal_recycle_bytes: self.wal_recycle_bytes,
            policy: PolicyConfig {
                kind,
                reserved_factor: self.reserved_factor,
                reserved_bytes: self.reserved_bytes,
                level_base: self.level_base_bytes,
                level_multiplier: self.level_multiplier,
            },
            ..Config::default()
        })
    }
}

impl Spec {
    fn device(&self, device: &DeviceSpec, gates: &mut Vec<Arc<dyn Shut>>) -> Result<StoreDevice> {
        let mode = FileMode {
            write: !self.read_only,
            direct: true,
            cached_reads: self.bluefs.buffered,
        };
        let opened = FileDevice::open(Path::new(&device.path), mode)
            .map_err(|error| Error::from_reason(format!("{}: {error}", device.path)))?;
        let space = match self.allocator {
            Some(handle) if device.shared => {
                let allocator = shared::find(handle)
                    .ok_or_else(|| invalid(format!("no allocator has the handle {handle}")))?;
                Some(Arc::new(allocator) as Arc<dyn Space>)
            }
            _ => None,
        };
        if device.shared && space.is_none() && !self.read_only {
            return Err(invalid("writing on a shared device needs its allocator"));
        }
        let gate = Arc::new(Gate::new(traced(&device.path, opened)));
        gates.push(gate.clone());
        Ok(StoreDevice {
            device: gate,
            shared: device.shared.then_some(space),
        })
    }

    /// Opens the devices and says what to open on them; what shuts them goes to `gates`.
    pub fn store(&self, gates: &mut Vec<Arc<dyn Shut>>) -> Result<StoreSpec> {
        let mut devices = [None, None, None];
        for (place, device) in devices.iter_mut().zip(&self.devices) {
            *place = device
                .as_ref()
                .map(|device| self.device(device, gates))
                .transpose()?;
        }
        let operators = self.operators.iter().map(|(prefix, name)| {
            let kind = match name.as_str() {
                "xor" => MergeKind::Xor,
                "addInt64" => MergeKind::AddInt64,
                _ => return Err(invalid(format!("unknown merge operator {name}"))),
            };
            Ok((prefix.clone(), kind))
        });
        Ok(StoreSpec {
            devices,
            config: self.bluefs.config()?,
            uuid: uuid_of(&self.uuid)?,
            owner: uuid_of(&self.owner)?,
            sharding: self.families.clone(),
            database: DatabaseSpec {
                create: self.create,
                read_only: self.read_only,
                salvage: self.salvage,
                options: self.options.clone(),
                operators: operators.collect::<Result<_>>()?,
                cache_bytes: self.cache_bytes,
                bloom_bits: self.bloom_bits,
                block_bytes: self.block_bytes,
            },
        })
    }
}
