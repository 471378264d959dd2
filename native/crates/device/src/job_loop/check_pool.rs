//! Threads that check what a job read (`verify_async`), so that its own can go on. Each buffer is handed
//! over with what it must hold, and comes back with the verdict; until then its slot is not free. There
//! are as many parcels as slots, so nothing is allocated on the way and no queue is ever full.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use osdyno_core::op::Op;
use osdyno_core::verify::{Checker, Mismatch, Verifier};

use crate::arena::Arena;
use crate::cpu;

/// A read that is being checked.
#[derive(Debug)]
pub(super) struct Parcel {
    pub op: Op,
    pub slot: u32,
    /// On the runner's clock.
    pub completed_ns: u64,
    expected: Vec<u32>,
    pub mismatch: Option<Mismatch>,
}

/// See the module. Dropping it ends the threads.
#[derive(Debug)]
pub(super) struct CheckPool {
    helpers: Vec<SyncSender<Box<Parcel>>>,
    verdicts: Receiver<Box<Parcel>>,
    #[expect(clippy::vec_box, reason = "they go through channels as they are")]
    spare: Vec<Box<Parcel>>,
    /// Handed over and not back.
    pub pending: u32,
    next: usize,
}

impl CheckPool {
    /// `threads` helpers over an arena's slots, on these CPUs (none: anywhere). `intervals`: of the
    /// longest read.
    pub fn new(
        threads: u32,
        cpus: &[u32],
        checker: &Arc<Checker>,
        arena: &Arc<Arena>,
        intervals: usize,
    ) -> io::Result<Self> {
        let slots = arena.slot_count();
        let (back, verdicts) = sync_channel(slots as usize);
        let (ready, readiness) = sync_channel(threads as usize);
        let mut helpers = Vec::with_capacity(threads as usize);
        for _ in 0..threads {
            let (sender, parcels) = sync_channel::<Box<Parcel>>(slots as usize);
            let (checker, arena) = (Arc::clone(checker), Arc::clone(arena));
            let (back, ready, cpus) = (back.clone(), ready.clone(), cpus.to_vec());
            std::thread::Builder::new()
                .name("verify".to_owned())
                .spawn(move || {
                    let pinned = if cpus.is_empty() {
                        Ok(())
                    } else {
                        cpu::pin(&cpus)
                    };
                    let runs = pinned.is_ok();
                    let _ = ready.send(pinned);
                    if runs {
                        help(&parcels, &back, &checker, &arena);
                    }
                })?;
            helpers.push(sender);
        }
        drop(ready);
        readiness
            .iter()
            .take(helpers.len())
            .collect::<io::Result<()>>()?;
        let nothing = || Parcel {
            op: super::build::NOTHING,
            slot: 0,
            completed_ns: 0,
            expected: Vec::with_capacity(intervals),
            mismatch: None,
        };
        Ok(Self {
            helpers,
            verdicts,
            spare: (0..slots).map(|_| Box::new(nothing())).collect(),
            pending: 0,
            next: 0,
        })
    }

    /// Hands a read over. Its slot MUST not be touched until the parcel is back.
    pub fn hand_over(&mut self, verifier: &Verifier, op: &Op, slot: u32, completed_ns: u64) {
        let Some(mut parcel) = self.spare.pop() else {
            unreachable!("as many parcels as slots");
        };
        verifier.expect(op, &mut parcel.expected);
        (parcel.op, parcel.slot, parcel.completed_ns) = (*op, slot, completed_ns);
        self.next = (self.next + 1) % self.helpers.len();
        // A helper lives as long as its sender, and its queue has room for every slot.
        if self.helpers[self.next].send(parcel).is_ok() {
            self.pending += 1;
        }
    }

    /// A read that has been checked, if any; `give_back` what it answers.
    pub fn take(&mut self) -> Option<Box<Parcel>> {
        let parcel = self.verdicts.try_recv().ok()?;
        self.pending -= 1;
        Some(parcel)
    }

    /// As `take`, waiting so long at most.
    pub fn wait(&mut self, most_ns: u64) -> Option<Box<Parcel>> {
        match self.verdicts.recv_timeout(Duration::from_nanos(most_ns)) {
            Ok(parcel) => {
                self.pending -= 1;
                Some(parcel)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    pub fn give_back(&mut self, mut parcel: Box<Parcel>) {
        parcel.mismatch = None;
        self.spare.push(parcel);
    }
}

fn help(
    parcels: &Receiver<Box<Parcel>>,
    back: &SyncSender<Box<Parcel>>,
    checker: &Checker,
    arena: &Arena,
) {
    for mut parcel in parcels {
        // SAFETY: the slot's operation has completed, and the slot is lent to this thread until the
        // parcel is back.
        let bytes = unsafe { arena.slot(parcel.slot, parcel.op.length as usize) };
        parcel.mismatch = checker.check(&parcel.op, bytes, &parcel.expected);
        if back.send(parcel).is_err() {
            return;
        }
    }
}
