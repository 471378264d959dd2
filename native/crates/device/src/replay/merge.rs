//! Several traces as one, by time. One trace is the simplest case.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind};

use osdyno_core::trace::{Entry, Format, Names, Passed, TraceError, TraceEvent, TraceReader};

use super::{ReplayError, TraceInput};

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// One of the traces.
#[derive(Debug)]
struct Input {
    spec: TraceInput,
    reader: TraceReader<BufReader<File>>,
    iterations_left: u32,
    /// Of block traces: how much later than the first of them it begins.
    shift_ns: u64,
    /// Where this iteration begins.
    base_ns: u64,
    end_ns: u64,
    head: Option<Entry>,
    passed: Passed,
}

/// See the module.
#[derive(Debug)]
pub struct Merge {
    inputs: Vec<Input>,
    event: TraceEvent,
    /// Names of all of them: the same file in two traces is one file.
    pub names: Names,
}

fn open(path: &str, event: TraceEvent) -> Result<TraceReader<BufReader<File>>, TraceError> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        let what = "a trace is read more than once: give a regular file";
        return Err(Error::new(ErrorKind::InvalidInput, what).into());
    }
    TraceReader::new(BufReader::with_capacity(BUFFER, file), event)
}

impl Input {
    fn stretched(&self, time_ns: u64) -> u64 {
        let percent = self.spec.time_percent;
        if (percent - 100.0).abs() < 1e-9 {
            return time_ns;
        }
        (time_ns as f64 * percent / 100.0).round() as u64
    }

    fn next(&mut self, names: &mut Names, event: TraceEvent) -> Result<Option<Entry>, TraceError> {
        loop {
            if let Some(mut entry) = self.reader.next(names)? {
                let time_ns = self.stretched(entry.time_ns.saturating_add(self.shift_ns));
                entry.time_ns = time_ns.saturating_add(self.base_ns);
                self.end_ns = self.end_ns.max(entry.time_ns);
                return Ok(Some(entry));
            }
            if self.iterations_left <= 1 {
                return Ok(None);
            }
            self.iterations_left -= 1;
            self.base_ns = self.end_ns;
            let passed = self.reader.passed();
            self.passed.others += passed.others;
            self.passed.empty += passed.empty;
            self.reader = open(&self.spec.path, event)?;
        }
    }
}

/// Block traces that are merged are on one clock: the files of the CPUs of one trace, or several that
/// began together.
fn align(inputs: &mut [Input]) {
    let starts = inputs.iter().filter_map(|input| input.reader.start_ns());
    let Some(first_ns) = starts.min() else {
        return;
    };
    for input in inputs {
        if let Some(start_ns) = input.reader.start_ns() {
            input.shift_ns = start_ns - first_ns;
            let shift_ns = input.stretched(input.shift_ns);
            input.end_ns += shift_ns;
            if let Some(head) = &mut input.head {
                head.time_ns += shift_ns;
            }
        }
    }
}

impl Merge {
    /// Opens every trace.
    ///
    /// # Errors
    /// One of them cannot be opened or is none.
    pub fn open(inputs: &[TraceInput], event: TraceEvent) -> Result<Self, ReplayError> {
        let mut names = Names::default();
        let single = inputs.len() == 1;
        let mut all = Vec::with_capacity(inputs.len());
        for spec in inputs {
            let failed = |source| ReplayError {
                path: spec.path.clone(),
                source,
            };
            let mut input = Input {
                reader: open(&spec.path, event).map_err(failed)?,
                spec: spec.clone(),
                iterations_left: spec.iterations,
                shift_ns: 0,
                base_ns: 0,
                end_ns: 0,
                head: None,
                passed: Passed::default(),
            };
            if !single {
                input.head = input.next(&mut names, event).map_err(failed)?;
            }
            all.push(input);
        }
        align(&mut all);
        Ok(Self {
            inputs: all,
            event,
            names,
        })
    }

    /// The earliest operation that is left, and the place of its trace among the inputs.
    ///
    /// # Errors
    /// A trace is wrong there. Do not read on.
    #[inline]
    pub fn earliest(&mut self) -> Result<Option<(Entry, usize)>, ReplayError> {
        let failed = |input: &Input, source| ReplayError {
            path: input.spec.path.clone(),
            source,
        };
        if let [input] = &mut self.inputs[..] {
            let next = input.next(&mut self.names, self.event);
            return match next {
                Ok(entry) => Ok(entry.map(|entry| (entry, 0))),
                Err(source) => Err(failed(input, source)),
            };
        }
        let heads = self.inputs.iter().enumerate();
        let earliest = heads
            .filter_map(|(place, input)| input.head.map(|head| (head.time_ns, place)))
            .min();
        let Some((_, place)) = earliest else {
            return Ok(None);
        };
        let input = &mut self.inputs[place];
        let entry = input.head.take();
        match input.next(&mut self.names, self.event) {
            Ok(head) => input.head = head,
            Err(source) => return Err(failed(input, source)),
        }
        Ok(entry.map(|entry| (entry, place)))
    }

    /// The format of each trace.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        let formats = self.inputs.iter().map(|input| input.reader.format());
        formats.collect()
    }

    /// What was passed over so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        let mut all = Passed::default();
        for input in &self.inputs {
            let passed = input.reader.passed();
            all.others += passed.others + input.passed.others;
            all.empty += passed.empty + input.passed.empty;
        }
        all
    }
}
