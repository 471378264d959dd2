//! Think time: pauses after so many operations, or after so much time.

use crate::op::Next;
use crate::spec::StreamSpec;

/// See the module.
#[derive(Debug)]
pub(super) struct ThinkTime {
    pause_ns: u64,
    /// This much of a pause is to burn CPU.
    spin_ns: u64,
    /// Operations between pauses, 0 = they do not count.
    blocks: u32,
    /// Time between pauses, 0 = it does not count.
    io_ns: u64,
    /// Operations count when they are sent, not when they complete.
    on_issue: bool,
    /// Pauses delay the schedule.
    delays: bool,
    counted: u32,
    state: State,
    last_completed_ns: u64,
    /// When the last pause ended.
    since_ns: u64,
    /// What pauses delayed the schedule by so far.
    delayed_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    No,
    /// Waiting for what is in flight.
    Draining,
    Until(u64),
}

impl ThinkTime {
    /// `None` when the job does not think.
    pub(super) fn new(spec: &StreamSpec) -> Option<Self> {
        let think = &spec.thinktime;
        (spec.thinktime_ns > 0).then(|| Self {
            pause_ns: spec.thinktime_ns,
            spin_ns: think.spin_ns.min(spec.thinktime_ns),
            blocks: spec.thinktime_blocks,
            io_ns: think.io_ns,
            on_issue: think.on_issue,
            delays: think.delays_schedule,
            counted: 0,
            state: State::No,
            last_completed_ns: 0,
            since_ns: 0,
            delayed_ns: 0,
        })
    }

    fn count(&mut self, now_ns: Option<u64>) -> bool {
        let passed_ns = now_ns.map_or(0, |now_ns| now_ns.saturating_sub(self.since_ns));
        let long = self.io_ns > 0 && passed_ns >= self.io_ns;
        let many = self.blocks > 0 && self.counted >= self.blocks;
        if self.state != State::No || !(long || many) {
            return false;
        }
        self.counted = 0;
        self.state = State::Draining;
        true
    }

    /// An operation is sent; `true`: a pause is to follow.
    pub(super) fn sent(&mut self) -> bool {
        self.counted += u32::from(self.on_issue);
        self.on_issue && self.count(None)
    }

    /// An operation completed; `true`: a pause is to follow.
    pub(super) fn completed(&mut self, now_ns: u64) -> bool {
        self.last_completed_ns = now_ns;
        self.counted += u32::from(!self.on_issue);
        self.count(Some(now_ns))
    }

    /// What to wait for; `None`: the pause is over.
    pub(super) fn attend(&mut self, now_ns: u64, in_flight: u64) -> Option<Next> {
        if self.state == State::Draining {
            if in_flight > 0 {
                return Some(Next::AfterCompletions);
            }
            let until_ns = self.last_completed_ns.saturating_add(self.pause_ns);
            self.state = State::Until(until_ns);
            if self.delays {
                self.delayed_ns += self.pause_ns;
            }
        }
        if let State::Until(until_ns) = self.state
            && now_ns < until_ns
        {
            return Some(Next::NotBefore(until_ns));
        }
        self.state = State::No;
        self.since_ns = now_ns;
        None
    }

    /// Until when a pause burns CPU.
    pub(super) fn spins_until_ns(&self) -> u64 {
        match self.state {
            State::Until(until_ns) => until_ns - self.pause_ns + self.spin_ns,
            State::No | State::Draining => 0,
        }
    }

    /// What pauses have delayed the schedule by.
    pub(super) fn delayed_ns(&self) -> u64 {
        self.delayed_ns
    }
}
