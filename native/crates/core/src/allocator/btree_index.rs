//! Free ranges in B+ trees: one by offset, one by length and then offset.

use super::bplus_tree::{BPlusTree, Place};
use super::range::{Range, RangeIndex};

/// See the module.
#[derive(Default)]
pub struct BtreeIndex {
    /// Start to end.
    by_start: BPlusTree<u64, u64>,
    /// Length and start.
    by_length: BPlusTree<(u64, u64), ()>,
}

impl BtreeIndex {
    fn length_key(range: Range) -> (u64, u64) {
        (range.end - range.start, range.start)
    }

    fn place_of(&self, start: u64) -> Option<Place> {
        self.by_start.ceiling(start)
    }
}

impl RangeIndex for BtreeIndex {
    type Place = Place;

    const NODE_BYTES: usize =
        BPlusTree::<u64, u64>::ENTRY_BYTES + BPlusTree::<(u64, u64), ()>::ENTRY_BYTES;

    fn len(&self) -> usize {
        self.by_start.len()
    }

    fn range(&self, place: Place) -> Range {
        Range {
            start: self.by_start.key(place),
            end: self.by_start.value(place),
        }
    }

    fn first(&self) -> Option<Place> {
        self.by_start.first()
    }

    fn next(&self, place: Place) -> Option<Place> {
        self.by_start.next(place)
    }

    fn ending_after(&self, at: u64) -> Option<Place> {
        let Some(place) = self.by_start.floor(at) else {
            return self.first();
        };
        if self.by_start.value(place) > at {
            return Some(place);
        }
        self.next(place)
    }

    fn smallest(&self) -> Option<Place> {
        let (_, start) = self.by_length.key(self.by_length.first()?);
        self.place_of(start)
    }

    fn largest(&self) -> u64 {
        self.by_length
            .last()
            .map_or(0, |place| self.by_length.key(place).0)
    }

    fn of_length(&self, from: u64, accept: &mut dyn FnMut(Range) -> bool) -> Option<Place> {
        let mut place = self.by_length.ceiling((from, 0));
        while let Some(at) = place {
            let (length, start) = self.by_length.key(at);
            let end = start + length;
            if accept(Range { start, end }) {
                return self.place_of(start);
            }
            place = self.by_length.next(at);
        }
        None
    }

    fn insert(&mut self, range: Range, _next: Option<Place>) {
        self.by_start.insert(range.start, range.end);
        self.by_length.insert(Self::length_key(range), ());
    }

    fn remove(&mut self, place: Place) {
        let range = self.range(place);
        self.by_start.remove(range.start);
        self.by_length.remove(Self::length_key(range));
    }

    fn resize(&mut self, place: Place, range: Range) {
        let old = self.range(place);
        if old.start == range.start || self.by_start.rekey(place, range.start) {
            self.by_start.set_value(place, range.end);
        } else {
            self.by_start.remove(old.start);
            self.by_start.insert(range.start, range.end);
        }
        self.by_length.remove(Self::length_key(old));
        self.by_length.insert(Self::length_key(range), ());
    }

    fn memory_bytes(&self) -> u64 {
        self.by_start.memory_bytes() + self.by_length.memory_bytes()
    }

    fn check(&self) -> Result<(), String> {
        self.by_start.check()?;
        self.by_length.check()?;
        if self.by_start.len() != self.by_length.len() {
            return Err(format!(
                "{} ranges by offset, {} by length",
                self.by_start.len(),
                self.by_length.len()
            ));
        }
        let mut place = self.first();
        while let Some(at) = place {
            let key = Self::length_key(self.range(at));
            let found = self.by_length.ceiling(key);
            if found.map(|at| self.by_length.key(at)) != Some(key) {
                return Err(format!(
                    "range {key:?} (length, offset) is missing by length"
                ));
            }
            place = self.next(at);
        }
        Ok(())
    }
}
