//! Contradictions between verification and the op stream, refused by name.

use super::build::invalid;
use crate::op::DIRECTIONS;
use crate::sizes::Sizes;
use crate::spec::{Pattern, SpecError, StreamSpec, VerifyKind};

/// Zones must begin and end between intervals.
fn check_zones(spec: &StreamSpec, interval: u32) -> Result<(), SpecError> {
    let Some(zones) = &spec.zones else {
        return Ok(());
    };
    for (name, bytes) in [("zonerange", zones.range), ("zoneskip", zones.skip)] {
        if !bytes.is_multiple_of(u64::from(interval)) {
            return invalid(format!(
                "verify with {name} of {bytes} bytes: give a multiple of the interval, {interval}"
            ));
        }
    }
    Ok(())
}

pub(super) fn check_verify(
    spec: &StreamSpec,
    sizes: &[Sizes; 3],
    aligns: [u32; 3],
    used: [bool; 3],
) -> Result<(), SpecError> {
    let Some(verify) = &spec.data.verify else {
        return Ok(());
    };
    let interval = verify.interval;
    let header = crate::verify::header_bytes(verify.kind);
    if interval < header.max(1) {
        return invalid(format!(
            "verify interval of {interval} bytes: give at least {header}"
        ));
    }
    if verify.header_offset > interval - header {
        return invalid(format!(
            "verify header of {header} bytes at {} of an interval of {interval}: \
             give at most {}",
            verify.header_offset,
            interval - header
        ));
    }
    if let Some(at) = verify
        .pattern_offsets
        .iter()
        .find(|at| **at as usize >= verify.pattern.len())
    {
        return invalid(format!(
            "verify pattern: an offset at byte {at} of {}",
            verify.pattern.len()
        ));
    }
    let needs_pattern = matches!(verify.kind, VerifyKind::Pattern | VerifyKind::PatternHdr);
    if needs_pattern && verify.pattern.is_empty() {
        return invalid("verify by pattern without a pattern: give verify_pattern".into());
    }
    if spec.order.unaligned_sizes {
        return invalid("verify with bs_unaligned: sizes must be multiples of the interval".into());
    }
    check_zones(spec, interval)?;
    for direction in (0..3).filter(|direction| used[*direction]) {
        let name = DIRECTIONS[direction];
        let unit = sizes[direction].unit();
        if !unit.is_multiple_of(interval) {
            return invalid(format!(
                "verify interval of {interval} bytes does not divide every {name} size: \
                 give a divisor of {unit}"
            ));
        }
        if spec.pattern == Pattern::Random && !aligns[direction].is_multiple_of(interval) {
            return invalid(format!(
                "verify with {name}s aligned to {} bytes: \
                 give a multiple of the interval, {interval}",
                aligns[direction]
            ));
        }
    }
    if spec.sequential_step % i64::from(interval) != 0 {
        return invalid(format!(
            "verify with a sequential step of {} bytes: \
             give a multiple of the interval, {interval}",
            spec.sequential_step
        ));
    }
    Ok(())
}
