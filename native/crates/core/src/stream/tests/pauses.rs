//! Think time, overlaps, loops.

use super::*;

/// Sequential reads of 4 KiB over 64 KiB.
fn reads() -> StreamSpec {
    let mut spec = spec_for_tests();
    spec.pattern = Pattern::Sequential;
    spec.regions = vec![Region {
        offset: 0,
        size: 65_536,
    }];
    spec.io_bytes = 65_536;
    spec.thinktime_ns = 1000;
    spec
}

fn op(next: Next) -> Op {
    match next {
        Next::Op(op) => op,
        other => panic!("{other:?}"),
    }
}

#[test]
fn counts_what_is_sent_when_told_to() {
    let mut spec = reads();
    spec.thinktime_blocks = 2;
    spec.thinktime.on_issue = true;
    let mut stream = OpStream::new(&spec).unwrap();
    let sent = [op(stream.next(0)), op(stream.next(0))];
    // Both are in flight: the pause begins when the last one has completed.
    assert_eq!(stream.next(0), Next::AfterCompletions);
    stream.completed(&sent[1], 10);
    stream.completed(&sent[0], 50);
    assert_eq!(stream.next(60), Next::NotBefore(1050));
    let next = op(stream.next(1050));
    stream.completed(&next, 1060);
    op(stream.next(1060));
}

#[test]
fn pauses_after_a_time_of_work() {
    let mut spec = reads();
    spec.thinktime_blocks = 0;
    spec.thinktime.io_ns = 300;
    let mut stream = OpStream::new(&spec).unwrap();
    for at in [100, 200, 300] {
        let sent = op(stream.next(at - 100));
        stream.completed(&sent, at);
    }
    assert_eq!(stream.next(300), Next::NotBefore(1300));
    // Counted from the end of the pause.
    for at in [1400, 1500, 1600] {
        let sent = op(stream.next(at - 100));
        stream.completed(&sent, at);
    }
    assert_eq!(stream.next(1600), Next::NotBefore(2600));
}

#[test]
fn the_first_part_of_a_pause_may_burn_cpu() {
    let mut spec = reads();
    spec.thinktime.spin_ns = 400;
    let mut stream = OpStream::new(&spec).unwrap();
    let sent = op(stream.next(0));
    assert_eq!(stream.spins_until_ns(), 0);
    stream.completed(&sent, 100);
    assert_eq!(stream.next(100), Next::NotBefore(1100));
    assert_eq!(stream.spins_until_ns(), 500);
    op(stream.next(1100));
    assert_eq!(stream.spins_until_ns(), 0);
}

/// Intended times of the operations that are due at 5 us, after a pause of 1 us at 0.5 us.
fn due_after_a_pause(delays: bool) -> Vec<u64> {
    let mut spec = reads();
    spec.thinktime_blocks = 1_000_000;
    spec.thinktime.io_ns = 500;
    spec.thinktime.delays_schedule = delays;
    // One a microsecond.
    let arrival = Arrival::Constant {
        rate: 1e6,
        by_bytes: false,
    };
    spec.arrival = [arrival.clone(), arrival.clone(), arrival];
    let mut stream = OpStream::new(&spec).unwrap();
    let first = op(stream.next(0));
    stream.completed(&first, 500);
    assert_eq!(stream.next(500), Next::NotBefore(1500));
    assert_eq!(stream.backlog(1500), u64::from(!delays));
    let mut times = vec![first.intended_ns];
    while let Next::Op(op) = stream.next(3500) {
        times.push(op.intended_ns);
    }
    times
}

#[test]
fn a_schedule_catches_up_after_pauses_unless_told_not_to() {
    assert_eq!(due_after_a_pause(false), [0, 1000, 2000, 3000]);
    assert_eq!(due_after_a_pause(true), [0, 2000, 3000]);
}

#[test]
fn overlapping_writes_wait_for_each_other_when_told_to() {
    let mut spec = writes(reads());
    spec.thinktime_ns = 0;
    spec.regions[0].size = 4096;
    spec.time_based = true;
    let mut alone = OpStream::new(&spec).unwrap();
    op(alone.next(0));
    op(alone.next(0));
    spec.serialize_overlap = true;
    let mut serial = OpStream::new(&spec).unwrap();
    let first = op(serial.next(0));
    assert_eq!(serial.next(0), Next::AfterCompletions);
    serial.completed(&first, 10);
    let second = op(serial.next(10));
    assert_eq!((second.offset, second.generation), (first.offset, 0));
}

#[test]
fn loops_end_with_everything_completed_where_asked_for() {
    let mut spec = reads();
    spec.thinktime_ns = 0;
    spec.loops = 3;
    spec.loop_barrier = true;
    let mut stream = OpStream::new(&spec).unwrap();
    let mut ends = 0;
    for _ in 0..3 {
        let sent: Vec<Op> = (0..16).map(|_| op(stream.next(0))).collect();
        assert_eq!(sent[15].offset, 61_440);
        if ends < 2 {
            assert_eq!(stream.next(0), Next::AfterCompletions);
        }
        for op in &sent {
            stream.completed(op, 0);
        }
        if ends < 2 {
            assert_eq!(stream.next(0), Next::LoopEnd);
            ends += 1;
        }
    }
    assert_eq!(stream.next(0), Next::Done);
}
