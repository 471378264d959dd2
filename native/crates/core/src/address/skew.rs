//! Which block a random operation addresses: uniform, or skewed as fio's `random_distribution`.
//!
//! Zipf: J. Gray et al., "Quickly generating billion-record synthetic databases" (SIGMOD 1994), the
//! algorithm fio names; facts of fio's use of it (the cap of the sum, the hash over the region, the
//! shape of its "normal") were read in its sources and checked against `fio-genzipf`.

use crate::rng::{Rng, Use, threshold};
use crate::spec::{Distribution, SpecError, Zone};

/// Terms of the zeta sum at most, as in fio: larger regions get a slightly steeper skew.
const ZETA_TERMS: u64 = 10_000_000;
/// fio spreads ranks over the region by multiplying with this (the 64-bit golden ratio, negated).
const SPREAD: u64 = 0x61c8_8646_80b5_83eb;

/// Draws block numbers below a count.
#[derive(Clone, Debug)]
pub enum Picker {
    /// Every block equally likely.
    Uniform {
        /// Blocks.
        count: u64,
    },
    /// Zipf.
    Zipf(Zipf),
    /// Pareto: rank = (count - 1) * u^power.
    Pareto {
        /// Exponent of the uniform draw.
        power: f64,
        /// Where ranks go.
        scatter: Scatter,
    },
    /// Mean of twelve uniform draws, plus a uniform deviation.
    Normal {
        /// Width of the deviation, in blocks.
        deviation: u64,
        /// Where values go.
        scatter: Scatter,
    },
    /// Uniform within zones drawn by share: (cumulated threshold, first block, blocks).
    Zones(Box<[(u64, u64, u64)]>),
}

/// Constants of a Zipf draw.
#[derive(Clone, Debug)]
pub struct Zipf {
    zeta: f64,
    second: f64,
    eta: f64,
    alpha: f64,
    scatter: Scatter,
}

/// Spreads ranks over the region.
#[derive(Clone, Debug)]
pub struct Scatter {
    count: u64,
    shift: u64,
    /// `SPREAD`, or 1 to leave ranks side by side.
    factor: u64,
}

impl Scatter {
    fn new(count: u64, center: Option<f64>, default_shift: u64) -> Result<Self, SpecError> {
        let shift = match center {
            None => default_shift,
            Some(center) if (0.0..=1.0).contains(&center) => (count as f64 * center) as u64,
            Some(center) => return invalid(format!("center {center}: give 0 to 1")),
        };
        Ok(Self {
            count,
            shift,
            factor: SPREAD,
        })
    }

    #[inline]
    fn place(&self, rank: u64) -> u64 {
        rank.wrapping_mul(self.factor).wrapping_add(self.shift) % self.count
    }
}

fn invalid<T>(message: impl std::fmt::Display) -> Result<T, SpecError> {
    Err(SpecError::Invalid(format!(
        "random distribution: {message}"
    )))
}

/// Sum of `1 / i^theta` for i in `1..=terms`. The first terms are added, the rest follows from the
/// Euler-Maclaurin formula: equal to the plain sum to 1e-12 and immediate, where fio takes a
/// second.
fn zeta(terms: u64, theta: f64) -> f64 {
    let exact = terms.min(1000);
    let mut sum: f64 = (1..=exact).map(|i| (i as f64).powf(-theta)).sum();
    if terms > exact {
        let (from, to) = (exact as f64, terms as f64);
        let value = |x: f64| x.powf(-theta);
        let integral = (to.powf(1.0 - theta) - from.powf(1.0 - theta)) / (1.0 - theta);
        let slope = |x: f64| -theta * x.powf(-theta - 1.0);
        sum += integral + (value(to) - value(from)) / 2.0 + (slope(to) - slope(from)) / 12.0;
    }
    sum
}

