use std::fmt::Write as _;
use std::io::{BufReader, Cursor};

use proptest::prelude::*;

use super::blktrace::{
    ACTION_ISSUE, ACTION_QUEUE, CATEGORY_DISCARD, CATEGORY_FLUSH, CATEGORY_NOTIFY, CATEGORY_PASSED,
    CATEGORY_WRITE, Event, Order,
};
use super::*;

/// Every entry of a trace, with its name spelled out.
fn read_all(bytes: &[u8], event: TraceEvent) -> Result<Vec<(String, Entry)>, TraceError> {
    let mut names = Names::default();
    let mut reader = TraceReader::new(BufReader::new(Cursor::new(bytes)), event)?;
    let mut all = Vec::new();
    while let Some(entry) = reader.next(&mut names)? {
        all.push((names.text(entry.name), entry));
    }
    Ok(all)
}

/// `micros kind name offset length`, for reading at a glance.
fn lines(bytes: &[u8]) -> Vec<String> {
    let line = |(name, entry): (String, Entry)| {
        format!(
            "{} {:?} {name} {} {}",
            entry.time_ns / 1000,
            entry.kind,
            entry.offset,
            entry.length
        )
    };
    let all = read_all(bytes, TraceEvent::Queue).unwrap();
    all.into_iter().map(line).collect()
}

fn refusal(bytes: &[u8]) -> String {
    read_all(bytes, TraceEvent::Queue).unwrap_err().to_string()
}

#[test]
fn reads_version_3_with_repeated_headers() {
    // The first part was written by fio 3.33 (`--rw=write --bs=16k --fsync=2 --write_iolog`).
    let text = b"fio version 3 iolog\n16 w.0.0 add\n117 w.0.0 open\n119 w.0.0 write 0 16384\n\
        139 w.0.0 write 16384 16384\n144 w.0.0 sync 16384 0\n2015 w.0.0 write 32768 16384\n\
        3039 w.0.0 close\nfio version 3 iolog\n8 x.0.0 add\n10 x.0.0 trim 0 512\n20 x.0.0 datasync 0 0\n";
    assert_eq!(
        lines(text),
        [
            "119 Write w.0.0 0 16384",
            "139 Write w.0.0 16384 16384",
            "144 Flush w.0.0 0 0",
            "2015 Write w.0.0 32768 16384",
            "3049 Trim x.0.0 0 512",
            "3059 DataFlush x.0.0 0 0",
        ]
    );
}

#[test]
fn reads_version_2_with_waits_of_every_form() {
    let text = b"fio version 2 iolog\n/dev/a add\n/dev/a open\n/dev/a read 0 4096\nwait 100\n\
        /dev/a read 4096 4096\n/dev/a wait 50 0\n/dev/b write 512 512\n/dev/a wait 7\n\
        /dev/a sync\n/dev/a close\n";
    assert_eq!(
        lines(text),
        [
            "0 Read /dev/a 0 4096",
            "100 Read /dev/a 4096 4096",
            "150 Write /dev/b 512 512",
            "157 Flush /dev/a 0 0",
        ]
    );
}

#[test]
fn refuses_with_the_line() {
    let v3 = "fio version 3 iolog\n";
    for (text, said) in [
        ("", "line 1: this is no trace"),
        ("hello\n", "line 1: this is no trace"),
        ("fio version 1 iolog\n", "line 1: iolog version 1"),
        (
            &format!("{v3}1 f read 0\n"),
            "line 2: `1 f read 0`: give offset and length",
        ),
        (
            &format!("{v3}f read 0 512\n"),
            "line 2: `f read 0 512`: a line begins with its time",
        ),
        (
            &format!("{v3}1 f wait 5 0\n"),
            "line 2: `1 f wait 5 0`: no such action",
        ),
        (
            &format!("{v3}\n1 f jump\n"),
            "line 3: `1 f jump`: no such action",
        ),
        (
            &format!("{v3}1 f read 9223372036854775807 9\n"),
            "ends beyond 2^63",
        ),
        (
            &format!("{v3}{}\n", "x".repeat(40_000)),
            "line 2: longer than 16384 bytes",
        ),
    ] {
        let found = refusal(text.as_bytes());
        assert!(found.contains(said), "{found:?} does not say {said:?}");
    }
}

fn event(time_ns: u64, action: u32, sector: u64, bytes: u32) -> Event {
    Event {
        sequence: 1,
        time_ns,
        sector,
        bytes,
        action,
        pid: 7,
        device: 8 << 20 | 16,
        cpu: 1,
        error: 0,
        data_bytes: 0,
    }
}

