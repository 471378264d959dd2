//! The search by offset that `avl` and `btree` begin with.

use super::align_up;
use super::range::RangeIndex;

/// A search by offset.
pub struct FirstFit {
    pub size: u64,
    pub unit: u64,
    pub count: u64,
    pub max_count: u64,
    pub max_bytes: u64,
}

pub enum Found<P> {
    At(P, u64),
    /// After the ranges or bytes allowed; with where to go on.
    GaveUp(u64),
    Nothing,
}

impl FirstFit {
    /// From `place` to the last range that starts before `until`.
    pub fn along<I: RangeIndex>(
        &mut self,
        index: &I,
        place: Option<I::Place>,
        until: u64,
    ) -> Found<I::Place> {
        let Some(mut place) = place else {
            return Found::Nothing;
        };
        let mut range = index.range(place);
        let begin = range.start;
        while range.start < until {
            let start = align_up(range.start, self.unit);
            if start + self.size <= range.end {
                return Found::At(place, start);
            }
            self.count += 1;
            if self.max_count > 0 && self.count > self.max_count
                || self.max_bytes > 0 && range.start - begin > self.max_bytes
            {
                return Found::GaveUp(range.end);
            }
            let Some(next) = index.next(place) else {
                return Found::Nothing;
            };
            place = next;
            range = index.range(place);
        }
        Found::Nothing
    }
}
