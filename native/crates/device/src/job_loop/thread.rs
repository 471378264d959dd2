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
        let Some(arrival_ns) = turn.arrival_ns else {
            if turn.inflight {
                self.engine
                    .reap(Wait::Until(turn.until_ns), &mut self.out)?;
            } else {
                sleep_until(turn.until_ns);
            }
            return Ok(());
        };
        let now = now_ns();
        if turn.worked {
            // Completions and arrivals that came meanwhile first.
            return Ok(());
        }
        let wake_ns = self.pace.sleep_until(now, arrival_ns);
        match wake_ns.map(|wake_ns| wake_ns.min(turn.until_ns)) {
            Some(wake_ns) if turn.inflight => {
                self.engine.reap(Wait::Until(wake_ns), &mut self.out)?;
                if self.out.is_empty() {
                    self.pace.learn(wake_ns, now_ns());
                }
            }
            Some(wake_ns) => {
                sleep_until(wake_ns);
                self.pace.learn(wake_ns, now_ns());
            }
            None => {
                std::hint::spin_loop();
                self.spun_ns += now_ns() - turn.now_ns.min(now);
            }
        }
        Ok(())
    }
}