/// A stream as the kernel's header describes it, built without the code under test.
fn stream(events: &[(Event, &[u8])], big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (event, data) in events {
        let mut put = |value: u64, width: usize| {
            let bytes = value.to_be_bytes();
            let mut bytes = bytes[8 - width..].to_vec();
            if !big {
                bytes.reverse();
            }
            out.extend(bytes);
        };
        put(0x6561_7407, 4);
        put(u64::from(event.sequence), 4);
        put(event.time_ns, 8);
        put(event.sector, 8);
        for word in [
            event.bytes,
            event.action,
            event.pid,
            event.device,
            event.cpu,
        ] {
            put(u64::from(word), 4);
        }
        put(u64::from(event.error), 2);
        put(data.len() as u64, 2);
        out.extend_from_slice(data);
    }
    out
}

fn block_events() -> Vec<(Event, &'static [u8])> {
    let write = ACTION_QUEUE | CATEGORY_WRITE;
    vec![
        (event(5, CATEGORY_NOTIFY, 0, 4), b"note".as_slice()),
        (event(1_000_000, ACTION_QUEUE | 1 << 16, 8, 4096), b""),
        (event(1_001_000, write, 16, 512), b""),
        (
            event(1_002_000, ACTION_ISSUE | CATEGORY_WRITE, 16, 1024),
            b"remapped",
        ),
        (
            event(1_003_000, write | CATEGORY_DISCARD, 1 << 33, 1 << 30),
            b"",
        ),
        (event(1_004_000, write | CATEGORY_FLUSH, 0, 0), b""),
        (event(1_005_000, write | CATEGORY_FLUSH, 32, 512), b""),
        (
            event(1_006_000, ACTION_QUEUE | CATEGORY_PASSED, 0, 36),
            b"cdb",
        ),
        (event(1_007_000, ACTION_QUEUE, 0, 0), b""),
    ]
}

#[test]
fn reads_blktrace_in_both_byte_orders() {
    for big in [false, true] {
        let bytes = stream(&block_events(), big);
        assert_eq!(
            lines(&bytes),
            [
                "0 Read 8,16 4096 4096",
                "1 Write 8,16 8192 512",
                "3 Trim 8,16 4398046511104 1073741824",
                "4 Flush 8,16 0 0",
                "5 Flush 8,16 0 0",
                "5 Write 8,16 16384 512",
            ],
            "big: {big}"
        );
        let issued = read_all(&bytes, TraceEvent::Issue).unwrap();
        assert_eq!(issued.len(), 1);
        assert_eq!((issued[0].1.offset, issued[0].1.length), (8192, 1024));
        let cut = refusal(&bytes[..bytes.len() - 1]);
        assert!(
            cut.contains("record 9: the trace ends in the middle"),
            "{cut}"
        );
        let mut broken = bytes.clone();
        broken[48 + 4..48 + 8].fill(0xff);
        assert!(refusal(&broken).contains("record 2: no event of blktrace"));
    }
}

#[test]
fn reads_what_blkparse_prints() {
    let text = b"  8,0    3        1     0.000000000   697  G   W 223490 + 8 [kjournald]\n\
          8,0    3        2     1.500000000   697  Q   W 223490 + 8 [kjournald]\n\
        259,1    3        3     1.500002   697  Q  RA 0 + 256 [cat me]\n\
          8,0    1        4     1.500003000   697  Q   D 100 + 8192 [fstrim]\n\
          8,0    1        5     1.500004000   697  Q FWS [jbd2]\n\
          8,0    1        6     1.500005000   697  Q FWFS 8 + 8 [jbd2]\n\
          8,0    1        7     1.500006000   697  C   W 223490 + 8 [0]\n\
          8,0    1        8     1.500007000     0  m   N cfq idle=0\n\
          8,0    1        9     1.500008000     9  Q   R 36 (12 00 00 00 24 00) [hdparm]\n\
        CPU3 (sda):\n Reads Queued:           0,        0KiB\n";
    assert_eq!(
        lines(text),
        [
            "0 Write 8,0 114426880 4096",
            "2 Read 259,1 0 131072",
            "3 Trim 8,0 51200 4194304",
            "4 Flush 8,0 0 0",
            "5 Flush 8,0 0 0",
            "5 Write 8,0 4096 4096",
        ]
    );
    let wrong = b"8,0 3 2 1.5 697 Q W 223490 8 [k]\n";
    assert!(refusal(wrong).contains("no `SECTOR + COUNT`"));
}

