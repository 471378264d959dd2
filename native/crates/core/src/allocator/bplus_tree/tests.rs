//! The B+ tree beside the standard library's map.

use std::collections::BTreeMap;

use super::*;
use crate::rng::{Rng, Use};

fn compare(tree: &BPlusTree<u64, u32>, map: &BTreeMap<u64, u32>, probe: u64) {
    let entry = |place: Option<Place>| place.map(|at| (tree.key(at), tree.value(at)));
    let owned = |(key, value): (&u64, &u32)| (*key, *value);
    assert_eq!(
        entry(tree.floor(probe)),
        map.range(..=probe).next_back().map(owned)
    );
    assert_eq!(
        entry(tree.ceiling(probe)),
        map.range(probe..).next().map(owned)
    );
    assert_eq!(entry(tree.first()), map.first_key_value().map(owned));
    assert_eq!(entry(tree.last()), map.last_key_value().map(owned));
}

/// Grows and shrinks in waves, so that nodes split, share and merge on three levels.
#[test]
fn holds_what_a_map_holds() {
    let mut rng = Rng::new(5, Use::Offset, 0);
    let (mut tree, mut map) = (BPlusTree::default(), BTreeMap::new());
    for step in 0..200_000_u64 {
        let growing = step / 25_000 % 2 == 0;
        // Runs of keys at one end empty single leaves between full ones.
        let low = if step % 3 == 0 { 0 } else { step / 10 % 20_000 };
        let key = low + rng.below(20_000);
        if rng.below(10) < if growing { 8 } else { 1 } {
            if map.insert(key, step as u32).is_none() {
                tree.insert(key, step as u32);
            } else if let Some(place) = tree.floor(key) {
                tree.set_value(place, step as u32);
            }
        } else if let Some((&near, _)) = map.range(key..).next() {
            map.remove(&near);
            tree.remove(near);
        }
        compare(&tree, &map, key);
        if step % 1000 == 0 {
            tree.check().unwrap();
            assert_eq!(tree.len(), map.len());
        }
    }
    while let Some((key, _)) = map.pop_last() {
        tree.remove(key);
    }
    tree.check().unwrap();
    assert_eq!((tree.len(), tree.height), (0, 0));
}