impl Picker {
    /// A picker among `count` blocks of `align` bytes; `direction` and `file` choose where fio's
    /// unseeded skews put their hottest block.
    pub fn new(
        distribution: &Distribution,
        count: u64,
        align: u32,
        seed: u64,
        direction: usize,
        file: usize,
    ) -> Result<Self, SpecError> {
        let index = (1 << 32) | ((direction as u64) << 40) | file as u64;
        let anywhere = || Rng::new(seed, Use::Offset, index).next_u64();
        Ok(match distribution {
            Distribution::Random => Self::Uniform { count },
            &Distribution::Zipf { theta, center } => {
                // fio refuses exactly 1, where the formula divides by zero.
                if !theta.is_finite() || theta <= 0.0 || (theta - 1.0).abs() < 1e-9 {
                    return invalid(format!("zipf:{theta}; theta is above 0 and not 1"));
                }
                let all = zeta(count.min(ZETA_TERMS), theta);
                let two = 1.0 + 0.5_f64.powf(theta);
                Self::Zipf(Zipf {
                    zeta: all,
                    second: two,
                    eta: (1.0 - (2.0 / count as f64).powf(1.0 - theta)) / (1.0 - two / all),
                    alpha: 1.0 / (1.0 - theta),
                    scatter: Scatter::new(count, center, anywhere())?,
                })
            }
            &Distribution::Pareto { h, center } => {
                if !(h > 0.0 && h < 1.0) {
                    return invalid(format!("pareto:{h}; h is between 0 and 1"));
                }
                Self::Pareto {
                    power: h.ln() / (1.0 - h).ln(),
                    scatter: Scatter::new(count, center, anywhere())?,
                }
            }
            &Distribution::Normal { deviation, center } => {
                if !(0.0..100.0).contains(&deviation) {
                    return invalid(format!(
                        "normal:{deviation}; the deviation is 0 to below 100"
                    ));
                }
                let width = (count as f64 * deviation / 100.0).ceil() as u64;
                let mut scatter = Scatter::new(count, center, 0)?;
                if center.is_some() {
                    // The unshifted mean is the middle of the region.
                    scatter.shift = (scatter.shift + count - count / 2) % count;
                }
                Self::Normal {
                    deviation: width.min(count / 2),
                    scatter,
                }
            }
            Distribution::Zoned { zones } => Self::zones(zones, count, count as f64 / 100.0)?,
            Distribution::ZonedAbs { zones } => Self::zones(zones, count, 1.0 / f64::from(align))?,
        })
    }

    /// Ranks next to each other become blocks next to each other, as fio has it for files.
    #[must_use]
    pub fn side_by_side(mut self) -> Self {
        match &mut self {
            Self::Zipf(Zipf { scatter, .. })
            | Self::Pareto { scatter, .. }
            | Self::Normal { scatter, .. } => scatter.factor = 1,
            Self::Uniform { .. } | Self::Zones(_) => {}
        }
        self
    }

    fn zones(zones: &[Zone], count: u64, blocks_per_size: f64) -> Result<Self, SpecError> {
        let good = |value: f64| value.is_finite() && value >= 0.0;
        if let Some(zone) = zones
            .iter()
            .find(|zone| !good(zone.access) || !good(zone.size))
        {
            return invalid(format!(
                "zone {}/{}; neither is negative",
                zone.access, zone.size
            ));
        }
        let total: f64 = zones.iter().map(|zone| zone.access).sum();
        if total <= 0.0 {
            return invalid("zones without accesses; give shares that sum to 100");
        }
        let (mut end, mut cumulated) = (0.0, 0.0);
        let mut table = Vec::with_capacity(zones.len());
        for zone in zones {
            let first = end as u64;
            end += zone.size * blocks_per_size;
            // Sums of percentages such as 33.3 + 33.3 + 33.4 may miss the end by rounding.
            if end > count as f64 * (1.0 + 1e-9) {
                return invalid(format!(
                    "zones end at block {end:.0} of a region of {count} blocks; make them smaller"
                ));
            }
            cumulated += zone.access;
            if zone.access > 0.0 {
                let last = ((end + 1e-6) as u64).min(count);
                let first = first.min(count - 1);
                let blocks = last.saturating_sub(first).max(1);
                table.push((threshold(cumulated / total), first, blocks));
            }
        }
        Ok(Self::Zones(table.into()))
    }

    /// The next block number.
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        match self {
            Self::Uniform { count } => rng.below(*count),
            Self::Zipf(zipf) => zipf.scatter.place(zipf.rank(rng)),
            Self::Pareto { power, scatter } => {
                let rank = (scatter.count - 1) as f64 * rng.unit().powf(*power);
                scatter.place(rank as u64)
            }
            Self::Normal { deviation, scatter } => {
                scatter.place(normal(rng, scatter.count, *deviation))
            }
            Self::Zones(zones) => {
                let draw = rng.next_u64();
                let hit = zones.iter().find(|zone| draw <= zone.0);
                let (_, first, blocks) = *hit.unwrap_or(&zones[zones.len() - 1]);
                first + rng.below(blocks)
            }
        }
    }
}

impl Zipf {
    #[inline]
    fn rank(&self, rng: &mut Rng) -> u64 {
        let draw = rng.unit();
        let scaled = draw * self.zeta;
        if scaled < 1.0 {
            0
        } else if scaled < self.second {
            1
        } else {
            let base = self.eta * draw - self.eta + 1.0;
            (self.scatter.count as f64 * base.powf(self.alpha)) as u64
        }
    }
}

fn normal(rng: &mut Rng, count: u64, deviation: u64) -> u64 {
    let sum: u64 = (0..12).map(|_| rng.below(count + 1)).sum();
    let value = sum.div_ceil(12);
    if deviation == 0 {
        return value;
    }
    let mut offset = rng.below(deviation).cast_signed() - (deviation / 2).cast_signed();
    loop {
        match value.checked_add_signed(offset) {
            Some(moved) if moved < count => return moved,
            _ if offset == 0 => return value,
            _ => offset /= 2,
        }
    }
}

#[cfg(test)]
mod tests;