#[test]
fn shapes_as_fio_does() {
    let entry = |time_ns, kind, offset, length| Entry {
        time_ns,
        kind,
        name: 0,
        offset,
        length,
    };
    let mut shape = Shape::new(&ShapeSpec {
        skip: Skip {
            trim: true,
            ..Skip::default()
        },
        scale_divisor: 3,
        align_bytes: 4096,
        time_scale_percent: 200.0,
    });
    let read = entry(1000, OpKind::Read, 30_000, 10_000);
    assert_eq!(
        shape.apply(read),
        Some(entry(500, OpKind::Read, 8192, 10_000))
    );
    assert_eq!(shape.apply(entry(2000, OpKind::Trim, 0, 1)), None);
    let back = shape.apply(entry(10, OpKind::Flush, 0, 0)).unwrap();
    assert_eq!((back.time_ns, shape.went_back), (500, 1));

    let pieces: Vec<_> = Shape::pieces(&read, 4096).collect();
    let spans = pieces
        .iter()
        .map(|piece| (piece.offset, piece.length, piece.more));
    assert_eq!(
        spans.collect::<Vec<_>>(),
        [
            (30_000, 4096, true),
            (34_096, 4096, true),
            (38_192, 1808, false)
        ]
    );
    let flush = entry(0, OpKind::Flush, 0, 0);
    assert_eq!(Shape::pieces(&flush, 4096).count(), 1);
    let trim = entry(0, OpKind::Trim, 0, 3 << 30);
    assert_eq!(Shape::pieces(&trim, 4096).count(), 3);
}

#[test]
fn numbers_of_names_run_out() {
    let mut names = Names::default();
    for index in 0..MOST_NAMES {
        assert_eq!(
            names.number(index.to_string().as_bytes()),
            Some(index as u32)
        );
    }
    assert_eq!(names.number(b"one more"), None);
    assert_eq!(names.number(b"17"), Some(17));
}

fn entries() -> impl Strategy<Value = Vec<(u8, u64, u32, u8)>> {
    prop::collection::vec((0_u8..5, 0_u64..1 << 40, 1_u32..1 << 24, 0_u8..4), 0..200)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_all(&bytes, TraceEvent::Queue);
        let mut text = b"fio version 3 iolog\n".to_vec();
        text.extend(&bytes);
        let _ = read_all(&text, TraceEvent::Queue);
        let mut binary = stream(&block_events(), false);
        let at = bytes.len() % binary.len();
        binary.truncate(at);
        binary.extend(&bytes);
        let _ = read_all(&binary, TraceEvent::Issue);
    }

    #[test]
    fn formats_agree(all in entries()) {
        let mut v2 = String::from("fio version 2 iolog\n");
        let mut v3 = String::from("fio version 3 iolog\n");
        let mut events = Vec::new();
        let mut print = String::new();
        for (index, &(kind, sector, count, device)) in all.iter().enumerate() {
            let micros = index as u64 * 13;
            let (offset, length) = (sector * 512, u64::from(count % 4096 + 1) * 512);
            let (word, action, rwbs) = [
                ("read", 0, "R"),
                ("write", CATEGORY_WRITE, "W"),
                ("trim", CATEGORY_WRITE | CATEGORY_DISCARD, "D"),
                ("sync", CATEGORY_WRITE | CATEGORY_FLUSH, "FWS"),
                ("read", 0, "RM"),
            ][usize::from(kind)];
            let flush = word == "sync";
            let place = if flush { "0 0".to_owned() } else { format!("{offset} {length}") };
            let wait = if index == 0 { 0 } else { 13 };
            let _ = writeln!(v2, "8,{device} wait {wait} 0\n8,{device} {word} {place}");
            let _ = writeln!(v3, "{micros} 8,{device} {word} {place}");
            let mut one = event(micros * 1000, ACTION_QUEUE | action, sector, length as u32);
            one.device = 8 << 20 | u32::from(device);
            if flush {
                (one.sector, one.bytes) = (0, 0);
            }
            events.push((one, b"".as_slice()));
            let place = if flush { String::new() } else { format!("{sector} + {} ", length / 512) };
            let _ = writeln!(
                print,
                "8,{device} 0 {index} {}.{:09} 1 Q {rwbs} {place}[x]",
                micros / 1_000_000, micros % 1_000_000 * 1000
            );
        }
        let expected = lines(v3.as_bytes());
        prop_assert_eq!(&lines(v2.as_bytes()), &expected);
        if !all.is_empty() {
            prop_assert_eq!(&lines(&stream(&events, true)), &expected);
            prop_assert_eq!(&lines(&stream(&events, false)), &expected);
            prop_assert_eq!(&lines(print.as_bytes()), &expected);
        }
    }

    #[test]
    fn events_survive_their_bytes(time_ns: u64, sector: u64, bytes: u32, action: u32, device: u32) {
        let mut one = event(time_ns, action, sector, bytes);
        one.device = device;
        for order in [Order::Little, Order::Big] {
            prop_assert_eq!(Event::parse(&one.encode(order), order), Some(one));
        }
        prop_assert_eq!(one.encode(Order::Big).to_vec(), stream(&[(one, b"")], true));
    }
}
