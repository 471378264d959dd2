//! A job on a thread of its own: turns and waits.

use super::{JobLoop, Turn};
use crate::clock::{now_ns, sleep_until};
use crate::engine::{Engine, EngineError, Wait};

impl<E: Engine> JobLoop<E> {
    /// Runs the job on this thread, to its end: turns and waits.
    pub fn run(&mut self) {
        loop {
            match self.turn() {
                Ok(turn) if turn.done => return,
                Ok(turn) => {
                    if let Err(error) = self.wait(&turn) {
                        return self.fail_engine(&error);
                    }
                }
                Err(error) => return self.fail_engine(&error),
            }
        }
    }

    #[inline]
    fn wait(&mut self, turn: &Turn) -> Result<(), EngineError> {
        if turn.worked {
            self.end_spin(turn.began_ns);
        }
        if self.being_checked() > 0 && self.in_engine() == 0 {
            // Only those who check can make something happen.
            if !turn.worked {
                let until_ns = turn
                    .arrival_ns
                    .map_or(turn.until_ns, |at| at.min(turn.until_ns));
                self.take_checked(until_ns.saturating_sub(now_ns()).max(1));
            }
            return Ok(());
        }
        let Some(arrival_ns) = turn.arrival_ns else {
            if turn.inflight {
                self.announce_wait();
                self.engine
                    .reap(Wait::Until(turn.until_ns), &mut self.out)?;
            } else {
                sleep_until(turn.until_ns);
            }
            if self.scheduled {
                self.slept_ns += now_ns().saturating_sub(turn.began_ns);
            }
            return Ok(());
        };
        if turn.worked {
            // Completions and arrivals that came meanwhile first.
            return Ok(());
        }
        if self.spins && turn.began_ns < self.start_ns + self.stream.spins_until_ns() {
            std::hint::spin_loop();
            return Ok(());
        }
        let Some(wake_ns) = self.pace.sleep_until(turn.began_ns, arrival_ns) else {
            if self.spins_since_ns == 0 {
                self.spins_since_ns = turn.began_ns;
            }
            std::hint::spin_loop();
            return Ok(());
        };
        self.end_spin(turn.began_ns);
        let wake_ns = wake_ns.min(turn.until_ns);
        if turn.inflight {
            self.announce_wait();
            self.engine.reap(Wait::Until(wake_ns), &mut self.out)?;
        } else {
            sleep_until(wake_ns);
        }
        let ended_ns = now_ns();
        self.slept_ns += ended_ns.saturating_sub(turn.began_ns);
        if self.out.is_empty() {
            self.pace.learn(wake_ns, ended_ns);
        }
        Ok(())
    }

    #[inline]
    fn end_spin(&mut self, at_ns: u64) {
        if self.spins_since_ns != 0 {
            let since_ns = self.spins_since_ns.max(self.measured_ns);
            self.spun_ns += at_ns.saturating_sub(since_ns);
            self.spins_since_ns = 0;
        }
    }
}
