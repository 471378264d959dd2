//! Free ranges in AVL trees: one by offset, one by length. The tree by length holds each length once,
//! with a bag of the ranges that have it: on a worn device a million ranges share some hundred lengths,
//! so that this tree stays in the cache and a change of length costs two cache misses, not twenty.

use super::avl_tree::{AvlTree, NIL, push_tight};
use super::range::{Range, RangeIndex};

/// What belongs to a node of the tree by offset, by its index.
#[derive(Clone, Copy)]
struct Rest {
    end: u64,
    /// Neighbours by offset.
    next: u32,
    previous: u32,
    /// Node in the tree by length, and the place in its bag.
    class: u32,
    slot: u32,
}

/// Capacity that an empty bag may keep.
const SPARE: usize = 16;

/// See the module.
#[derive(Default)]
pub struct AvlIndex {
    by_start: AvlTree,
    rest: Vec<Rest>,
    by_length: AvlTree,
    bags: Vec<Vec<u32>>,
    /// Capacity of all bags.
    bagged: usize,
}

impl AvlIndex {
    fn enter_class(&mut self, id: u32, length: u64) {
        let mut class = self.by_length.floor(length);
        if class == NIL || self.by_length.key(class) != length {
            class = self.by_length.insert(length);
            if self.bags.len() <= class as usize {
                self.bags.resize_with(class as usize + 1, Vec::new);
            }
        }
        let bag = &mut self.bags[class as usize];
        let before = bag.capacity();
        bag.push(id);
        self.bagged += bag.capacity() - before;
        let rest = &mut self.rest[id as usize];
        rest.class = class;
        rest.slot = bag.len() as u32 - 1;
    }

    fn leave_class(&mut self, id: u32) {
        let Rest { class, slot, .. } = self.rest[id as usize];
        let bag = &mut self.bags[class as usize];
        bag.swap_remove(slot as usize);
        if let Some(&moved) = bag.get(slot as usize) {
            self.rest[moved as usize].slot = slot;
        } else if bag.is_empty() {
            // Small bags stay for the next length that gets this node: an allocation less.
            if bag.capacity() > SPARE {
                self.bagged -= bag.capacity();
                *bag = Vec::new();
            }
            self.by_length.remove(class);
        }
    }

    fn check_bags(&self) -> Result<usize, String> {
        let mut bagged = 0;
        let mut class = self.by_length.first();
        while class != NIL {
            let bag = &self.bags[class as usize];
            if bag.is_empty() {
                return Err("a length without ranges".to_owned());
            }
            for (slot, &id) in bag.iter().enumerate() {
                let rest = &self.rest[id as usize];
                let length = rest.end - self.by_start.key(id);
                if (rest.class, rest.slot as usize) != (class, slot)
                    || length != self.by_length.key(class)
                {
                    return Err(format!("range {id} is in a wrong bag"));
                }
            }
            bagged += bag.len();
            class = self.by_length.next(class);
        }
        Ok(bagged)
    }
}

impl RangeIndex for AvlIndex {
    type Place = u32;

    const NODE_BYTES: usize = AvlTree::NODE_BYTES + size_of::<Rest>();

    fn len(&self) -> usize {
        self.by_start.len()
    }

    #[inline]
    fn range(&self, place: u32) -> Range {
        Range {
            start: self.by_start.key(place),
            end: self.rest[place as usize].end,
        }
    }

    fn first(&self) -> Option<u32> {
        let id = self.by_start.first();
        (id != NIL).then_some(id)
    }

    #[inline]
    fn next(&self, place: u32) -> Option<u32> {
        let id = self.rest[place as usize].next;
        (id != NIL).then_some(id)
    }

    #[inline]
    fn ending_after(&self, at: u64) -> Option<u32> {
        let id = self.by_start.floor(at);
        if id == NIL {
            return self.first();
        }
        if self.rest[id as usize].end > at {
            return Some(id);
        }
        self.next(id)
    }

    fn smallest(&self) -> Option<u32> {
        let class = self.by_length.first();
        if class == NIL {
            return None;
        }
        self.bags[class as usize].last().copied()
    }

    fn largest(&self) -> u64 {
        let class = self.by_length.last();
        if class == NIL {
            return 0;
        }
        self.by_length.key(class)
    }

    fn of_length(&self, from: u64, accept: &mut dyn FnMut(Range) -> bool) -> Option<u32> {
        let mut class = self.by_length.ceiling(from);
        while class != NIL {
            for &id in self.bags[class as usize].iter().rev() {
                if accept(self.range(id)) {
                    return Some(id);
                }
            }
            class = self.by_length.next(class);
        }
        None
    }

    fn insert(&mut self, range: Range, next: Option<u32>) {
        let next = next.unwrap_or(NIL);
        let before = if next == NIL {
            self.by_start.last()
        } else {
            self.rest[next as usize].previous
        };
        let id = self.by_start.insert_between(range.start, before, next);
        let rest = Rest {
            end: range.end,
            next,
            previous: before,
            class: NIL,
            slot: 0,
        };
        if let Some(old) = self.rest.get_mut(id as usize) {
            *old = rest;
        } else {
            push_tight(&mut self.rest, rest);
        }
        if before != NIL {
            self.rest[before as usize].next = id;
        }
        if next != NIL {
            self.rest[next as usize].previous = id;
        }
        self.enter_class(id, range.end - range.start);
    }

    fn remove(&mut self, id: u32) {
        self.leave_class(id);
        let Rest { next, previous, .. } = self.rest[id as usize];
        if previous != NIL {
            self.rest[previous as usize].next = next;
        }
        if next != NIL {
            self.rest[next as usize].previous = previous;
        }
        self.by_start.remove(id);
    }

    fn resize(&mut self, id: u32, range: Range) {
        self.leave_class(id);
        self.by_start.rekey(id, range.start);
        self.rest[id as usize].end = range.end;
        self.enter_class(id, range.end - range.start);
    }

    fn memory_bytes(&self) -> u64 {
        let rest = self.rest.capacity() * size_of::<Rest>();
        let bags = self.bags.capacity() * size_of::<Vec<u32>>() + self.bagged * size_of::<u32>();
        self.by_start.memory_bytes() + self.by_length.memory_bytes() + (rest + bags) as u64
    }

    fn check(&self) -> Result<(), String> {
        self.by_start.check()?;
        self.by_length.check()?;
        let bagged = self.check_bags()?;
        if bagged != self.len() {
            return Err(format!(
                "{bagged} ranges by length, {} by offset",
                self.len()
            ));
        }
        let (mut at, mut previous) = (self.by_start.first(), NIL);
        while at != NIL {
            let rest = &self.rest[at as usize];
            let next = self.by_start.next(at);
            if (rest.previous, rest.next) != (previous, next) {
                return Err(format!("range {at} has wrong neighbours"));
            }
            (previous, at) = (at, next);
        }
        Ok(())
    }
}
