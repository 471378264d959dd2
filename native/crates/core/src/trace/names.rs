//! Files and devices of a trace, numbered in the order in which they appear.

use std::collections::HashMap;

/// A trace may name this many files at most: an operation's file is 16 bits wide.
pub const MOST_NAMES: usize = u16::MAX as usize;

/// See the module.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<Box<[u8]>, u32>,
    list: Vec<Box<[u8]>>,
    /// Traces name the same file many times in a row.
    last: u32,
}

impl Names {
    /// The number of a name, a new one if it is new; `None` when there are too many.
    pub fn number(&mut self, name: &[u8]) -> Option<u32> {
        if let Some(last) = self.list.get(self.last as usize)
            && **last == *name
        {
            return Some(self.last);
        }
        if let Some(&number) = self.known.get(name) {
            self.last = number;
            return Some(number);
        }
        if self.list.len() == MOST_NAMES {
            return None;
        }
        let number = self.list.len() as u32;
        self.known.insert(name.into(), number);
        self.list.push(name.into());
        self.last = number;
        Some(number)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The name of a number.
    #[must_use]
    pub fn text(&self, number: u32) -> String {
        self.list
            .get(number as usize)
            .map_or_else(String::new, |name| {
                String::from_utf8_lossy(name).into_owned()
            })
    }
}

/// `8,16`: a device of a block trace.
#[must_use]
pub fn device_name(major: u64, minor: u64) -> String {
    format!("{major},{minor}")
}

/// The device of such a name, as an event carries it: major number << 20 | minor number.
#[must_use]
pub fn device_number(name: &str) -> Option<u32> {
    let (major, minor) = name.split_once(',')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 1 << 12 && minor < 1 << 20).then_some(major << 20 | minor)
}
