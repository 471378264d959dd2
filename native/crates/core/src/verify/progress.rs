//! How far a job came: which operations certainly reached the target, and which may have.

use std::collections::VecDeque;

/// Operations by their sequence, which is sent in ascending order and completes in any.
#[derive(Debug, Default)]
pub struct Progress {
    /// Operations before this one have completed.
    done: u64,
    /// Whether `done`, `done + 1`, ... have; those after it were not sent.
    window: VecDeque<bool>,
}

impl Progress {
    /// For operations from 0 on, with room for so many in flight.
    #[must_use]
    pub fn new(in_flight: usize) -> Self {
        Self {
            done: 0,
            window: VecDeque::with_capacity(in_flight.next_power_of_two() * 2),
        }
    }

    /// All before this sequence have completed.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// None from this sequence on was sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.done + self.window.len() as u64
    }

    /// An operation is about to be sent; those before it were.
    pub fn send(&mut self, sequence: u64) {
        while self.sent() <= sequence {
            self.window.push_back(false);
        }
    }

    /// An operation has completed well. One that failed never does: what came after it stays
    /// uncertain.
    pub fn complete(&mut self, sequence: u64) {
        let Some(at) = sequence.checked_sub(self.done) else {
            return;
        };
        if let Some(done) = self.window.get_mut(at as usize) {
            *done = true;
        }
        while self.window.front() == Some(&true) {
            self.window.pop_front();
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Beside a plain list of what completed, in any order, with failures.
        #[test]
        fn knows_the_whole_prefix(
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 1..300),
        ) {
            let mut progress = Progress::new(4);
            let (mut flight, mut completed) = (Vec::new(), std::collections::BTreeSet::new());
            let mut sent = 0;
            for (which, action) in steps {
                if flight.is_empty() || action < 5 {
                    progress.send(sent);
                    flight.push(sent);
                    sent += 1;
                } else {
                    let sequence = flight.swap_remove(which.index(flight.len()));
                    if action < 9 {
                        progress.complete(sequence);
                        completed.insert(sequence);
                    }
                }
                let prefix = (0..sent).take_while(|sequence| completed.contains(sequence)).count();
                prop_assert_eq!((progress.done(), progress.sent()), (prefix as u64, sent));
            }
        }
    }
}
