//! Virtual time, in a process of its own: one test, since the clock is the process's.

use osdyno_device::clock::{now_ns, source, stand_at};

#[test]
fn time_stands_where_it_was_set_and_never_goes_back() {
    assert!(stand_at(1_000));
    assert_eq!(source(), "virtual");
    assert_eq!((now_ns(), now_ns()), (1_000, 1_000));
    assert!(stand_at(u64::MAX));
    let far = now_ns();
    assert!(stand_at(2_000));
    assert_eq!(now_ns(), far);
}
